{{ config(materialized='ephemeral') }}
select id, name from {{ ref('now_people') }} where id < 3

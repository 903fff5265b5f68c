{{ config(materialized='ephemeral') }}
select * from {{ ref('little') }} where id = 1

{{ config(materialized='ephemeral') }}
select id, name, '{{ only_here(var("greeting")) }}' as told from {{ ref('now_people') }} where id < 3

{{ config(materialized='incremental') }}
select id, name, {{ var('round') }} as round from {{ ref('now_people') }}
{% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}

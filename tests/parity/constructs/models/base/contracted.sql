{{ config(materialized='table') }}
select name, id, 1.5 as amount, {{ dbt.current_timestamp() }} is not null as is_now from {{ ref('now_people') }}

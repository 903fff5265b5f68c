{{ config(materialized='incremental', unique_key=['id', 'day'], incremental_strategy='delete+insert', on_schema_change='fail', grants={'select': 'reader'}, tags='facts', indexes=[{'columns': ['id'], 'unique': true}]) }}
select id, day from {{ ref('customers') }}
union all select width, null from {{ ref('calendar') }}
{% if is_incremental() %}
where day > (select max(day) from {{ this }}) and id in (select id from {{ ref('rates') }})
{% endif %}

{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge', merge_update_columns=['points']) }}
select id, name || '{{ var("round") }}' as name, points from {{ ref('now_people') }}

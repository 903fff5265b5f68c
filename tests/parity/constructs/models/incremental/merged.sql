{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge', merge_exclude_columns=['name']) }}
select id, upper(name) || {{ var('round') }} as name, points from {{ ref('now_people') }}

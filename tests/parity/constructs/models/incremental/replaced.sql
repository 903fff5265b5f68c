{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert') }}
select id, name, points from {{ ref('now_people') }}

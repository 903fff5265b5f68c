{{ config(materialized='incremental', unique_key='id') }}
select id, points from {{ ref('now_people') }}

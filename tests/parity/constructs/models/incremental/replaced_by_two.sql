{{ config(materialized='incremental', unique_key=['id', 'team'], incremental_strategy='delete+insert', incremental_predicates=["id < 100"]) }}
select id, team, points from {{ ref('now_people') }} where team is not null

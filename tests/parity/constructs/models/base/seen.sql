{{ config(materialized='materialized_view', indexes=[{'columns': ['team']}]) }}
select team, count(*) as people from {{ ref('described') }} group by 1

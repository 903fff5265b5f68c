select team, count(*) as people from {{ ref('now_people') }} group by 1

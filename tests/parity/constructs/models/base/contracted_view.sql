select id, name::varchar(20) as name from {{ ref('now_people') }}

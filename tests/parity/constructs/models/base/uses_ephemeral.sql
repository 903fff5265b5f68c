with mine as (select * from {{ ref('less') }})
select m.*, l.name as other from mine m join {{ ref('little') }} l using (id)

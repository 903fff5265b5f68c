{{ config(materialized='table') }}
select a.id as latest, b.id as first, c.id as second from {{ ref('team') }} a cross join {{ ref('team', v=1) }} b cross join {{ ref('constructs', 'team', version=2) }} c

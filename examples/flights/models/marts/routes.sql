-- Every route from New York, with the name of where it leads.
select
    f.origin,
    f.dest,
    coalesce(a.airport_name, f.dest) as destination,
    count(*) as flights,
    count(distinct f.carrier) as carriers,
    max(f.miles) as miles,
    round(avg(f.departure_delay), 1) as average_departure_delay,
    {{ share("sum(case when f.outcome = 'late' then 1 else 0 end)", 'count(*)') }} as late_percent
from {{ ref('int_flights') }} as f
left join {{ ref('stg_airports') }} as a on a.airport = f.dest
group by f.origin, f.dest, a.airport_name

-- The aircraft that flew, with what the registry knows of them.
select
    d.tail_number,
    p.manufacturer,
    p.model,
    p.year_built,
    p.seats,
    count(*) as days_flown,
    sum(d.flights) as flights,
    sum(d.miles) as miles
from {{ ref('int_aircraft_days') }} as d
left join {{ ref('stg_planes') }} as p on p.tail_number = d.tail_number
group by d.tail_number, p.manufacturer, p.model, p.year_built, p.seats

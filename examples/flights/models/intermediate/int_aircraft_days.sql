-- What each aircraft did on each day.
select
    f.tail_number,
    f.flight_date,
    count(*) as flights,
    sum(f.miles) as miles,
    sum(f.minutes_in_air) as minutes_in_air
from {{ ref('int_flights') }} as f
where f.tail_number is not null
  and f.is_cancelled = 0
group by f.tail_number, f.flight_date

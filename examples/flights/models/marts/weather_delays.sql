-- What the weather at departure does to a day's flights.
select
    origin,
    weather,
    count(*) as flights,
    round(avg(departure_delay), 1) as average_departure_delay,
    {{ share("sum(case when outcome = 'cancelled' then 1 else 0 end)", 'count(*)') }} as cancelled_percent
from {{ ref('int_flight_weather') }}
group by origin, weather

-- One row per scheduled flight, with a key and clock times that can be read.
select
    flight_date || '-' || carrier || '-' || flight_number || '-' || origin as flight_id,
    flight_date,
    carrier,
    flight_number,
    tail_number,
    origin,
    dest,
    {{ time_of_day('sched_dep_time') }} as scheduled_departure,
    {{ time_of_day('dep_time') }} as departure,
    {{ time_of_day('arr_time') }} as arrival,
    (sched_dep_time / 100) % 24 as scheduled_hour,
    dep_delay as departure_delay,
    arr_delay as arrival_delay,
    air_time as minutes_in_air,
    distance as miles,
    case when dep_time is null then 1 else 0 end as is_cancelled
from {{ ref('flights') }}

{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['flight_date', 'carrier']
) }}
-- How each carrier did on each day.
select
    f.flight_date,
    f.carrier,
    a.carrier_name,
    count(*) as flights,
    sum(case when f.outcome = 'on time' then 1 else 0 end) as on_time,
    sum(case when f.outcome = 'late' then 1 else 0 end) as late,
    sum(f.is_cancelled) as cancelled,
    round(avg(f.arrival_delay), 1) as average_arrival_delay
from {{ ref('int_flights') }} as f
inner join {{ ref('stg_airlines') }} as a on a.carrier = f.carrier
{% if is_incremental() %}
where f.flight_date > (select coalesce(max(flight_date), '') from {{ this }})
{% endif %}
group by f.flight_date, f.carrier, a.carrier_name

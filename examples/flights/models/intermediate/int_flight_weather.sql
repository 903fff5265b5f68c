{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['flight_date', 'origin']
) }}
-- The weather in the hour of scheduled departure, for the flights loaded so far.
select
    f.flight_id,
    f.flight_date,
    f.origin,
    f.outcome,
    f.departure_delay,
    w.temp_f,
    w.wind_speed_mph,
    w.precip_in,
    w.visibility_mi,
    case
        when w.precip_in > 0 or w.visibility_mi < 3 then 'bad'
        when w.origin is null then 'unknown'
        else 'fair'
    end as weather
from {{ ref('int_flights') }} as f
left join {{ ref('stg_weather') }} as w
    on w.origin = f.origin
    and w.observed_date = f.flight_date
    and w.observed_hour = f.scheduled_hour
{% if is_incremental() %}
where f.flight_date > (select coalesce(max(flight_date), '') from {{ this }})
{% endif %}

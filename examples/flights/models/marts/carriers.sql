-- Every carrier over all days loaded.
select
    carrier,
    carrier_name,
    sum(flights) as flights,
    {{ share('sum(on_time)', 'sum(flights)') }} as on_time_percent,
    {{ share('sum(cancelled)', 'sum(flights)') }} as cancelled_percent,
    min(flight_date) as first_day,
    max(flight_date) as last_day
from {{ ref('daily_carriers') }}
group by carrier, carrier_name

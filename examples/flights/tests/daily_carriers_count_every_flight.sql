-- Every flight loaded is counted once: no day of the mart differs from the flights beneath it.
select
    f.flight_date,
    f.flights as loaded,
    d.flights as counted
from (
    select flight_date, count(*) as flights
    from {{ ref('int_flights') }}
    group by flight_date
) as f
left join (
    select flight_date, sum(flights) as flights
    from {{ ref('daily_carriers') }}
    group by flight_date
) as d on d.flight_date = f.flight_date
where d.flights is null or d.flights <> f.flights

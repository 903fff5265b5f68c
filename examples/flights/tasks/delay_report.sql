-- Adds to the report the flights of one carrier that arrived at least so many minutes late. Flights
-- that stand in it already are left out, so that running it again adds nothing.
insert into marts.delay_report (flight_id, flight_date, carrier, origin, dest, arrival_delay)
select f.flight_id, f.flight_date, f.carrier, f.origin, f.dest, f.arrival_delay
from intermediate.int_flights as f
where f.carrier = :carrier
  and f.arrival_delay >= :min_delay
  and not exists (select 1 from marts.delay_report as r where r.flight_id = f.flight_id)

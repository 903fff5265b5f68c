-- Reads a table that this task does not ask for in cofferdam.toml, so no grant lends it: the call is
-- refused before the warehouse sees it.
select flight_date, tail_number from raw.flights limit 10

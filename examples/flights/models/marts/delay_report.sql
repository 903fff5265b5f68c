{{ config(
    materialized='incremental',
    incremental_strategy='append'
) }}
-- The table that the task `tasks/delay_report.sql` fills. The model makes it, with columns and no
-- rows, and leaves it alone ever after.
select
    flight_id,
    flight_date,
    carrier,
    origin,
    dest,
    arrival_delay
from {{ ref('int_flights') }}
where 1 = 0

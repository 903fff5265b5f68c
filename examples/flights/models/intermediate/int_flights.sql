{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='flight_date'
) }}
-- The flights loaded so far, a day at a time: a day that comes again replaces itself.
select
    f.*,
    case
        when f.is_cancelled = 1 then 'cancelled'
        when f.arrival_delay is null then 'diverted'
        when f.arrival_delay >= {{ var('late_minutes') }} then 'late'
        else 'on time'
    end as outcome
from {{ ref('stg_flights') }} as f
where f.flight_date <= '{{ var('through') }}'
{% if is_incremental() %}
  and f.flight_date > (select coalesce(max(flight_date), '') from {{ this }})
{% endif %}

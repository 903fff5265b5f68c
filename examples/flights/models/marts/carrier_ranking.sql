{{ config(materialized='view') }}
-- The most punctual carrier first. A view: it is as fresh as the table it reads.
select
    rank() over (order by on_time_percent desc) as place,
    carrier_name,
    flights,
    on_time_percent
from {{ ref('carriers') }}

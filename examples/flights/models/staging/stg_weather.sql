select
    origin,
    substr(observed_at, 1, 10) as observed_date,
    cast(substr(observed_at, 12, 2) as integer) as observed_hour,
    temp_f,
    humidity,
    wind_speed_mph,
    precip_in,
    visibility_mi
from {{ ref('weather') }}

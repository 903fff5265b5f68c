select
    faa as airport,
    name as airport_name,
    latitude,
    longitude,
    altitude_ft,
    time_zone
from {{ ref('airports') }}

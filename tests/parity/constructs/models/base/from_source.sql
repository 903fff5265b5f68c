select * from {{ source('given', 'diary') }} where what = 'start' and n = 1 limit 1


-- orders, one row each
select id, customer_id, amount, loaded_at
from {{ source('erp', 'orders') }}
where loaded_at >= '{{ var("start") }}'

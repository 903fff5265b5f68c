select count(*) from {{ ref('described') }}

select * from {{ ref('facts') }}

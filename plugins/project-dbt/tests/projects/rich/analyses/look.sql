select count(*) from {{ ref('facts') }}

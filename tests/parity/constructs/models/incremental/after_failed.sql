select * from {{ ref('changed_fail') }}

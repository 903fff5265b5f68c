{{ config(store_failures=true, limit=2, error_if='>5') }}
select id, name from {{ ref('people') }}

{{ config(materialized='table', event_time='happened') }}
select i as id, (date '2024-01-01' + i * 20)::timestamp as happened from generate_series(0, 20) i

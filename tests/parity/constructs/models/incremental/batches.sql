{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='happened', begin='2024-01-01', batch_size='month', unique_key='id', full_refresh=true) }}
select id, happened from {{ ref('events') }}

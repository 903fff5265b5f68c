{{ config(materialized='incremental', full_refresh=true) }}
select {{ var('round') }} as round

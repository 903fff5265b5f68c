{{ config(materialized='incremental', incremental_strategy='append') }}
select {{ var('round') }} as round

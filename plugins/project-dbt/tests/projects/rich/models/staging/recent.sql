{{ config(materialized='ephemeral', meta={'owner': 'me'}) }}
select * from {{ ref('stg_orders') }}

{{ config(schema='elsewhere') }}
select * from {{ ref('aliased') }}

{{ config(materialized=('table' if var('round') == 1 else 'view')) }}
select id from {{ ref('now_people') }}

{{ config(materialized=('view' if var('round') == 1 else 'table')) }}
select id from {{ ref('now_people') }}

select id from {{ ref('described') }} {{ dbt.except() }} select 1 union all (select id from {{ ref('described') }} {{ dbt.intersect() }} select 2)

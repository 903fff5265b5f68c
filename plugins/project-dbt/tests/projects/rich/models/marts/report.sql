{{ config(group='finance', enabled=true, docs={'node_color': 'red'}) }}
select * from {{ ref('secret') }}

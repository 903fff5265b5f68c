{{ config(materialized='table') }}
{% if execute %}
{%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('package_name', 'equalto', 'constructs') | sort(attribute='name') %}
select '{{ node.unique_id }}' as id, '{{ node.config.materialized }}' as how, '{{ node.depends_on.nodes | sort | join(",") }}' as needs, '{{ node.tags | join(",") }}' as tags{{ ' union all' if not loop.last }}
{%- endfor %}
{% else %}select 1{% endif %}

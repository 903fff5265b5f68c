{#- Schemas are used as the project file writes them: `marts`, whatever the target's own is. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ custom_schema_name or target.schema }}
{%- endmacro %}

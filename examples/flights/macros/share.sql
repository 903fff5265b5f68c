{#- A part of a whole as a percentage with one decimal; null where there is no whole. -#}
{% macro share(part, whole) -%}
round(100.0 * {{ part }} / nullif({{ whole }}, 0), 1)
{%- endmacro %}

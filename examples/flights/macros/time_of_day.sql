{#- The clock times of the source are whole numbers: 517 is 05:17, 2400 is midnight. -#}
{% macro time_of_day(column) -%}
case when {{ column }} is not null
    then printf('%02d:%02d', ({{ column }} / 100) % 24, {{ column }} % 100) end
{%- endmacro %}

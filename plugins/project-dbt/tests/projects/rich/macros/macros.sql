{% macro money(column) %}round({{ column }}, {{ var('digits', 2) }}){% endmacro %}
{% macro unused() %}{{ tools.greet('you') }}{% endmacro %}

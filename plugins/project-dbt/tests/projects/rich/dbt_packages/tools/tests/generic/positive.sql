{% test positive(model, column_name, or_zero=false) %}
{{ config(fail_calc='sum(1)') }}
select {{ column_name }} from {{ model }} where {{ column_name }} < {{ 0 if or_zero else 1 }}
{% endtest %}

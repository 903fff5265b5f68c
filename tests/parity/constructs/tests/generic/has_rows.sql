{% test has_rows(model, least=1) %}
{{ config(fail_calc='coalesce(sum(missing), 0)', severity='error') }}
select {{ least }} - count(*) as missing from {{ model }} having count(*) < {{ least }}
{% endtest %}

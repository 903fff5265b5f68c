{% test few_rows(model, most=10) %}
select count(*) from {{ model }} having count(*) > {{ most }}
{% endtest %}

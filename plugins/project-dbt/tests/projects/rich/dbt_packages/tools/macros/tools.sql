{% macro greet(name) %}'{{ var('greeting') }} {{ name }}'{% endmacro %}

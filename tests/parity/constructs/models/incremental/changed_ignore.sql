{{ config(materialized='incremental', unique_key='id', on_schema_change='ignore') }}
{% if var('round') == 1 %}select id, name, points from {{ ref('now_people') }}
{% else %}select id, {% if 'ignore' == 'ignore' %}name, points, {% elif 'ignore' == 'append_new_columns' %}name, points, {% else %}points::bigint as points, {% endif %}'new' as more from {{ ref('now_people') }}{% endif %}

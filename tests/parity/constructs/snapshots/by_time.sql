{% snapshot by_time %}
{{ config(unique_key='id', strategy='timestamp', updated_at='changed_at') }}
select id, name, changed_at from {{ ref('now_people') }}
{% endsnapshot %}

{% snapshot by_check %}
{{ config(target_schema='history', unique_key='id', strategy='check', check_cols=['points'], invalidate_hard_deletes=true) }}
select id, points, changed_at from {{ ref('now_people') }}
{% endsnapshot %}

{% snapshot by_all %}
{{ config(unique_key="id || ''", strategy='check', check_cols='all', hard_deletes='new_record') }}
select id, points from {{ ref('now_people') }}
{% endsnapshot %}

{% snapshot orders_history %}
{{ config(strategy='timestamp', unique_key='id', updated_at='loaded_at') }}
select * from {{ ref('stg_orders') }}
{% endsnapshot %}

{% snapshot rates_history %}
{{ config(strategy='check', unique_key='id', check_cols='all', alias='rates_h', target_schema='other') }}
select * from {{ ref('rates') }}
{% endsnapshot %}

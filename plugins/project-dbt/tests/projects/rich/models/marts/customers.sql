{{ config(alias='customers_now', pre_hook="select 1", post_hook=["analyze {{ this }}", {'sql': 'vacuum', 'transaction': False}]) }}
select id, name, {{ money('amount') }} as amount from {{ ref('recent') }} join {{ ref('customers', v=1) }} using (id)
{% if is_incremental() %} join {{ ref('rates') }} using (id) {% endif %}

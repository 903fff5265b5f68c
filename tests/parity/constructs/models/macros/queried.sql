-- depends_on: {{ ref('described') }}, {{ ref('described_view') }}
{% set answer = run_query('select 1 as a, ' ~ "'x'" ~ ' as b, null::int as c, 2.50::numeric as d, date ' ~ "'2024-01-02'" ~ ' as e, true as f') -%}
{% if execute %}
{%- set columns = adapter.get_columns_in_relation(ref('described')) -%}
{%- set found = adapter.get_relation(database=target.database, schema=target.schema, identifier='described') -%}
select
    '{{ answer.columns[0].values()[0] }}|{{ answer.column_names | join(',') }}|{{ answer.rows[0]['b'] }}|{{ answer.rows[0][2] }}|{{ answer.columns['d'].values() | first }}|{{ answer.rows[0]['e'] }}|{{ answer.rows[0].values() | length }}' as answered,
    {% for column in columns %}'{{ column.name }}:{{ column.dtype }}:{{ column.data_type }}:{{ column.is_string() }}:{{ column.quoted }}'{{ ' || ' if not loop.last }}{% endfor %} as columns,
    '{{ found.type }}:{{ found.is_table }}:{{ found }}' as found,
    '{{ adapter.get_relation(target.database, target.schema, "no_such") }}' as missing,
    '{{ the_answer() }}' as result,
    '{{ load_relation(ref("described")).is_view }}' as is_view
{% else %}
select 1
{% endif %}

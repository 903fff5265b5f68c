{% macro note(what) -%}
    insert into {{ target.schema }}.diary values ('{{ what }}', {{ var('round') }})
{%- endmacro %}

{% macro pairs(items, sep=', ') -%}
    {%- set found = [] -%}
    {%- for key, value in items.items() -%}
        {%- do found.append(key ~ '=' ~ value) -%}
    {%- endfor -%}
    {{ return(found | join(sep)) }}
{%- endmacro %}

{% macro all_of() -%}
    {{ varargs | join('+') }}|{% for k in kwargs | sort %}{{ k }}:{{ kwargs[k] }};{% endfor %}
{%- endmacro %}

{% macro wrapped(title) -%}
    '{{ title }}: {{ caller(2) }}'
{%- endmacro %}

{% macro how() %}{{ return(adapter.dispatch('how', 'constructs')()) }}{% endmacro %}
{% macro default__how() %}default{% endmacro %}
{% macro postgres__how() %}postgres{% endmacro %}

{# Named by the materialization alone, and leads on to a macro that nothing else names. #}
{% macro doubled(sql) %}{{ return(adapter.dispatch('doubled', 'constructs')(sql)) }}{% endmacro %}
{% macro default__doubled(sql) -%}
    select * from ({{ sql }}) a {{ both() }} select * from ({{ sql }}) b
{%- endmacro %}
{% macro both() %}union all{% endmacro %}

{# Named by an ephemeral model alone. #}
{% macro only_here(word) %}{{ word }} {{ target.type }} {{ target.schema }} {{ model.name }} {{ this.identifier }}{% endmacro %}

{% materialization twice, adapter='postgres' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if load_relation(this) is not none %}{% do adapter.drop_relation(load_relation(this)) %}{% endif %}
    {% call statement('main') -%}
        create table {{ target_relation }} as ({{ doubled(sql) }})
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro the_answer() %}
    {%- call statement('mine', fetch_result=true) %}select 41 + 1 as n{% endcall -%}
    {%- set mine = load_result('mine') -%}
    {{ mine['data'][0][0] }} {{ mine.table.columns['n'].values()[0] }} {{ mine['response'] }}
{%- endmacro %}

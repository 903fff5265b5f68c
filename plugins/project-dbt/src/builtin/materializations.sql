{# How nodes become relations. A project can define its own by the same names. #}

{% macro replace_relation(existing, fresh, target_relation) %}
    {% if existing is not none %}{% do adapter.drop_relation(existing) %}{% endif %}
    {% do adapter.rename_relation(fresh, target_relation) %}
{% endmacro %}

{% materialization view, default %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='view') %}
    {% set grant_config = config.get('grants') %}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {% if existing is none %}
        {% call statement('main') -%}{{ get_create_view_as_sql(target_relation, sql) }}{%- endcall %}
    {% else %}
        {% set fresh = make_intermediate_relation(target_relation) %}
        {{ drop_relation_if_exists(load_cached_relation(fresh)) }}
        {% call statement('main') -%}{{ get_create_view_as_sql(fresh, sql) }}{%- endcall %}
        {{ replace_relation(existing, fresh, target_relation) }}
    {% endif %}

    {% do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, full_refresh_mode=true)) %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization table, default %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set grant_config = config.get('grants') %}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {% if existing is none %}
        {% call statement('main') -%}{{ get_create_table_as_sql(false, target_relation, sql) }}{%- endcall %}
        {% do create_indexes(target_relation) %}
    {% else %}
        {% set fresh = make_intermediate_relation(target_relation) %}
        {{ drop_relation_if_exists(load_cached_relation(fresh)) }}
        {% call statement('main') -%}{{ get_create_table_as_sql(false, fresh, sql) }}{%- endcall %}
        {% do create_indexes(fresh) %}
        {{ replace_relation(existing, fresh, target_relation) }}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {% do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, full_refresh_mode=true)) %}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization incremental, default %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set full_refresh = should_full_refresh() or (existing is not none and existing.type == 'view') %}
    {% set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') %}
    {% set grant_config = config.get('grants') %}
    {% set fresh = make_intermediate_relation(target_relation) %}
    {% set strategy = config.get('incremental_strategy') or 'default' %}
    {% set strategy_macro = get_incremental_strategy_macro(strategy) %}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {% set replaced = existing is not none and full_refresh %}
    {% if existing is none %}
        {% call statement('main') -%}{{ get_create_table_as_sql(false, target_relation, sql) }}{%- endcall %}
        {% do create_indexes(target_relation) %}
    {% elif full_refresh %}
        {{ drop_relation_if_exists(load_cached_relation(fresh)) }}
        {% call statement('main') -%}{{ get_create_table_as_sql(false, fresh, sql) }}{%- endcall %}
        {% do create_indexes(fresh) %}
        {{ replace_relation(existing, fresh, target_relation) }}
    {% else %}
        {% set temp_relation = make_temp_relation(target_relation) %}
        {% call statement() -%}{{ get_create_table_as_sql(true, temp_relation, sql) }}{%- endcall %}
        {% if not contract_enforced() %}
            {% do adapter.expand_target_column_types(from_relation=temp_relation, to_relation=target_relation) %}
        {% endif %}
        {% set dest_columns = process_schema_changes(on_schema_change, temp_relation, existing) %}
        {% if not dest_columns %}
            {% set dest_columns = adapter.get_columns_in_relation(existing) %}
        {% endif %}
        {% call statement('main') -%}
            {{ strategy_macro({
                'target_relation': target_relation,
                'temp_relation': temp_relation,
                'unique_key': config.get('unique_key'),
                'dest_columns': dest_columns,
                'incremental_predicates': config.get('predicates') or config.get('incremental_predicates'),
            }) }}
        {%- endcall %}
        {% do adapter.drop_relation(temp_relation.incorporate(type='table')) %}
    {% endif %}

    {% do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, full_refresh)) %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization materialized_view, default %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='materialized_view') %}
    {% set grant_config = config.get('grants') %}
    {% set fresh = make_intermediate_relation(target_relation) %}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {% set made = true %}
    {% if existing is none %}
        {% call statement('main') -%}{{ get_create_materialized_view_as_sql(target_relation, sql) }}{%- endcall %}
    {% elif should_full_refresh() or existing.type != 'materialized_view' %}
        {{ drop_relation_if_exists(load_cached_relation(fresh)) }}
        {% call statement('main') -%}{{ get_create_materialized_view_as_sql(fresh, sql) }}{%- endcall %}
        {{ replace_relation(existing, fresh, target_relation) }}
    {% else %}
        {% set changes = get_materialized_view_configuration_changes(existing, config) %}
        {% set on_change = config.get('on_configuration_change') or 'apply' %}
        {% if not changes %}
            {% call statement('main') -%}{{ refresh_materialized_view(target_relation) }}{%- endcall %}
        {% elif on_change == 'apply' %}
            {% call statement('main') -%}{{ changes | join(';\n') }}{%- endcall %}
        {% elif on_change == 'continue' %}
            {% do exceptions.warn('Configuration changes were identified and `on_configuration_change` was set to `continue` for `' ~ target_relation ~ '`') %}
            {% set made = false %}
            {% do noop_statement('main', message='skip ' ~ target_relation, code='skip', rows_affected='-1') %}
        {% else %}
            {{ exceptions.raise_compiler_error('Configuration changes were identified and `on_configuration_change` was set to `fail` for `' ~ target_relation ~ '`') }}
        {% endif %}
    {% endif %}

    {% if made %}
        {% do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, full_refresh_mode=true)) %}
        {% do persist_docs(target_relation, model) %}
    {% endif %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro get_create_materialized_view_as_sql(relation, sql) -%}{{ adapter.dispatch('get_create_materialized_view_as_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_create_materialized_view_as_sql(relation, sql) -%}
    {{ exceptions.raise_compiler_error('`materialized_view` is not to be had on ' ~ adapter.type()) }}
{%- endmacro %}
{% macro postgres__get_create_materialized_view_as_sql(relation, sql) -%}
    create materialized view if not exists {{ relation.render() }} as {{ sql }};
    {% for index_dict in config.get('indexes', default=[]) or [] -%}
    {{ get_create_index_sql(relation, index_dict) }}
    {% endfor -%}
{%- endmacro %}
{% macro refresh_materialized_view(relation) -%}{{ adapter.dispatch('refresh_materialized_view', 'dbt')(relation) }}{%- endmacro %}
{% macro default__refresh_materialized_view(relation) -%}refresh materialized view {{ relation.render() }}{%- endmacro %}

{# The statements that bring the indexes of a materialized view to what is configured; empty where they are. #}
{% macro get_materialized_view_configuration_changes(existing_relation, new_config) -%}
    {%- set wanted, there, changes = {}, {}, [] -%}
    {%- for index_dict in new_config.get('indexes', default=[]) or [] -%}
        {%- set columns = [index_dict.columns] if index_dict.columns is string else index_dict.columns -%}
        {%- do wanted.update({columns | join(',') ~ '|' ~ (index_dict.get('unique') or false) ~ '|' ~ (index_dict.get('type') or 'btree'): index_dict}) -%}
    {%- endfor -%}
    {%- set sql -%}
        select
            i.relname as name,
            array_to_string(array(
                select a.attname from unnest(ix.indkey) with ordinality as k(attnum, place)
                join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum = k.attnum order by k.place
            ), ',') as columns,
            ix.indisunique as is_unique,
            m.amname as method
        from pg_catalog.pg_index as ix
        join pg_catalog.pg_class as i on i.oid = ix.indexrelid
        join pg_catalog.pg_class as t on t.oid = ix.indrelid
        join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
        join pg_catalog.pg_am as m on m.oid = i.relam
        where t.relname = '{{ existing_relation.identifier }}' and n.nspname = '{{ existing_relation.schema }}'
    {%- endset -%}
    {%- for row in run_query(sql).rows -%}
        {%- do there.update({row[1] ~ '|' ~ row[2] ~ '|' ~ row[3]: row[0]}) -%}
    {%- endfor -%}
    {%- for key in there if key not in wanted -%}{%- do changes.append(get_drop_index_sql(existing_relation, there[key])) -%}{%- endfor -%}
    {%- for key in wanted if key not in there -%}{%- do changes.append((get_create_index_sql(existing_relation, wanted[key]) | trim).rstrip(';')) -%}{%- endfor -%}
    {{ return(changes) }}
{%- endmacro %}

{# How new rows come into a table that stays. #}

{% macro get_quoted_csv(column_names) %}
    {%- set quoted = [] -%}
    {%- for name in column_names -%}{%- do quoted.append(adapter.quote(name)) -%}{%- endfor -%}
    {{ return(quoted | join(', ')) }}
{% endmacro %}

{% macro diff_columns(source_columns, target_columns) %}
    {% set there, new = target_columns | map(attribute='name') | list, [] %}
    {% for column in source_columns if column.name not in there %}{% do new.append(column) %}{% endfor %}
    {{ return(new) }}
{% endmacro %}

{% macro diff_column_data_types(source_columns, target_columns) %}
    {{ return(adapter.dispatch('diff_column_data_types', 'dbt')(source_columns, target_columns)) }}
{% endmacro %}
{% macro default__diff_column_data_types(source_columns, target_columns) %}
    {% set changed = [] %}
    {% for column in source_columns %}
        {% set old = target_columns | selectattr('name', 'equalto', column.name) | list | first %}
        {% if old and column.data_type != old.data_type and not old.can_expand_to(other_column=column) %}
            {% do changed.append({'column_name': old.name, 'new_type': column.data_type}) %}
        {% endif %}
    {% endfor %}
    {{ return(changed) }}
{% endmacro %}

{% macro get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) %}
    {{ return(adapter.dispatch('get_merge_update_columns', 'dbt')(merge_update_columns, merge_exclude_columns, dest_columns)) }}
{% endmacro %}
{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) %}
    {% if merge_update_columns and merge_exclude_columns %}
        {{ exceptions.raise_compiler_error('Model cannot specify merge_update_columns and merge_exclude_columns. Please update model to use only one config') }}
    {% elif merge_update_columns %}
        {{ return(merge_update_columns) }}
    {% endif %}
    {% set left_out, columns = [], [] %}
    {% for name in merge_exclude_columns or [] %}{% do left_out.append(name | lower) %}{% endfor %}
    {% for column in dest_columns if column.name | lower not in left_out %}{% do columns.append(column.quoted) %}{% endfor %}
    {{ return(columns) }}
{% endmacro %}

{% macro get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {{ adapter.dispatch('get_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set on = [] -%}
    {%- for predicate in ([incremental_predicates] if incremental_predicates is string else incremental_predicates or []) -%}
        {%- do on.append(predicate) -%}
    {%- endfor -%}
    {%- for key in ([unique_key] if unique_key is string else unique_key or []) -%}
        {%- do on.append('DBT_INTERNAL_SOURCE.' ~ key ~ ' = DBT_INTERNAL_DEST.' ~ key) -%}
    {%- endfor -%}
    {%- if not unique_key -%}{%- do on.append('FALSE') -%}{%- endif -%}
    {%- set update = get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) -%}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
    {{ config.get('sql_header') or '' }}
    merge into {{ target.render() }} as DBT_INTERNAL_DEST
    using {{ source.render() }} as DBT_INTERNAL_SOURCE
    on ({{ on | join(') and (') }})
    {%- if unique_key %}
    when matched then update set
        {% for name in update -%}
        {{ name }} = DBT_INTERNAL_SOURCE.{{ name }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    {%- endif %}
    when not matched then insert ({{ columns }})
    values ({% for column in dest_columns %}DBT_INTERNAL_SOURCE.{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {{ adapter.dispatch('get_delete_insert_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
    {%- if unique_key -%}
    delete from {{ target.render() }} as DBT_INTERNAL_DEST
    where ({{ unique_key if unique_key is string else unique_key | join(', ') }}) in (
        select distinct {{ unique_key if unique_key is string else unique_key | join(', ') }}
        from {{ source.render() }} as DBT_INTERNAL_SOURCE
    )
    {%- for predicate in ([incremental_predicates] if incremental_predicates is string else incremental_predicates or []) %}
    and {{ predicate }}
    {%- endfor %};
    {%- endif %}

    insert into {{ target.render() }} ({{ columns }})
    (
        select {{ columns }}
        from {{ source.render() }}
    )
{%- endmacro %}

{% macro get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false) -%}
    {{ adapter.dispatch('get_insert_overwrite_merge_sql', 'dbt')(target, source, dest_columns, predicates, include_sql_header) }}
{%- endmacro %}
{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header) -%}
    {{ exceptions.raise_compiler_error("The incremental strategy 'insert_overwrite' is not valid for " ~ adapter.type()) }}
{%- endmacro %}

{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) -%}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
    insert into {{ target_relation.render() }} ({{ columns }})
    (
        select {{ columns }}
        from {{ temp_relation.render() }}
    )
{%- endmacro %}

{% macro get_incremental_append_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_append_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_append_sql(arg_dict) %}
    {{ return(get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'])) }}
{% endmacro %}

{% macro get_incremental_delete_insert_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_delete_insert_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_delete_insert_sql(arg_dict) %}
    {{ return(get_delete_insert_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}
{% endmacro %}

{% macro get_incremental_merge_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_merge_sql(arg_dict) %}
    {{ return(get_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}
{% endmacro %}

{% macro get_incremental_insert_overwrite_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_insert_overwrite_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_insert_overwrite_sql(arg_dict) %}
    {{ return(get_insert_overwrite_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) }}
{% endmacro %}

{% macro get_incremental_microbatch_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_microbatch_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_microbatch_sql(arg_dict) %}
    {% if not arg_dict['unique_key'] %}
        {{ exceptions.raise_compiler_error("dbt-" ~ adapter.type() ~ " 'microbatch' requires a `unique_key` config") }}
    {% endif %}
    {{ return(get_incremental_merge_sql(arg_dict)) }}
{% endmacro %}

{% macro get_incremental_default_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_default_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_default_sql(arg_dict) %}
    {% if arg_dict['unique_key'] %}
        {{ return(get_incremental_delete_insert_sql(arg_dict)) }}
    {% endif %}
    {{ return(get_incremental_append_sql(arg_dict)) }}
{% endmacro %}

{% macro get_incremental_strategy_macro(strategy) %}
    {% if strategy in ['append', 'delete+insert', 'merge', 'insert_overwrite', 'microbatch'] and strategy not in adapter.valid_incremental_strategies() %}
        {{ exceptions.raise_compiler_error("The incremental strategy '" ~ strategy ~ "' is not valid for this adapter") }}
    {% endif %}
    {% set parts = strategy.split('.') %}
    {% set name = 'get_incremental_' ~ parts[-1] | replace('+', '_') ~ '_sql' %}
    {% set found = context[parts[0]].get(name) if parts | length > 1 else context.get(name) %}
    {% if not found %}
        {{ exceptions.raise_compiler_error('dbt could not find an incremental strategy macro with the name "' ~ name ~ '" in ' ~ project_name) }}
    {% endif %}
    {{ return(found) }}
{% endmacro %}

{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
    {% if on_schema_change is none %}
        {{ return(default) }}
    {% elif on_schema_change not in ['sync_all_columns', 'append_new_columns', 'fail', 'ignore'] %}
        {% do exceptions.warn('Invalid value for on_schema_change (' ~ on_schema_change ~ ') specified. Setting default value of ' ~ default ~ '.') %}
        {{ return(default) }}
    {% endif %}
    {{ return(on_schema_change) }}
{% endmacro %}

{% macro check_for_schema_changes(source_relation, target_relation) %}
    {% set source_columns = adapter.get_columns_in_relation(source_relation) %}
    {% set target_columns = adapter.get_columns_in_relation(target_relation) %}
    {% set added = diff_columns(source_columns, target_columns) %}
    {% set removed = diff_columns(target_columns, source_columns) %}
    {% set retyped = diff_column_data_types(source_columns, target_columns) %}
    {% do return({
        'schema_changed': (added or removed or retyped) | length > 0,
        'source_not_in_target': added,
        'target_not_in_source': removed,
        'source_columns': source_columns,
        'target_columns': target_columns,
        'new_target_types': retyped,
    }) %}
{% endmacro %}

{% macro sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) %}
    {% set added = schema_changes_dict['source_not_in_target'] %}
    {% if on_schema_change == 'append_new_columns' %}
        {% if added %}{% do alter_relation_add_remove_columns(target_relation, added, none) %}{% endif %}
    {% elif on_schema_change == 'sync_all_columns' %}
        {% set removed = schema_changes_dict['target_not_in_source'] %}
        {% if added or removed %}{% do alter_relation_add_remove_columns(target_relation, added, removed) %}{% endif %}
        {% for change in schema_changes_dict['new_target_types'] %}
            {% do alter_column_type(target_relation, change['column_name'], change['new_type']) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {% if on_schema_change == 'ignore' %}
        {{ return({}) }}
    {% endif %}
    {% set changes = check_for_schema_changes(source_relation, target_relation) %}
    {% if changes['schema_changed'] %}
        {% if on_schema_change == 'fail' %}
            {{ exceptions.raise_compiler_error(
                'The source and target schemas on this incremental model are out of sync!\n'
                ~ 'They can be reconciled in several ways:\n'
                ~ '  - set the `on_schema_change` config to either append_new_columns or sync_all_columns, depending on your situation.\n'
                ~ '  - Re-run the incremental model with `full_refresh: True` to update the target schema.\n'
                ~ '  - update the schema manually and re-run the process.\n\n'
                ~ 'Source columns not in target: ' ~ changes['source_not_in_target'] | map(attribute='name') | join(', ') ~ '\n'
                ~ 'Target columns not in source: ' ~ changes['target_not_in_source'] | map(attribute='name') | join(', ') ~ '\n'
                ~ 'New column types: ' ~ changes['new_target_types'] | map(attribute='column_name') | join(', ')
            ) }}
        {% endif %}
        {% do sync_column_schemas(on_schema_change, target_relation, changes) %}
    {% endif %}
    {{ return(changes['source_columns']) }}
{% endmacro %}

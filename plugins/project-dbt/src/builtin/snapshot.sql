{# Histories: every row a query has given, with the time it held. #}

{% macro get_snapshot_table_column_names() %}
    {% do return({
        'dbt_valid_to': 'dbt_valid_to', 'dbt_valid_from': 'dbt_valid_from', 'dbt_scd_id': 'dbt_scd_id',
        'dbt_updated_at': 'dbt_updated_at', 'dbt_is_deleted': 'dbt_is_deleted',
    }) %}
{% endmacro %}

{% macro snapshot_column_names() %}
    {% set names = get_snapshot_table_column_names() %}
    {% for key, name in (config.get('snapshot_meta_column_names') or {}).items() if name %}
        {% do names.update({key: name}) %}
    {% endfor %}
    {% do return(names) %}
{% endmacro %}

{% macro snapshot_hard_deletes(model_config) %}
    {% set old, new = model_config.get('invalidate_hard_deletes'), model_config.get('hard_deletes') %}
    {% if old is not none and new is not none %}
        {{ exceptions.raise_compiler_error("You cannot set both the invalidate_hard_deletes and hard_deletes config properties on the same snapshot.") }}
    {% elif new is not none and new not in ['ignore', 'invalidate', 'new_record'] %}
        {{ exceptions.raise_compiler_error("Invalid setting for property hard_deletes: " ~ new) }}
    {% endif %}
    {% do return(new or ('invalidate' if old else 'ignore')) %}
{% endmacro %}

{% macro snapshot_keys(unique_key) %}
    {% do return([unique_key] if unique_key is string else unique_key) %}
{% endmacro %}
{% macro snapshot_key_names(unique_key) %}
    {% set names = [] %}
    {% for key in snapshot_keys(unique_key) %}
        {% do names.append('dbt_unique_key' if unique_key is string else 'dbt_unique_key_' ~ loop.index) %}
    {% endfor %}
    {% do return(names) %}
{% endmacro %}
{% macro unique_key_fields(unique_key) -%}
    {%- set names = snapshot_key_names(unique_key) -%}
    {%- for key in snapshot_keys(unique_key) -%}
    {{ key }} as {{ names[loop.index0] }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
    {%- for name in snapshot_key_names(unique_key) -%}
    {{ identifier }}.{{ name }} = {{ from_identifier }}.{{ name }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
{% macro unique_key_is_null(unique_key, identifier) -%}{{ identifier }}.{{ snapshot_key_names(unique_key)[0] }} is null{%- endmacro %}
{% macro unique_key_is_not_null(unique_key, identifier) -%}{{ identifier }}.{{ snapshot_key_names(unique_key)[0] }} is not null{%- endmacro %}

{% macro snapshot_hash_arguments(args) -%}{{ adapter.dispatch('snapshot_hash_arguments', 'dbt')(args) }}{%- endmacro %}
{% macro default__snapshot_hash_arguments(args) -%}
    md5({% for arg in args %}coalesce(cast({{ arg }} as varchar), ''){{ " || '|' || " if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro strategy_dispatch(name) -%}
    {%- if name == 'timestamp' -%}{{ return(snapshot_timestamp_strategy) }}
    {%- elif name == 'check' -%}{{ return(snapshot_check_strategy) }}
    {%- endif -%}
    {%- set package, short = name.split('.') if '.' in name else [none, name] -%}
    {%- set where = context[package] if package else context -%}
    {%- set found = where.get('snapshot_' ~ short ~ '_strategy') -%}
    {%- if found is none or found is undefined -%}
        {{ exceptions.raise_compiler_error("Could not find any strategy macro 'snapshot_" ~ short ~ "_strategy'" ~ (" in package '" ~ package ~ "'" if package else '')) }}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {% set unique_key, updated_at, names = config.get('unique_key'), config.get('updated_at'), snapshot_column_names() %}
    {% set hard_deletes = snapshot_hard_deletes(config) %}
    {% do return({
        'unique_key': unique_key,
        'updated_at': updated_at,
        'row_changed': '(' ~ snapshotted_rel ~ '.' ~ names.dbt_valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')',
        'scd_id': snapshot_hash_arguments(snapshot_keys(unique_key) + [updated_at]),
        'invalidate_hard_deletes': hard_deletes == 'invalidate',
        'hard_deletes': hard_deletes,
    }) %}
{% endmacro %}

{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
    {%- if not target_exists -%}
        {{ return((false, get_columns_in_query(node['compiled_code']))) }}
    {%- endif -%}
    {%- if check_cols_config == 'all' -%}
        {%- set wanted = get_columns_in_query(node['compiled_code']) -%}
    {%- elif check_cols_config is iterable and check_cols_config is not string and check_cols_config | length > 0 -%}
        {%- set given = {} -%}
        {%- for name in get_columns_in_query(node['compiled_code']) -%}{%- do given.update({name | upper: name}) -%}{%- endfor -%}
        {%- set wanted = [] -%}
        {%- for name in check_cols_config if name | upper in given -%}{%- do wanted.append(given[name | upper]) -%}{%- endfor -%}
    {%- else -%}
        {{ exceptions.raise_compiler_error("Invalid value for 'check_cols': " ~ check_cols_config) }}
    {%- endif -%}
    {%- set there = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- set kept = [] -%}
    {%- for name in wanted if name in there -%}{%- do kept.append(adapter.quote(name)) -%}{%- endfor -%}
    {{ return((kept | length < wanted | length, kept)) }}
{%- endmacro %}

{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {% set unique_key, updated_at = config.get('unique_key'), config.get('updated_at') or snapshot_get_time() %}
    {% set hard_deletes = snapshot_hard_deletes(config) %}
    {% set column_added, columns = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) %}
    {%- set row_changed -%}
    (
        {%- if column_added -%}
        true
        {%- else -%}
        {%- for name in columns %}
        {{ snapshotted_rel }}.{{ name }} is distinct from {{ current_rel }}.{{ name }}{{ ' or' if not loop.last }}
        {%- endfor -%}
        {%- endif %}
    )
    {%- endset %}
    {% do return({
        'unique_key': unique_key,
        'updated_at': updated_at,
        'row_changed': row_changed,
        'scd_id': snapshot_hash_arguments(snapshot_keys(unique_key) + [updated_at]),
        'invalidate_hard_deletes': hard_deletes == 'invalidate',
        'hard_deletes': hard_deletes,
    }) %}
{% endmacro %}

{% macro get_dbt_valid_to_current(strategy, columns) -%}
    coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ config.get('dbt_valid_to_current') or 'null' }}) as {{ columns.dbt_valid_to }}
{%- endmacro %}

{% macro snapshot_holds(columns, prefix='') -%}
    {%- set current = config.get('dbt_valid_to_current') -%}
    ({{ prefix }}{{ columns.dbt_valid_to }} is null{% if current %} or {{ prefix }}{{ columns.dbt_valid_to }} = {{ current }}{% endif %})
{%- endmacro %}

{% macro build_snapshot_table(strategy, sql) -%}{{ adapter.dispatch('build_snapshot_table', 'dbt')(strategy, sql) }}{%- endmacro %}
{% macro default__build_snapshot_table(strategy, sql) -%}
    {%- set columns = snapshot_column_names() %}
    select *,
        {{ strategy.scd_id }} as {{ columns.dbt_scd_id }},
        {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
        {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
        {{ get_dbt_valid_to_current(strategy, columns) }}
        {%- if strategy.hard_deletes == 'new_record' %},
        'False' as {{ columns.dbt_is_deleted }}
        {%- endif %}
    from (
        {{ sql }}
    ) sbq
{%- endmacro %}

{% macro snapshot_staging_table(strategy, source_sql, target_relation) -%}{{ adapter.dispatch('snapshot_staging_table', 'dbt')(strategy, source_sql, target_relation) }}{%- endmacro %}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {%- set columns = snapshot_column_names() -%}
    {%- set key, now = strategy.unique_key, snapshot_get_time() -%}
    {%- set marked = strategy.hard_deletes == 'new_record' -%}
    {%- set deleted = "snapshotted_data." ~ columns.dbt_is_deleted ~ " = 'True'" -%}
    {%- set changed = '(' ~ strategy.row_changed ~ (' or ' ~ deleted if marked else '') ~ ')' %}
    with snapshot_query as (
        {{ source_sql }}
    ),
    snapshotted_data as (
        select *, {{ unique_key_fields(key) }}
        from {{ target_relation.render() }}
        where {{ snapshot_holds(columns) }}
    ),
    insertions_source_data as (
        select *, {{ unique_key_fields(key) }},
            {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
            {{ get_dbt_valid_to_current(strategy, columns) }},
            {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}
        from snapshot_query
    ),
    updates_source_data as (
        select *, {{ unique_key_fields(key) }},
            {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_to }}
        from snapshot_query
    ),
    {%- if strategy.hard_deletes != 'ignore' %}
    deletes_source_data as (
        select *, {{ unique_key_fields(key) }} from snapshot_query
    ),
    {%- endif %}
    insertions as (
        select 'insert' as dbt_change_type, source_data.*{% if marked %}, 'False' as {{ columns.dbt_is_deleted }}{% endif %}
        from insertions_source_data as source_data
        left outer join snapshotted_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
        where {{ unique_key_is_null(key, 'snapshotted_data') }} or {{ changed }}
    ),
    updates as (
        select 'update' as dbt_change_type, source_data.*, snapshotted_data.{{ columns.dbt_scd_id }}{% if marked %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
        from updates_source_data as source_data
        join snapshotted_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
        where {{ changed }}
    )
    {%- if strategy.hard_deletes != 'ignore' %},
    deletes as (
        select 'delete' as dbt_change_type, source_data.*,
            {{ now }} as {{ columns.dbt_updated_at }},
            {{ now }} as {{ columns.dbt_valid_from }},
            {{ now }} as {{ columns.dbt_valid_to }},
            snapshotted_data.{{ columns.dbt_scd_id }}{% if marked %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
        from snapshotted_data
        left join deletes_source_data as source_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
        where {{ unique_key_is_null(key, 'source_data') }}
        {%- if marked %} and not ({{ deleted }}){% endif %}
    )
    {%- endif %}
    {%- if marked %}
    {%- set there = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | list %},
    deletion_records as (
        select 'insert' as dbt_change_type,
            {% for name in get_columns_in_query(source_sql) -%}
            {{ 'snapshotted_data.' ~ adapter.quote(name) if name in there else 'null as ' ~ adapter.quote(name) }},
            {% endfor -%}
            {% for name in snapshot_key_names(key) -%}
            snapshotted_data.{{ name }},
            {% endfor -%}
            {{ now }} as {{ columns.dbt_updated_at }},
            {{ now }} as {{ columns.dbt_valid_from }},
            snapshotted_data.{{ columns.dbt_valid_to }} as {{ columns.dbt_valid_to }},
            {{ snapshot_hash_arguments(['snapshotted_data.' ~ columns.dbt_scd_id, now]) }} as {{ columns.dbt_scd_id }},
            'True' as {{ columns.dbt_is_deleted }}
        from snapshotted_data
        left join deletes_source_data as source_data on {{ unique_key_join_on(key, 'snapshotted_data', 'source_data') }}
        where {{ unique_key_is_null(key, 'source_data') }} and not ({{ deleted }})
    )
    {%- endif %}
    select * from insertions
    union all
    select * from updates
    {%- if strategy.hard_deletes != 'ignore' %}
    union all
    select * from deletes
    {%- endif %}
    {%- if marked %}
    union all
    select * from deletion_records
    {%- endif %}
{%- endmacro %}

{% macro build_snapshot_staging_table(strategy, sql, target_relation) %}
    {% set temp_relation = make_temp_relation(target_relation) %}
    {% set select = snapshot_staging_table(strategy, sql, target_relation) %}
    {% call statement('build_snapshot_staging_relation') -%}
        {{ create_table_as(true, temp_relation, select) }}
    {%- endcall %}
    {% do return(temp_relation) %}
{% endmacro %}

{% macro create_columns(relation, columns) -%}{{ adapter.dispatch('create_columns', 'dbt')(relation, columns) }}{%- endmacro %}
{% macro default__create_columns(relation, columns) -%}
    {%- for column in columns -%}
        {% call statement() -%}
            alter table {{ relation.render() }} add column {{ column.quoted }} {{ column.data_type }};
        {%- endcall %}
    {%- endfor -%}
{%- endmacro %}

{% macro post_snapshot(staging_relation) -%}{{ adapter.dispatch('post_snapshot', 'dbt')(staging_relation) }}{%- endmacro %}
{% macro default__post_snapshot(staging_relation) -%}
    {%- do adapter.drop_relation(staging_relation.incorporate(type='table')) -%}
{%- endmacro %}

{% macro snapshot_merge_sql(target, source, insert_cols) -%}{{ adapter.dispatch('snapshot_merge_sql', 'dbt')(target, source, insert_cols) }}{%- endmacro %}
{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set columns = snapshot_column_names() -%}
    {%- set names = insert_cols | join(', ') %}
    update {{ target.render() }}
    set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
    from {{ source.render() }} as DBT_INTERNAL_SOURCE
    where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = {{ target.render() }}.{{ columns.dbt_scd_id }}::text
      and DBT_INTERNAL_SOURCE.dbt_change_type::text in ('update'::text, 'delete'::text)
      and {{ snapshot_holds(columns, target.render() ~ '.') }};

    insert into {{ target.render() }} ({{ names }})
    select {% for name in insert_cols %}DBT_INTERNAL_SOURCE.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ source.render() }} as DBT_INTERNAL_SOURCE
    where DBT_INTERNAL_SOURCE.dbt_change_type::text = 'insert'::text
{%- endmacro %}

{% macro assert_snapshot_target(relation, columns, strategy) %}
    {% set there, missing = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list, [] %}
    {% for key in ['dbt_scd_id', 'dbt_valid_from', 'dbt_valid_to', 'dbt_updated_at'] + (['dbt_is_deleted'] if strategy.hard_deletes == 'new_record' else []) %}
        {% if columns[key] | lower not in there %}{% do missing.append(columns[key]) %}{% endif %}
    {% endfor %}
    {% if missing %}
        {{ exceptions.raise_compiler_error('Snapshot target is missing configured columns (missing ' ~ missing | join(', ') ~ '). See https://docs.getdbt.com/docs/build/snapshots#snapshot-meta-fields for more information.') }}
    {% endif %}
{% endmacro %}

{% materialization snapshot, default %}
    {% set strategy_name = config.get('strategy') %}
    {% set columns = snapshot_column_names() %}
    {% set grant_config = config.get('grants') %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='table') %}
    {% if existing is not none and existing.type != 'table' %}
        {{ exceptions.raise_compiler_error("Trying to create table " ~ this ~ ", but it currently exists as a " ~ existing.type ~ ". Either drop " ~ this ~ " manually, or run dbt with `--full-refresh` and dbt will drop it for you.") }}
    {% endif %}

    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}

    {% set strategy_macro = strategy_dispatch(strategy_name) %}
    {% set strategy = strategy_macro(model, 'snapshotted_data', 'source_data', config, existing is not none) %}

    {% if existing is none %}
        {% call statement('main') -%}
            {{ create_table_as(false, target_relation, build_snapshot_table(strategy, model['compiled_code'])) }}
        {%- endcall %}
    {% else %}
        {% do assert_snapshot_target(target_relation, columns, strategy) %}
        {% set staging_table = build_snapshot_staging_table(strategy, sql, target_relation) %}
        {% do adapter.expand_target_column_types(from_relation=staging_table, to_relation=target_relation) %}
        {% set own = ['dbt_change_type'] + snapshot_key_names(strategy.unique_key) %}
        {% set new, names = [], [] %}
        {% for column in adapter.get_missing_columns(staging_table, target_relation) if column.name | lower not in own %}
            {% do new.append(column) %}
        {% endfor %}
        {% do create_columns(target_relation, new) %}
        {% for column in adapter.get_columns_in_relation(staging_table) if column.name | lower not in own %}
            {% do names.append(adapter.quote(column.name)) %}
        {% endfor %}
        {% call statement('main') -%}
            {{ snapshot_merge_sql(target=target_relation, source=staging_table, insert_cols=names) }}
        {%- endcall %}
    {% endif %}

    {% do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing, full_refresh_mode=false)) %}
    {% do persist_docs(target_relation, model) %}
    {% if existing is none %}{% do create_indexes(target_relation) %}{% endif %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {{ adapter.commit() }}
    {% if staging_table is defined %}{% do post_snapshot(staging_table) %}{% endif %}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

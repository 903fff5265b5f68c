{# Relations of the warehouse: finding, naming, renaming and dropping them. #}

{% macro load_cached_relation(relation) %}
    {% do return(adapter.get_relation(database=relation.database, schema=relation.schema, identifier=relation.identifier)) %}
{% endmacro %}

{% macro load_relation(relation) %}
    {% do return(load_cached_relation(relation)) %}
{% endmacro %}

{% macro make_intermediate_relation(base_relation, suffix='__dbt_tmp') %}
    {{ return(adapter.dispatch('make_intermediate_relation', 'dbt')(base_relation, suffix)) }}
{% endmacro %}
{% macro default__make_intermediate_relation(base_relation, suffix) %}
    {{ return(shortened_relation(base_relation, suffix, false)) }}
{% endmacro %}

{% macro make_temp_relation(base_relation, suffix='__dbt_tmp') %}
    {{ return(adapter.dispatch('make_temp_relation', 'dbt')(base_relation, suffix)) }}
{% endmacro %}
{% macro default__make_temp_relation(base_relation, suffix) %}
    {{ return(shortened_relation(base_relation, suffix, true)) }}
{% endmacro %}
{# PostgreSQL keeps temporary tables in a schema of the session's own. #}
{% macro postgres__make_temp_relation(base_relation, suffix) %}
    {{ return(shortened_relation(base_relation, suffix, true).incorporate(path={'schema': 'pg_temp', 'database': none})) }}
{% endmacro %}

{% macro make_backup_relation(base_relation, backup_relation_type, suffix='__dbt_backup') %}
    {{ return(adapter.dispatch('make_backup_relation', 'dbt')(base_relation, backup_relation_type, suffix)) }}
{% endmacro %}
{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix) %}
    {{ return(shortened_relation(base_relation, suffix, false).incorporate(type=backup_relation_type)) }}
{% endmacro %}

{# Names are cut so that the suffix fits: PostgreSQL takes 63 bytes. #}
{% macro shortened_relation(base_relation, suffix, stamped) %}
    {% set stamp = py_current_timestring() if stamped else '' %}
    {% set most = 63 - (suffix | length) - (stamp | length) %}
    {% set name = base_relation.identifier[:most] ~ suffix ~ stamp %}
    {{ return(base_relation.incorporate(path={'identifier': name})) }}
{% endmacro %}

{% macro make_relation_with_suffix(base_relation, suffix, dstring) %}
    {{ return(shortened_relation(base_relation, suffix, dstring)) }}
{% endmacro %}
{% macro postgres__make_relation_with_suffix(base_relation, suffix, dstring) %}
    {{ return(shortened_relation(base_relation, suffix, dstring)) }}
{% endmacro %}

{% macro drop_relation(relation) -%}{{ return(adapter.dispatch('drop_relation', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__drop_relation(relation) -%}
    {% call statement('drop_relation', auto_begin=false) -%}
        {{ get_drop_sql(relation) }}
    {%- endcall %}
{%- endmacro %}

{% macro drop_relation_if_exists(relation) %}
    {% if relation is not none %}{{ adapter.drop_relation(relation) }}{% endif %}
{% endmacro %}

{% macro get_drop_sql(relation) -%}{{ adapter.dispatch('get_drop_sql', 'dbt')(relation) }}{%- endmacro %}
{% macro default__get_drop_sql(relation) -%}
    {%- if relation.type == 'view' -%}{{ drop_view(relation) }}
    {%- elif relation.type == 'materialized_view' -%}{{ drop_materialized_view(relation) }}
    {%- else -%}{{ drop_table(relation) }}
    {%- endif -%}
{%- endmacro %}

{% macro drop_table(relation) -%}{{ return(adapter.dispatch('drop_table', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__drop_table(relation) -%}drop table if exists {{ relation.render() }} cascade{%- endmacro %}
{% macro sqlite__drop_table(relation) -%}drop table if exists {{ relation.render() }}{%- endmacro %}
{% macro drop_view(relation) -%}{{ return(adapter.dispatch('drop_view', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__drop_view(relation) -%}drop view if exists {{ relation.render() }} cascade{%- endmacro %}
{% macro sqlite__drop_view(relation) -%}drop view if exists {{ relation.render() }}{%- endmacro %}
{% macro drop_materialized_view(relation) -%}{{ return(adapter.dispatch('drop_materialized_view', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__drop_materialized_view(relation) -%}drop materialized view if exists {{ relation.render() }} cascade{%- endmacro %}

{% macro rename_relation(from_relation, to_relation) -%}{{ return(adapter.dispatch('rename_relation', 'dbt')(from_relation, to_relation)) }}{%- endmacro %}
{% macro default__rename_relation(from_relation, to_relation) -%}
    {% call statement('rename_relation') -%}
        alter table {{ from_relation.render() }} rename to {{ adapter.quote_as_configured(to_relation.identifier, 'identifier') }}
    {%- endcall %}
{%- endmacro %}
{% macro get_rename_sql(relation, new_name) -%}{{ adapter.dispatch('get_rename_sql', 'dbt')(relation, new_name) }}{%- endmacro %}
{% macro default__get_rename_sql(relation, new_name) -%}
    alter {{ 'materialized view' if relation.type == 'materialized_view' else 'view' if relation.type == 'view' else 'table' }} {{ relation.render() }} rename to {{ adapter.quote(new_name) }}
{%- endmacro %}

{% macro truncate_relation(relation) -%}{{ return(adapter.dispatch('truncate_relation', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__truncate_relation(relation) -%}
    {% call statement('truncate_relation') -%}
        truncate table {{ relation.render() }}
    {%- endcall %}
{%- endmacro %}
{% macro sqlite__truncate_relation(relation) -%}
    {% call statement('truncate_relation') -%}
        delete from {{ relation.render() }}
    {%- endcall %}
{%- endmacro %}

{% macro get_or_create_relation(database, schema, identifier, type) -%}
    {% do return(adapter.dispatch('get_or_create_relation', 'dbt')(database, schema, identifier, type)) %}
{%- endmacro %}
{% macro default__get_or_create_relation(database, schema, identifier, type) %}
    {%- set found = adapter.get_relation(database=database, schema=schema, identifier=identifier) %}
    {% if found %}
        {% do return([true, found]) %}
    {% endif %}
    {% do return([false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) %}
{% endmacro %}

{% macro create_schema(relation) -%}{{ return(adapter.dispatch('create_schema', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__create_schema(relation) -%}
    {%- do adapter.create_schema(relation) -%}
{%- endmacro %}
{% macro drop_schema(relation) -%}{{ return(adapter.dispatch('drop_schema', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__drop_schema(relation) -%}
    {%- do adapter.drop_schema(relation) -%}
{%- endmacro %}

{% macro information_schema_name(database) -%}{{ return(adapter.dispatch('information_schema_name', 'dbt')(database)) }}{%- endmacro %}
{% macro default__information_schema_name(database) -%}
    {%- if database -%}{{ adapter.quote(database) }}.information_schema{%- else -%}information_schema{%- endif -%}
{%- endmacro %}
{% macro postgres__information_schema_name(database) -%}information_schema{%- endmacro %}

{% macro list_schemas(database) -%}{{ return(adapter.dispatch('list_schemas', 'dbt')(database)) }}{%- endmacro %}
{% macro default__list_schemas(database) -%}
    {% set sql %}
        select distinct schema_name from {{ information_schema_name(database) }}.schemata where catalog_name ilike '{{ database }}'
    {% endset %}
    {{ return(run_query(sql)) }}
{%- endmacro %}
{% macro postgres__list_schemas(database) -%}
    {{ return(run_query('select nspname as schema_name from pg_catalog.pg_namespace')) }}
{%- endmacro %}

{% macro check_schema_exists(information_schema, schema) -%}{{ return(adapter.dispatch('check_schema_exists', 'dbt')(information_schema, schema)) }}{%- endmacro %}
{% macro default__check_schema_exists(information_schema, schema) -%}
    {{ return(run_query("select count(*) from information_schema.schemata where schema_name = '" ~ schema ~ "'")) }}
{%- endmacro %}
{% macro postgres__check_schema_exists(information_schema, schema) -%}
    {{ return(run_query("select count(*) from pg_catalog.pg_namespace where nspname = '" ~ schema ~ "'")) }}
{%- endmacro %}

{% macro list_relations_without_caching(schema_relation) -%}{{ return(adapter.dispatch('list_relations_without_caching', 'dbt')(schema_relation)) }}{%- endmacro %}
{% macro postgres__list_relations_without_caching(schema_relation) -%}
    {% set sql %}
        select
            '{{ schema_relation.database }}' as database,
            c.relname as name,
            n.nspname as schema,
            case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as type
        from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'f', 'v', 'm') and n.nspname ilike '{{ schema_relation.schema }}'
    {% endset %}
    {{ return(run_query(sql)) }}
{%- endmacro %}

{% macro get_relations() -%}{{ return(adapter.dispatch('get_relations', 'dbt')()) }}{%- endmacro %}
{% macro postgres__get_relations() -%}
    {% set sql %}
        select distinct
            dn.nspname as referenced_schema, d.relname as referenced_name,
            n.nspname as dependent_schema, c.relname as dependent_name
        from pg_catalog.pg_depend as p
        join pg_catalog.pg_rewrite as r on r.oid = p.objid
        join pg_catalog.pg_class as c on c.oid = r.ev_class
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        join pg_catalog.pg_class as d on d.oid = p.refobjid
        join pg_catalog.pg_namespace as dn on dn.oid = d.relnamespace
        where c.oid <> d.oid
        order by 1, 2, 3, 4
    {% endset %}
    {{ return(run_query(sql)) }}
{%- endmacro %}

{% macro get_columns_in_relation(relation) -%}{{ return(adapter.get_columns_in_relation(relation)) }}{%- endmacro %}

{% macro get_columns_in_query(select_sql) -%}{{ return(adapter.dispatch('get_columns_in_query', 'dbt')(select_sql)) }}{%- endmacro %}
{% macro default__get_columns_in_query(select_sql) %}
    {% set names = [] %}
    {% for column in adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql)) %}
        {% do names.append(column.name) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}

{% macro get_column_schema_from_query(select_sql, select_sql_header=none) -%}
    {{ return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql, select_sql_header))) }}
{%- endmacro %}

{% macro get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
    {{ return(adapter.dispatch('get_empty_subquery_sql', 'dbt')(select_sql, select_sql_header)) }}
{%- endmacro %}
{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
    {%- if select_sql_header is not none -%}
    {{ select_sql_header }}
    {%- endif %}
    select * from (
        {{ select_sql }}
    ) as __dbt_sbq
    where false
    limit 0
{%- endmacro %}

{% macro get_empty_schema_sql(columns) -%}{{ return(adapter.dispatch('get_empty_schema_sql', 'dbt')(columns)) }}{%- endmacro %}
{% macro default__get_empty_schema_sql(columns) -%}
    select
    {% for i in columns %}
        {%- set col = columns[i] -%}
        {%- if not col['data_type'] -%}
            {{ exceptions.raise_compiler_error('Contracted models require data_type to be defined for each column. Please ensure that the column name and data_type are defined within the YAML configuration for the column `' ~ col['name'] ~ '`.') }}
        {%- endif -%}
        {%- set col_name = adapter.quote(col['name']) if col.get('quote') else col['name'] -%}
        cast(null as {{ col['data_type'] }}) as {{ col_name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro alter_column_type(relation, column_name, new_column_type) -%}
    {{ return(adapter.dispatch('alter_column_type', 'dbt')(relation, column_name, new_column_type)) }}
{%- endmacro %}
{% macro default__alter_column_type(relation, column_name, new_column_type) -%}
    {%- set tmp_column = column_name ~ '__dbt_alter' -%}
    {% call statement('alter_column_type') %}
        alter table {{ relation.render() }} add column {{ adapter.quote(tmp_column) }} {{ new_column_type }};
        update {{ relation.render() }} set {{ adapter.quote(tmp_column) }} = {{ adapter.quote(column_name) }};
        alter table {{ relation.render() }} drop column {{ adapter.quote(column_name) }} cascade;
        alter table {{ relation.render() }} rename column {{ adapter.quote(tmp_column) }} to {{ adapter.quote(column_name) }}
    {% endcall %}
{%- endmacro %}

{% macro alter_relation_add_remove_columns(relation, add_columns=none, remove_columns=none) -%}
    {{ return(adapter.dispatch('alter_relation_add_remove_columns', 'dbt')(relation, add_columns, remove_columns)) }}
{%- endmacro %}
{% macro default__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
    {%- set changes = [] -%}
    {%- for column in add_columns or [] -%}
        {%- do changes.append('add column ' ~ column.quoted ~ ' ' ~ column.data_type) -%}
    {%- endfor -%}
    {%- for column in remove_columns or [] -%}
        {%- do changes.append('drop column ' ~ column.quoted) -%}
    {%- endfor -%}
    {%- if changes -%}
        {%- do run_query('alter table ' ~ relation.render() ~ ' ' ~ changes | join(', ')) -%}
    {%- endif -%}
{%- endmacro %}

{% macro get_relation_last_modified(information_schema, relations) -%}{{ return(adapter.dispatch('get_relation_last_modified', 'dbt')(information_schema, relations)) }}{%- endmacro %}
{% macro default__get_relation_last_modified(information_schema, relations) -%}
    {{ exceptions.raise_not_implemented('get_relation_last_modified macro not implemented for adapter ' ~ adapter.type()) }}
{%- endmacro %}

{% macro collect_freshness(source, loaded_at_field, filter) %}
    {{ return(adapter.dispatch('collect_freshness', 'dbt')(source, loaded_at_field, filter)) }}
{% endmacro %}
{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {% call statement('collect_freshness', fetch_result=true, auto_begin=false) -%}
        select max({{ loaded_at_field }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
        from {{ source }}
        {% if filter %}where {{ filter }}{% endif %}
    {%- endcall %}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}
{% macro collect_freshness_custom_sql(source, loaded_at_query) %}
    {% call statement('collect_freshness_custom_sql', fetch_result=true, auto_begin=false) -%}
        with source_query as (
            {{ loaded_at_query }}
        )
        select (select * from source_query) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
    {%- endcall %}
    {{ return(load_result('collect_freshness_custom_sql')) }}
{% endmacro %}

{# The statements that make tables and views, and what belongs to them: contracts, indexes, grants, comments. #}

{% macro get_create_sql(relation, sql) -%}{{ adapter.dispatch('get_create_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_create_sql(relation, sql) -%}
    {%- if relation.type == 'view' -%}{{ get_create_view_as_sql(relation, sql) }}
    {%- elif relation.type == 'materialized_view' -%}{{ get_create_materialized_view_as_sql(relation, sql) }}
    {%- else -%}{{ get_create_table_as_sql(false, relation, sql) }}
    {%- endif -%}
{%- endmacro %}

{% macro get_create_view_as_sql(relation, sql) -%}{{ adapter.dispatch('get_create_view_as_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_create_view_as_sql(relation, sql) -%}{{ return(create_view_as(relation, sql)) }}{%- endmacro %}
{% macro create_view_as(relation, sql) -%}{{ adapter.dispatch('create_view_as', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__create_view_as(relation, sql) -%}
    {%- set header = config.get('sql_header') -%}
    {{ header if header is not none }}
    create view {{ relation.render() }}
    {%- if contract_enforced() %}
    {{ get_assert_columns_equivalent(sql) }}
    {%- endif %} as (
    {{ sql }}
    );
{%- endmacro %}
{% macro sqlite__create_view_as(relation, sql) -%}create view {{ relation.render() }} as {{ sql }}{%- endmacro %}

{% macro get_replace_view_sql(relation, sql) -%}{{ adapter.dispatch('get_replace_view_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_replace_view_sql(relation, sql) -%}create or replace view {{ relation.render() }} as ({{ sql }}){%- endmacro %}

{% macro get_create_table_as_sql(temporary, relation, sql) -%}{{ adapter.dispatch('get_create_table_as_sql', 'dbt')(temporary, relation, sql) }}{%- endmacro %}
{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}{{ return(create_table_as(temporary, relation, sql)) }}{%- endmacro %}
{% macro create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {{ adapter.dispatch('create_table_as', 'dbt')(temporary, relation, compiled_code) }}
{%- endmacro %}
{% macro default__create_table_as(temporary, relation, sql) -%}
    {%- set header = config.get('sql_header') -%}
    {{ header if header is not none }}
    create {{ 'temporary' if temporary }} table {{ relation.render() }} as (
    {{ sql }}
    );
{%- endmacro %}
{% macro sqlite__create_table_as(temporary, relation, sql) -%}
    create {{ 'temporary' if temporary }} table {{ relation.include(schema=not temporary) }} as {{ sql }}
{%- endmacro %}
{% macro mysql__create_table_as(temporary, relation, sql) -%}
    create {{ 'temporary' if temporary }} table {{ relation.render() }} as {{ sql }}
{%- endmacro %}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set header = config.get('sql_header') -%}
    {{ header if header is not none }}
    create {% if temporary %}temporary{% elif config.get('unlogged', false) %}unlogged{% endif %} table {{ relation.render() }}
    {%- if contract_enforced() and not temporary %}
    {{ get_assert_columns_equivalent(sql) }}
    {{ get_table_columns_and_constraints() }};
    insert into {{ relation.render() }} ({{ get_column_names() }})
    {%- set sql = get_select_subquery(sql) %}
    {%- else %} as
    {%- endif %} (
    {{ sql }}
    );
{%- endmacro %}

{% macro set_sql_header(config) -%}{{ config.set('sql_header', caller()) }}{%- endmacro %}

{% macro contract_enforced() -%}
    {%- set contract = config.get('contract') -%}
    {{ return(contract is not none and contract.enforced) }}
{%- endmacro %}

{% macro get_column_names() -%}
    {%- for i in model.columns -%}
        {%- set col = model.columns[i] -%}
        {{ adapter.quote(col.name) if col.get('quote') else col.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro get_select_subquery(sql) -%}{{ return(adapter.dispatch('get_select_subquery', 'dbt')(sql)) }}{%- endmacro %}
{% macro default__get_select_subquery(sql) -%}
    select {{ get_column_names() }}
    from (
    {{ sql }}
    ) as model_subq
{%- endmacro %}

{% macro get_table_columns_and_constraints() -%}{{ adapter.dispatch('get_table_columns_and_constraints', 'dbt')() }}{%- endmacro %}
{% macro default__get_table_columns_and_constraints() -%}{{ return(table_columns_and_constraints()) }}{%- endmacro %}
{% macro table_columns_and_constraints() -%}
    {%- set lines = [] -%}
    {%- for i in model.columns -%}
        {%- set col = model.columns[i] -%}
        {%- set words = [adapter.quote(col.name) if col.get('quote') else col.name, col.data_type] -%}
        {%- for constraint in col.get('constraints') or [] -%}
            {%- do words.append(constraint_of_column(constraint)) -%}
        {%- endfor -%}
        {%- do lines.append(words | join(' ')) -%}
    {%- endfor -%}
    {%- for constraint in model.get('constraints') or [] -%}
        {%- do lines.append(constraint_of_table(constraint)) -%}
    {%- endfor -%}
    (
        {{ lines | join(',\n        ') }}
    )
{%- endmacro %}

{% macro constraint_target(constraint) -%}
    {%- set to = constraint.get('to') -%}
    {%- if not to -%}
        {{ return(constraint.get('expression') or '') }}
    {%- endif -%}
    {%- if 'ref(' in to or 'source(' in to -%}{%- set to = render('{{ ' ~ to ~ ' }}') -%}{%- endif -%}
    {{ return(to ~ ' (' ~ (constraint.get('to_columns') or []) | join(', ') ~ ')') }}
{%- endmacro %}

{% macro constraint_of_column(constraint) -%}
    {%- set of, expression = constraint.type, constraint.get('expression') or '' -%}
    {%- if of == 'check' -%}{%- set text = 'check (' ~ expression ~ ')' -%}
    {%- elif of == 'not_null' -%}{%- set text = 'not null ' ~ expression -%}
    {%- elif of == 'unique' -%}{%- set text = 'unique ' ~ expression -%}
    {%- elif of == 'primary_key' -%}{%- set text = 'primary key ' ~ expression -%}
    {%- elif of == 'foreign_key' -%}{%- set text = 'references ' ~ constraint_target(constraint) -%}
    {%- else -%}{%- set text = expression -%}
    {%- endif -%}
    {{ return(text | trim) }}
{%- endmacro %}

{% macro constraint_of_table(constraint) -%}
    {%- set of, expression = constraint.type, constraint.get('expression') or '' -%}
    {%- set columns = '(' ~ (constraint.get('columns') or []) | join(', ') ~ ')' -%}
    {%- set name = 'constraint ' ~ constraint.name ~ ' ' if constraint.get('name') else '' -%}
    {%- if of == 'check' -%}{%- set text = 'check (' ~ expression ~ ')' -%}
    {%- elif of == 'unique' -%}{%- set text = 'unique ' ~ columns ~ ' ' ~ expression -%}
    {%- elif of == 'primary_key' -%}{%- set text = 'primary key ' ~ columns ~ ' ' ~ expression -%}
    {%- elif of == 'foreign_key' -%}{%- set text = 'foreign key ' ~ columns ~ ' references ' ~ constraint_target(constraint) -%}
    {%- else -%}{%- set text = expression -%}
    {%- endif -%}
    {{ return(name ~ text | trim) }}
{%- endmacro %}

{% macro get_assert_columns_equivalent(sql) -%}{{ adapter.dispatch('get_assert_columns_equivalent', 'dbt')(sql) }}{%- endmacro %}
{% macro default__get_assert_columns_equivalent(sql) -%}{{ return(assert_columns_equivalent(sql)) }}{%- endmacro %}

{# Kinds of types as the driver tells them apart: a contract says `varchar(20)` of a column that is text. #}
{% macro kind_of_type(dtype) -%}
    {%- set name = (dtype | lower).split('(')[0] | trim -%}
    {%- if name in ('text', 'character varying', 'character', 'name', 'varchar', 'char', 'bpchar', 'string') -%}{{ return('TEXT') }}{%- endif -%}
    {%- if name in ('integer', 'smallint') -%}{{ return('INTEGER') }}{%- endif -%}
    {%- if name in ('real', 'double precision') -%}{{ return('FLOAT') }}{%- endif -%}
    {{ return(name | upper) }}
{%- endmacro %}

{% macro assert_columns_equivalent(sql) -%}
    {%- if not model.columns -%}
        {{ exceptions.raise_compiler_error('Cannot enforce the contract of a model without columns: declare them under `columns`') }}
    {%- endif -%}
    {%- set given = get_column_schema_from_query(sql, config.get('sql_header')) -%}
    {%- set wanted = adapter.get_column_schema_from_query(get_empty_subquery_sql(get_empty_schema_sql(model.columns))) -%}
    {%- set rows = [] -%}
    {%- for column in given -%}
        {%- set same = wanted | selectattr('name', 'equalto', column.name) | list -%}
        {%- if not same -%}
            {%- do rows.append([column.name, kind_of_type(column.dtype), '', 'missing in contract']) -%}
        {%- elif kind_of_type(column.dtype) != kind_of_type(same[0].dtype) -%}
            {%- do rows.append([column.name, kind_of_type(column.dtype), kind_of_type(same[0].dtype), 'data type mismatch']) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in wanted -%}
        {%- if not (given | selectattr('name', 'equalto', column.name) | list) -%}
            {%- do rows.append([column.name, '', kind_of_type(column.dtype), 'missing in definition']) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if rows -%}
        {%- set heads = ['column_name', 'definition_type', 'contract_type', 'mismatch_reason'] -%}
        {%- set widths = [] -%}
        {%- for n in range(4) -%}
            {%- set lengths = [heads[n] | length] -%}
            {%- for row in rows -%}{%- do lengths.append(row[n] | length) -%}{%- endfor -%}
            {%- do widths.append(lengths | max) -%}
        {%- endfor -%}
        {%- set lines = [] -%}
        {%- for row in [heads, ['', '', '', '']] + rows | sort -%}
            {%- set cells = [] -%}
            {%- set rule = loop.index == 2 -%}
            {%- for n in range(4) -%}
                {%- do cells.append('-' * widths[n] if rule else row[n] ~ ' ' * (widths[n] - row[n] | length)) -%}
            {%- endfor -%}
            {%- do lines.append('| ' ~ cells | join(' | ') ~ ' |') -%}
        {%- endfor -%}
        {{ exceptions.raise_compiler_error("This model has an enforced contract that failed.\nPlease ensure the name, data_type, and number of columns in your contract match the columns in your model's definition.\n\n" ~ lines | join('\n')) }}
    {%- endif -%}
{%- endmacro %}

{% macro get_create_index_sql(relation, index_dict) -%}{{ return(adapter.dispatch('get_create_index_sql', 'dbt')(relation, index_dict)) }}{%- endmacro %}
{% macro default__get_create_index_sql(relation, index_dict) -%}{{ return(none) }}{%- endmacro %}
{% macro postgres__get_create_index_sql(relation, index_dict) -%}
    {%- if index_dict is not mapping or not index_dict.get('columns') -%}
        {{ exceptions.raise_compiler_error('an entry of `indexes` names its `columns`; got: ' ~ index_dict) }}
    {%- endif -%}
    {%- set columns = [index_dict.columns] if index_dict.columns is string else index_dict.columns -%}
    {%- set name = local_md5((columns + [relation.render(), index_dict.get('unique', false) | string, index_dict.get('type') | string, run_started_at.isoformat()]) | join('_')) -%}
    create {{ 'unique ' if index_dict.get('unique') }}index if not exists "{{ name }}"
    on {{ relation.render() }} {{ 'using ' ~ index_dict.type if index_dict.get('type') }} ({{ columns | join(', ') }});
{%- endmacro %}

{% macro create_indexes(relation) -%}{{ adapter.dispatch('create_indexes', 'dbt')(relation) }}{%- endmacro %}
{% macro default__create_indexes(relation) -%}
    {%- for index_dict in config.get('indexes', default=[]) or [] -%}
        {%- set make = get_create_index_sql(relation, index_dict) -%}
        {%- if make -%}{%- do run_query(make) -%}{%- endif -%}
    {%- endfor -%}
{%- endmacro %}
{% macro get_drop_index_sql(relation, index_name) -%}drop index if exists {{ adapter.quote(relation.schema) }}.{{ adapter.quote(index_name) }} cascade{%- endmacro %}

{% macro copy_grants() -%}{{ return(adapter.dispatch('copy_grants', 'dbt')()) }}{%- endmacro %}
{% macro default__copy_grants() -%}{{ return(true) }}{%- endmacro %}
{% macro postgres__copy_grants() -%}{{ return(false) }}{%- endmacro %}

{% macro support_multiple_grantees_per_dcl_statement() -%}{{ return(adapter.dispatch('support_multiple_grantees_per_dcl_statement', 'dbt')()) }}{%- endmacro %}
{% macro default__support_multiple_grantees_per_dcl_statement() -%}{{ return(true) }}{%- endmacro %}

{% macro should_revoke(existing_relation, full_refresh_mode=true) -%}
    {%- if not existing_relation -%}{{ return(false) }}
    {%- elif full_refresh_mode -%}{{ return(copy_grants()) }}
    {%- else -%}{{ return(true) }}
    {%- endif -%}
{%- endmacro %}

{% macro get_show_grant_sql(relation) -%}{{ return(adapter.dispatch('get_show_grant_sql', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__get_show_grant_sql(relation) -%}show grants on {{ relation.render() }}{%- endmacro %}
{% macro postgres__get_show_grant_sql(relation) -%}
    select grantee, privilege_type
    from information_schema.role_table_grants
    where grantor = current_role and grantee <> current_role
      and table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{%- endmacro %}

{% macro get_grant_sql(relation, privilege, grantees) -%}{{ return(adapter.dispatch('get_grant_sql', 'dbt')(relation, privilege, grantees)) }}{%- endmacro %}
{% macro default__get_grant_sql(relation, privilege, grantees) -%}
    grant {{ privilege }} on {{ relation.render() }} to {{ grantees | join(', ') }}
{%- endmacro %}
{% macro get_revoke_sql(relation, privilege, grantees) -%}{{ return(adapter.dispatch('get_revoke_sql', 'dbt')(relation, privilege, grantees)) }}{%- endmacro %}
{% macro default__get_revoke_sql(relation, privilege, grantees) -%}
    revoke {{ privilege }} on {{ relation.render() }} from {{ grantees | join(', ') }}
{%- endmacro %}

{% macro get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}
    {%- set statements = [] -%}
    {%- for privilege, grantees in grant_config.items() -%}
        {%- if support_multiple_grantees_per_dcl_statement() and grantees -%}
            {%- do statements.append(get_dcl_macro(relation, privilege, grantees)) -%}
        {%- else -%}
            {%- for grantee in grantees -%}{%- do statements.append(get_dcl_macro(relation, privilege, [grantee])) -%}{%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(statements) }}
{%- endmacro %}
{% macro call_dcl_statements(dcl_statement_list) -%}{{ return(adapter.dispatch('call_dcl_statements', 'dbt')(dcl_statement_list)) }}{%- endmacro %}
{% macro default__call_dcl_statements(dcl_statement_list) -%}
    {% call statement('grants') %}
        {{ dcl_statement_list | join(';\n') }};
    {% endcall %}
{%- endmacro %}

{% macro privileges_missing(of, in_these) -%}
    {%- set missing = {} -%}
    {%- for privilege, grantees in of.items() -%}
        {%- set there = [] -%}
        {%- for other, names in in_these.items() if other | lower == privilege | lower -%}
            {%- for name in names -%}{%- do there.append(name | lower) -%}{%- endfor -%}
        {%- endfor -%}
        {%- set left = [] -%}
        {%- for name in ([grantees] if grantees is string else grantees) if name | lower not in there -%}{%- do left.append(name) -%}{%- endfor -%}
        {%- if left -%}{%- do missing.update({privilege: left}) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro %}

{% macro apply_grants(relation, grant_config, should_revoke=true) -%}
    {{ return(adapter.dispatch('apply_grants', 'dbt')(relation, grant_config, should_revoke)) }}
{%- endmacro %}
{% macro default__apply_grants(relation, grant_config, should_revoke=true) -%}
    {%- if grant_config -%}
        {%- set there = {} -%}
        {%- if should_revoke -%}
            {%- for row in run_query(get_show_grant_sql(relation)).rows -%}
                {%- do there.setdefault(row[1] | lower, []).append(row[0]) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set revoked = privileges_missing(there, grant_config) if should_revoke else {} -%}
        {%- set granted = privileges_missing(grant_config, there) -%}
        {%- set statements = get_dcl_statement_list(relation, revoked, get_revoke_sql) + get_dcl_statement_list(relation, granted, get_grant_sql) -%}
        {%- if statements -%}{{ call_dcl_statements(statements) }}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {{ return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) }}
{%- endmacro %}
{% macro default__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set wanted = config.get('persist_docs') or {} -%}
    {%- if for_relation and wanted.get('relation') and model.description -%}
        {%- do run_query(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and wanted.get('columns') and model.columns -%}
        {%- set comments = alter_column_comment(relation, model.columns) -%}
        {%- if comments | trim -%}{%- do run_query(comments) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro alter_relation_comment(relation, relation_comment) -%}{{ return(adapter.dispatch('alter_relation_comment', 'dbt')(relation, relation_comment)) }}{%- endmacro %}
{% macro default__alter_relation_comment(relation, relation_comment) -%}{%- endmacro %}
{% macro postgres__alter_relation_comment(relation, comment) -%}
    comment on {{ 'materialized view' if relation.type == 'materialized_view' else relation.type }} {{ relation.render() }} is '{{ comment | replace("'", "''") }}';
{%- endmacro %}
{% macro alter_column_comment(relation, column_dict) -%}{{ return(adapter.dispatch('alter_column_comment', 'dbt')(relation, column_dict)) }}{%- endmacro %}
{% macro default__alter_column_comment(relation, column_dict) -%}{%- endmacro %}
{% macro postgres__alter_column_comment(relation, column_dict) -%}
    {%- set there = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- for name in column_dict if name in there -%}
        {%- set column = column_dict[name] -%}
    comment on column {{ relation.render() }}.{{ adapter.quote(name) if column.get('quote') else name }} is '{{ (column.description or '') | replace("'", "''") }}';
    {% endfor -%}
{%- endmacro %}

{# Running statements while a node is built. #}

{% macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') -%}
    {%- if execute -%}
        {%- set compiled_code = caller() -%}
        {%- if name == 'main' -%}{%- do note_main_statement(compiled_code) -%}{%- endif -%}
        {%- set res, table = adapter.execute(compiled_code, auto_begin=auto_begin, fetch=fetch_result) -%}
        {%- if name is not none -%}{%- do store_result(name, response=res, agate_table=table) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
    {%- if name is not none -%}
        {%- do store_raw_result(name, message=message, code=code, rows_affected=rows_affected, agate_table=none) -%}
    {%- endif -%}
{%- endmacro %}

{% macro run_query(sql) %}
    {% call statement('run_query_statement', fetch_result=true, auto_begin=false) %}
        {{ sql }}
    {% endcall %}
    {% do return(load_result('run_query_statement').table) %}
{% endmacro %}

{% macro run_hooks(hooks, inside_transaction=true) %}
    {% for hook in hooks if hook.transaction == inside_transaction %}
        {% if not inside_transaction and loop.first %}
            {% call statement(auto_begin=false) %}
                commit
            {% endcall %}
        {% endif %}
        {% set rendered = render(hook.sql) | trim %}
        {% if rendered | length > 0 %}
            {% call statement(auto_begin=inside_transaction) %}
                {{ rendered }}
            {% endcall %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{% macro make_hook_config(sql, inside_transaction) %}
    {{ tojson({'sql': sql, 'transaction': inside_transaction}) }}
{% endmacro %}

{% macro before_begin(sql) %}
    {{ make_hook_config(sql, inside_transaction=false) }}
{% endmacro %}

{% macro in_transaction(sql) %}
    {{ make_hook_config(sql, inside_transaction=true) }}
{% endmacro %}

{% macro after_commit(sql) %}
    {{ make_hook_config(sql, inside_transaction=false) }}
{% endmacro %}

{% macro should_full_refresh() %}
    {% if model.batch and not model.batch.first %}
        {# Batches behind the first one are added to what that one has made. #}
        {% do return(false) %}
    {% endif %}
    {% set of_node = config.get('full_refresh') %}
    {% do return(flags.FULL_REFRESH if of_node is none else of_node) %}
{% endmacro %}

{% macro should_store_failures() %}
    {% set of_node = config.get('store_failures') %}
    {% do return(flags.STORE_FAILURES if of_node is none else of_node) %}
{% endmacro %}

{% macro is_incremental() %}
    {% if not execute %}
        {{ return(false) }}
    {% endif %}
    {% set there = load_cached_relation(this) %}
    {{ return(
        there is not none
        and there.type == 'table'
        and model.config.materialized == 'incremental'
        and not should_full_refresh()
    ) }}
{% endmacro %}

{% macro convert_datetime(date_str, date_fmt) %}
    {% do return(modules.datetime.datetime.strptime(date_str | string, date_fmt)) %}
{% endmacro %}

{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') %}
    {% set first = convert_datetime(start_date_str, in_fmt) %}
    {% set last = convert_datetime(start_date_str if end_date_str is none else end_date_str, in_fmt) %}
    {% if last < first %}
        {% do exceptions.raise_compiler_error('Partition start date is after the end date: ' ~ start_date_str ~ ', ' ~ end_date_str) %}
    {% endif %}
    {% set days = [] %}
    {% for n in range((last - first).days + 1) %}
        {% do days.append((first + modules.datetime.timedelta(days=n)).strftime(out_fmt)) %}
    {% endfor %}
    {{ return(days) }}
{% endmacro %}

{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') %}
    {% set ends = (raw_partition_date | string).split(',') %}
    {% if ends | length > 2 %}
        {% do exceptions.raise_compiler_error('Invalid partition time. Expected format: {Start Date}[,{End Date}]. Got: ' ~ raw_partition_date) %}
    {% endif %}
    {{ return(dates_in_range(ends[0], ends[1] if ends | length == 2 else none, in_fmt=date_fmt)) }}
{% endmacro %}

{% macro py_current_timestring() %}
    {% do return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) %}
{% endmacro %}

{% macro get_limit_sql(sql, limit) %}
    {{ adapter.dispatch('get_limit_sql', 'dbt')(sql, limit) }}
{% endmacro %}

{% macro default__get_limit_sql(sql, limit) %}
    {{ sql }}
    {% if limit is not none %}
    limit {{ limit }}
    {%- endif -%}
{% endmacro %}

{% macro get_show_sql(compiled_code, sql_header, limit) -%}
    {%- if sql_header is not none -%}
        {{ sql_header }}
    {%- endif %}
    {{ get_limit_subquery_sql(compiled_code, limit) }}
{% endmacro %}

{% macro get_limit_subquery_sql(sql, limit) %}
    {{ adapter.dispatch('get_limit_sql', 'dbt')(sql, limit) }}
{% endmacro %}

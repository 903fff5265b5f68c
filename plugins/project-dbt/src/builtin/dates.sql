{# Points in time, written alike for every warehouse. #}

{% macro current_timestamp() -%}{{ return(adapter.dispatch('current_timestamp', 'dbt')()) }}{%- endmacro %}
{% macro default__current_timestamp() -%}current_timestamp{%- endmacro %}
{% macro postgres__current_timestamp() -%}now(){%- endmacro %}
{% macro mysql__current_timestamp() -%}current_timestamp(6){%- endmacro %}

{% macro current_timestamp_backcompat() -%}{{ return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) }}{%- endmacro %}
{% macro default__current_timestamp_backcompat() -%}current_timestamp{%- endmacro %}
{% macro postgres__current_timestamp_backcompat() -%}current_timestamp::{{ type_timestamp() }}{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}{{ return(adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')()) }}{%- endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() -%}{{ return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) }}{%- endmacro %}
{% macro postgres__current_timestamp_in_utc_backcompat() -%}(current_timestamp at time zone 'utc')::{{ type_timestamp() }}{%- endmacro %}

{% macro snapshot_get_time() -%}{{ return(adapter.dispatch('snapshot_get_time', 'dbt')()) }}{%- endmacro %}
{% macro default__snapshot_get_time() -%}{{ current_timestamp() }}{%- endmacro %}
{% macro postgres__snapshot_get_time() -%}{{ current_timestamp() }}::timestamp without time zone{%- endmacro %}

{% macro snapshot_string_as_time(timestamp) -%}{{ return(adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp)) }}{%- endmacro %}
{% macro default__snapshot_string_as_time(timestamp) -%}cast('{{ timestamp }}' as {{ type_timestamp() }}){%- endmacro %}
{% macro postgres__snapshot_string_as_time(timestamp) -%}'{{ timestamp }}'::timestamp without time zone{%- endmacro %}

{% macro get_snapshot_get_time_data_type() -%}
    {%- set time = adapter.dispatch('snapshot_get_time', 'dbt')() -%}
    {%- set columns = get_column_schema_from_query('select ' ~ time ~ ' as dbt_snapshot_time') -%}
    {{ return(columns[0].dtype or none) }}
{%- endmacro %}

{% macro date(year, month, day) -%}{{ return(adapter.dispatch('date', 'dbt')(year, month, day)) }}{%- endmacro %}
{% macro default__date(year, month, day) -%}
    {%- set day_text = modules.datetime.date(year, month, day).strftime('%Y-%m-%d') -%}
    to_date('{{ day_text }}', 'YYYY-MM-DD')
{%- endmacro %}
{% macro sqlite__date(year, month, day) -%}date('{{ modules.datetime.date(year, month, day).strftime('%Y-%m-%d') }}'){%- endmacro %}
{% macro mysql__date(year, month, day) -%}date('{{ modules.datetime.date(year, month, day).strftime('%Y-%m-%d') }}'){%- endmacro %}

{% macro date_trunc(datepart, date) -%}{{ return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) }}{%- endmacro %}
{% macro default__date_trunc(datepart, date) -%}date_trunc('{{ datepart }}', {{ date }}){%- endmacro %}
{% macro sqlite__date_trunc(datepart, date) -%}
    {%- set part = datepart | lower -%}
    {%- if part == 'year' -%}strftime('%Y-01-01 00:00:00', {{ date }})
    {%- elif part == 'quarter' -%}printf('%s-%02d-01 00:00:00', strftime('%Y', {{ date }}), (cast(strftime('%m', {{ date }}) as integer) - 1) / 3 * 3 + 1)
    {%- elif part == 'month' -%}strftime('%Y-%m-01 00:00:00', {{ date }})
    {%- elif part == 'week' -%}strftime('%Y-%m-%d 00:00:00', {{ date }}, '-6 days', 'weekday 1')
    {%- elif part == 'day' -%}strftime('%Y-%m-%d 00:00:00', {{ date }})
    {%- elif part == 'hour' -%}strftime('%Y-%m-%d %H:00:00', {{ date }})
    {%- elif part == 'minute' -%}strftime('%Y-%m-%d %H:%M:00', {{ date }})
    {%- elif part == 'second' -%}strftime('%Y-%m-%d %H:%M:%S', {{ date }})
    {%- else -%}{{ exceptions.raise_compiler_error('date_trunc knows no part `' ~ datepart ~ '` on SQLite') }}
    {%- endif -%}
{%- endmacro %}
{% macro mysql__date_trunc(datepart, date) -%}
    {%- set part = datepart | lower -%}
    {%- if part == 'year' -%}cast(date_format({{ date }}, '%Y-01-01') as datetime)
    {%- elif part == 'quarter' -%}cast(makedate(year({{ date }}), 1) + interval (quarter({{ date }}) - 1) quarter as datetime)
    {%- elif part == 'month' -%}cast(date_format({{ date }}, '%Y-%m-01') as datetime)
    {%- elif part == 'week' -%}cast(date({{ date }}) - interval weekday({{ date }}) day as datetime)
    {%- elif part == 'day' -%}cast(date({{ date }}) as datetime)
    {%- elif part == 'hour' -%}cast(date_format({{ date }}, '%Y-%m-%d %H:00:00') as datetime)
    {%- elif part == 'minute' -%}cast(date_format({{ date }}, '%Y-%m-%d %H:%i:00') as datetime)
    {%- elif part == 'second' -%}cast(date_format({{ date }}, '%Y-%m-%d %H:%i:%s') as datetime)
    {%- else -%}{{ exceptions.raise_compiler_error('date_trunc knows no part `' ~ datepart ~ '` on MySQL') }}
    {%- endif -%}
{%- endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
    {{ return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) }}
{%- endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
    dateadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}
{% macro postgres__dateadd(datepart, interval, from_date_or_timestamp) -%}
    {{ from_date_or_timestamp }} + ((interval '1 {{ datepart }}') * ({{ interval }}))
{%- endmacro %}
{% macro sqlite__dateadd(datepart, interval, from_date_or_timestamp) -%}
    {%- set part, times = datepart | lower, 1 -%}
    {%- if part == 'week' -%}{%- set part, times = 'day', 7 -%}
    {%- elif part == 'quarter' -%}{%- set part, times = 'month', 3 -%}
    {%- endif -%}
    datetime({{ from_date_or_timestamp }}, (({{ interval }}) * {{ times }}) || ' {{ part }}s')
{%- endmacro %}
{% macro mysql__dateadd(datepart, interval, from_date_or_timestamp) -%}
    date_add({{ from_date_or_timestamp }}, interval ({{ interval }}) {{ datepart }})
{%- endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
    {{ return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) }}
{%- endmacro %}
{% macro default__datediff(first_date, second_date, datepart) -%}
    datediff({{ datepart }}, {{ first_date }}, {{ second_date }})
{%- endmacro %}
{% macro postgres__datediff(first_date, second_date, datepart) -%}
    {%- set part = datepart | lower -%}
    {%- if part == 'year' -%}
    (date_part('year', ({{ second_date }})::date) - date_part('year', ({{ first_date }})::date))
    {%- elif part == 'quarter' -%}
    ({{ postgres__datediff(first_date, second_date, 'year') }} * 4 + date_part('quarter', ({{ second_date }})::date) - date_part('quarter', ({{ first_date }})::date))
    {%- elif part == 'month' -%}
    ({{ postgres__datediff(first_date, second_date, 'year') }} * 12 + date_part('month', ({{ second_date }})::date) - date_part('month', ({{ first_date }})::date))
    {%- elif part == 'day' -%}
    (({{ second_date }})::date - ({{ first_date }})::date)
    {%- elif part == 'week' -%}
    ({{ postgres__datediff(first_date, second_date, 'day') }} / 7 + case
        when date_part('dow', ({{ first_date }})::timestamp) <= date_part('dow', ({{ second_date }})::timestamp) then
            case when {{ first_date }} <= {{ second_date }} then 0 else -1 end
        else
            case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
    end)
    {%- elif part == 'hour' -%}
    ({{ postgres__datediff(first_date, second_date, 'day') }} * 24 + date_part('hour', ({{ second_date }})::timestamp) - date_part('hour', ({{ first_date }})::timestamp))
    {%- elif part == 'minute' -%}
    ({{ postgres__datediff(first_date, second_date, 'hour') }} * 60 + date_part('minute', ({{ second_date }})::timestamp) - date_part('minute', ({{ first_date }})::timestamp))
    {%- elif part in ('second', 'millisecond', 'microsecond') -%}
        {%- set times = {'second': 60, 'millisecond': 60000, 'microsecond': 60000000}[part] -%}
    ({{ postgres__datediff(first_date, second_date, 'minute') }} * {{ times }} + floor(date_part('{{ part }}', ({{ second_date }})::timestamp)) - floor(date_part('{{ part }}', ({{ first_date }})::timestamp)))
    {%- else -%}
        {{ exceptions.raise_compiler_error('Unsupported datepart for macro datediff in postgres: ' ~ datepart) }}
    {%- endif -%}
{%- endmacro %}
{% macro sqlite__datediff(first_date, second_date, datepart) -%}
    {%- set part = datepart | lower -%}
    {%- if part == 'year' -%}
    (cast(strftime('%Y', {{ second_date }}) as integer) - cast(strftime('%Y', {{ first_date }}) as integer))
    {%- elif part == 'month' -%}
    ({{ sqlite__datediff(first_date, second_date, 'year') }} * 12 + cast(strftime('%m', {{ second_date }}) as integer) - cast(strftime('%m', {{ first_date }}) as integer))
    {%- elif part == 'quarter' -%}
    ({{ sqlite__datediff(first_date, second_date, 'year') }} * 4 + (cast(strftime('%m', {{ second_date }}) as integer) + 2) / 3 - (cast(strftime('%m', {{ first_date }}) as integer) + 2) / 3)
    {%- elif part == 'day' -%}
    cast(julianday(date({{ second_date }})) - julianday(date({{ first_date }})) as integer)
    {%- elif part == 'week' -%}
    cast((julianday(date({{ second_date }}, '-6 days', 'weekday 0')) - julianday(date({{ first_date }}, '-6 days', 'weekday 0'))) / 7 as integer)
    {%- elif part == 'hour' -%}
    (cast(strftime('%s', strftime('%Y-%m-%d %H:00:00', {{ second_date }})) as integer) - cast(strftime('%s', strftime('%Y-%m-%d %H:00:00', {{ first_date }})) as integer)) / 3600
    {%- elif part == 'minute' -%}
    (cast(strftime('%s', strftime('%Y-%m-%d %H:%M:00', {{ second_date }})) as integer) - cast(strftime('%s', strftime('%Y-%m-%d %H:%M:00', {{ first_date }})) as integer)) / 60
    {%- elif part == 'second' -%}
    (cast(strftime('%s', {{ second_date }}) as integer) - cast(strftime('%s', {{ first_date }}) as integer))
    {%- else -%}
        {{ exceptions.raise_compiler_error('Unsupported datepart for macro datediff in sqlite: ' ~ datepart) }}
    {%- endif -%}
{%- endmacro %}
{% macro mysql__datediff(first_date, second_date, datepart) -%}
    {%- set part = datepart | lower -%}
    {%- if part == 'year' -%}(year({{ second_date }}) - year({{ first_date }}))
    {%- elif part == 'quarter' -%}((year({{ second_date }}) - year({{ first_date }})) * 4 + quarter({{ second_date }}) - quarter({{ first_date }}))
    {%- elif part == 'month' -%}((year({{ second_date }}) - year({{ first_date }})) * 12 + month({{ second_date }}) - month({{ first_date }}))
    {%- elif part == 'day' -%}datediff({{ second_date }}, {{ first_date }})
    {%- elif part in ('week', 'hour', 'minute', 'second') -%}
    timestampdiff({{ part }}, {{ mysql__date_trunc(part, first_date) }}, {{ mysql__date_trunc(part, second_date) }})
    {%- else -%}
        {{ exceptions.raise_compiler_error('Unsupported datepart for macro datediff in mysql: ' ~ datepart) }}
    {%- endif -%}
{%- endmacro %}

{% macro last_day(date, datepart) -%}{{ return(adapter.dispatch('last_day', 'dbt')(date, datepart)) }}{%- endmacro %}
{% macro default_last_day(date, datepart) -%}
    cast({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }} as date)
{%- endmacro %}
{% macro default__last_day(date, datepart) -%}{{ default_last_day(date, datepart) }}{%- endmacro %}
{% macro postgres__last_day(date, datepart) -%}
    {%- if datepart == 'quarter' -%}
    cast({{ dateadd('day', '-1', dateadd('month', '3', date_trunc(datepart, date))) }} as date)
    {%- else -%}
    {{ default_last_day(date, datepart) }}
    {%- endif -%}
{%- endmacro %}
{% macro sqlite__last_day(date, datepart) -%}
    date({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }})
{%- endmacro %}

{% macro get_powers_of_two(upper_bound) %}{{ return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) }}{% endmacro %}
{% macro default__get_powers_of_two(upper_bound) %}
    {% if upper_bound <= 0 %}
        {{ exceptions.raise_compiler_error('upper bound must be positive') }}
    {% endif %}
    {% for n in range(1, 100) if upper_bound <= 2 ** n %}
        {{ return(n) }}
    {% endfor %}
{% endmacro %}

{% macro generate_series(upper_bound) %}{{ return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) }}{% endmacro %}
{% macro default__generate_series(upper_bound) %}
    {%- set bits = dbt.get_powers_of_two(upper_bound) %}
    with bit as (
        select 0 as generated_number union all select 1
    ),
    numbers as (
        select
            {% for n in range(bits) -%}
            b{{ n }}.generated_number * power(2, {{ n }}) +
            {% endfor -%}
            1 as generated_number
        from {% for n in range(bits) -%}
            {%- if not loop.first %} cross join {% endif -%}
            bit as b{{ n }}
        {%- endfor %}
    )
    select * from numbers where generated_number <= {{ upper_bound }} order by generated_number
{% endmacro %}
{% macro sqlite__generate_series(upper_bound) %}
    with recursive numbers(generated_number) as (
        select 1 union all select generated_number + 1 from numbers where generated_number < {{ upper_bound }}
    )
    select * from numbers
{% endmacro %}

{% macro get_intervals_between(start_date, end_date, datepart) -%}
    {{ return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) }}
{%- endmacro %}
{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
    {%- call statement('get_intervals_between', fetch_result=true) %}
        select {{ dbt.datediff(start_date, end_date, datepart) }}
    {%- endcall -%}
    {%- set found = load_result('get_intervals_between') -%}
    {%- if found and found['data'] -%}
        {{ return(found['data'][0][0] | int) }}
    {%- else -%}
        {{ return(1) }}
    {%- endif -%}
{%- endmacro %}

{% macro date_spine(datepart, start_date, end_date) %}
    {{ return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) }}
{% endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) %}
    with steps as (
        {{ dbt.generate_series(dbt.get_intervals_between(start_date, end_date, datepart)) }}
    ),
    periods as (
        select {{ dbt.dateadd(datepart, '(row_number() over (order by generated_number) - 1)', start_date) }} as date_{{ datepart }}
        from steps
    )
    select * from periods where date_{{ datepart }} <= {{ end_date }}
{% endmacro %}

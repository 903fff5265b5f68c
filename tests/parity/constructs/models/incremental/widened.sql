{{ config(materialized='incremental') }}
select '{{ "ab" if var("round") == 1 else "abcdef" }}'::varchar({{ 2 if var('round') == 1 else 6 }}) as word

{{ config(alias='renamed') }}
select '{{ this.identifier }}' as id, '{{ this.schema }}' as s, '{{ this.name }}' as n, '{{ this }}' as whole

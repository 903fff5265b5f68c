{{ config(severity='error', tags=['singular']) }}
select * from {{ ref('facts') }} where id < 0

{{ config(materialized='table', tags=['dates']) }}
select {{ var('width') }} as width

{{ config(grants={'select': ['reader', 'public']}, persist_docs={'relation': true, 'columns': true}) }}
select id, name as "Name" from {{ ref('described') }}

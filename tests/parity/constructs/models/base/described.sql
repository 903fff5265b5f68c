{{ config(
    materialized='table',
    indexes=[{'columns': ['id'], 'unique': True}, {'columns': ['team', 'name'], 'type': 'btree'}, {'columns': ['name'], 'type': 'hash'}],
    grants={'select': ['reader']},
    persist_docs={'relation': true, 'columns': true}
) }}
select id, name, team from {{ ref('now_people') }}

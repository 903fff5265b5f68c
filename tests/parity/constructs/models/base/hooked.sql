{{ config(
    materialized='table',
    pre_hook=["{{ note('before ' ~ this.name) }}", {"sql": "select 1", "transaction": false}],
    post_hook=[
        "alter table {{ this }} add column added int default 7",
        {"sql": "{{ note('after ' ~ this.identifier) }}", "transaction": true},
        after_commit("{{ note('after the commit') }}")
    ]
) }}
select 1 as id

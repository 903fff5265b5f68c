//! Attempts at nodes on a real PostgreSQL: what stands there afterwards, with its types, what was
//! sent for it, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[allow(dead_code, unreachable_pub, reason = "one test uses this part, another that")]
mod house;

use house::House;
use serde_json::json;

#[test]
fn a_view_and_a_table_are_made_replaced_and_turned_into_each_other() {
    let house = House::new()
        .model("orders", "select 1 as id, 'x'::varchar(3) as word", json!({"materialized": "table"}))
        .model("names", "select id, word from {{ ref('orders') }} -- all", json!({"materialized": "view"}));
    assert_eq!(house.run("model.shop.orders", &[]), "orders: SELECT 1");
    assert_eq!(house.run("model.shop.names", &[]), "names: CREATE VIEW");
    assert_eq!(house.types("analytics.names"), "id|integer; word|character varying(3)");
    house.run("model.shop.names", &[]);
    insta::assert_snapshot!(house.sent(), @r#"
begin
select cast(n.nspname as text) as schema_name, cast(c.relname as text) as name, cast(c.relkind as text) as kind from pg_catalog.pg_namespace as n left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relname in ('names', 'names__dbt_tmp', 'names__dbt_backup') where n.nspname = 'analytics'
create view "analytics"."names__dbt_tmp" as ( select id, word from "analytics"."orders" -- all )
drop view if exists "analytics"."names" cascade
alter view "analytics"."names__dbt_tmp" rename to "names"
commit
"#);
    house.run("model.shop.orders", &[]);
    insta::assert_snapshot!(house.sent(), @r#"
begin
select cast(n.nspname as text) as schema_name, cast(c.relname as text) as name, cast(c.relkind as text) as kind from pg_catalog.pg_namespace as n left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relname in ('orders', 'orders__dbt_tmp', 'orders__dbt_backup') where n.nspname = 'analytics'
create table "analytics"."orders__dbt_tmp" as ( select 1 as id, 'x'::varchar(3) as word )
drop table if exists "analytics"."orders" cascade
alter table "analytics"."orders__dbt_tmp" rename to "orders"
commit
"#);
    // A table that is replaced takes the views on it along, as dbt does it.
    assert_eq!(house.text("select count(*) from pg_views where schemaname = 'analytics'"), "0");
}

#[test]
fn a_broken_model_leaves_the_old_table_and_says_where() {
    let house = House::new().model("orders", "select 1 as id", json!({"materialized": "table"}));
    house.run("model.shop.orders", &[]);
    let house = house.model(
        "orders",
        "select\n    idd\nfrom (select 1 as id) as t",
        json!({"materialized": "table"}),
    );
    insta::assert_snapshot!(house.run("model.shop.orders", &[]), @r#"CD0301: model `orders` (models/orders.sql:2): column "idd" does not exist"#);
    assert_eq!(house.text("select id from analytics.orders"), "1");
    assert_eq!(house.result()["status"], "error");
    let house = house.model("loop", "{{ exceptions.raise_compiler_error('no way') }}", json!({}));
    insta::assert_snapshot!(house.run("model.shop.loop", &[]), @"CD0949: model `loop` (models/loop.sql): models/loop.sql:1: no way");
}

#[test]
fn a_template_may_take_more_steps_than_its_own_tests_let_it() {
    let turns = "{% for a in range(2500) %}{% for b in range(2500) %}{% set x = b %}{% endfor %}{% endfor %}";
    let house = House::new().model("m", &format!("{turns}select 1 as id"), json!({"materialized": "view"}));
    assert_eq!(house.run("model.shop.m", &[]), "m: CREATE VIEW");
}

#[test]
fn names_that_the_project_does_not_quote_are_found_again_as_the_server_keeps_them() {
    let mut house = House::new();
    for part in ["database", "schema", "identifier"] {
        house.shared.project.quoting.insert(part.into(), false.into());
    }
    let model = "select '{{ api.Relation.create(schema='S', identifier='I') }} {{ this }}' as told, \
        '{{ adapter.get_relation(this.database, this.schema, this.identifier) }}' as found \
        from {{ ref('Names') }} union all select '{{ source('raw', 'events') }}', ''";
    let house = house.node("seed", "Names", "id\n1\n", json!({"schema": "Mixed"}), json!({})).model(
        "Told",
        model,
        json!({"materialized": "table", "schema": "Mixed"}),
    );
    let database = house.shared.target.database.clone();
    for _ in 0..2 {
        house.run("seed.shop.Names", &[]);
        house.run("model.shop.Told", &[]);
    }
    insta::assert_snapshot!(house.text("select * from mixed.told").replace(&database, "db"), @r#"S.I db.Mixed.Told|"db"."mixed"."told"; db.raw.events|"#);
}

#[test]
fn a_seed_s_columns_are_named_as_the_statement_writes_them() {
    let long = format!("{}_{}", "wide".repeat(16), "end");
    let csv = format!("Id,\" Who \",\"\"\"Own\"\"\",{long}\n1,a,b,c\n");
    let columns = |quote: bool| {
        let house = House::new().node("seed", "s", &csv, json!({"quote_columns": quote}), json!({}));
        house.run("seed.shop.s", &[]);
        house.types("analytics.s").replace(&"wide".repeat(15), "…")
    };
    insta::assert_snapshot!(columns(false), @"id|integer; who|text; Own|text; …wid|text");
    insta::assert_snapshot!(columns(true), @r#"Id|integer;  Who |text; "Own"|text; …wid|text"#);
}

const EVENTS: &str = "select * from (values (1, 'a', '2024-01-01'::timestamp), (2, 'b', '2024-01-02')) as t(id, word, at)\
    {% if is_incremental() %} where id > (select max(id) from {{ this }}) union all select 2, 'B', '2024-01-03'{% endif %}";

#[test]
fn incremental_models_take_new_rows_by_their_strategy() {
    let rows = |config: serde_json::Value| {
        let house = House::new().model("events", EVENTS, config);
        let mut said = vec![house.run("model.shop.events", &[]), house.run("model.shop.events", &[])];
        said.push(house.text("select string_agg(id || word, ',' order by id, word) from analytics.events"));
        said.push(house.run("model.shop.events", &[("full_refresh", "true")]));
        said.join(" / ")
    };
    let base = |more: serde_json::Value| {
        let mut config = json!({"materialized": "incremental"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    insta::assert_snapshot!(rows(base(json!({}))), @"events: SELECT 2 / events: INSERT 0 1 / 1a,2B,2b / events: SELECT 2");
    insta::assert_snapshot!(rows(base(json!({"unique_key": "id"}))), @"events: SELECT 2 / events: INSERT 0 1 / 1a,2B / events: SELECT 2");
    insta::assert_snapshot!(rows(base(json!({"unique_key": ["id", "word"]}))), @"events: SELECT 2 / events: INSERT 0 1 / 1a,2B,2b / events: SELECT 2");
    insta::assert_snapshot!(rows(base(json!({"unique_key": "id", "incremental_strategy": "merge"}))), @"events: SELECT 2 / events: MERGE 1 / 1a,2B / events: SELECT 2");
    insta::assert_snapshot!(rows(base(json!({"unique_key": "id", "incremental_strategy": "merge", "merge_exclude_columns": ["word"]}))), @"events: SELECT 2 / events: MERGE 1 / 1a,2b / events: SELECT 2");
    let house =
        House::new().model("events", EVENTS, base(json!({"incremental_strategy": "insert_overwrite"})));
    assert!(house.run("model.shop.events", &[]).contains("'insert_overwrite' is not valid for this adapter"));
}

#[test]
fn an_append_is_made_once_however_often_it_is_tried() {
    let house = House::new().model("events", EVENTS, json!({"materialized": "incremental"}));
    house.run("model.shop.events", &[]);
    house.run("model.shop.events", &[]);
    house.again("model.shop.events", &[]).unwrap();
    assert_eq!(house.text("select count(*) from analytics.events"), "3");
}

#[test]
fn columns_that_come_and_go_are_followed_as_on_schema_change_says() {
    let run = |change: &str| {
        let config = json!({"materialized": "incremental", "on_schema_change": change});
        let house = House::new().model("m", "select 1 as id, 'x' as old", config.clone());
        house.run("model.shop.m", &[]);
        let house = house.model("m", "select 2::bigint as id, 1.5::numeric(4,2) as new", config);
        let said = house.run("model.shop.m", &[]);
        format!(
            "{said}\n{}\n{}",
            house.types("analytics.m"),
            house.text("select * from analytics.m order by id")
        )
    };
    insta::assert_snapshot!(run("append_new_columns"), @r"
m: INSERT 0 1
id|integer; old|text; new|numeric(4,2)
1|x|NULL; 2|NULL|1.50
");
    insta::assert_snapshot!(run("sync_all_columns"), @r"
m: INSERT 0 1
new|numeric(4,2); id|bigint
NULL|1; 1.50|2
");
    insta::assert_snapshot!(run("fail"), @r"
CD0949: model `m` (models/m.sql): macros/incremental.sql:206: The source and target schemas on this incremental model are out of sync!
They can be reconciled in several ways:
  - set the `on_schema_change` config to either append_new_columns or sync_all_columns, depending on your situation.
  - Re-run the incremental model with `full_refresh: True` to update the target schema.
  - update the schema manually and re-run the process.

Source columns not in target: new
Target columns not in source: old
New column types: id (in macros/incremental.sql:206, macro process_schema_changes; called from macros/materializations.sql:88, macro materialization_incremental_default)
id|integer; old|text
1|x
");
}

#[test]
fn ephemeral_models_become_expressions_in_front() {
    let house = House::new()
        .model("one", "select 1 as id", json!({"materialized": "ephemeral"}))
        .model("two", "select id + 1 as id from {{ ref('one') }}", json!({"materialized": "ephemeral"}))
        .model("three", "with a as (select * from {{ ref('two') }}) select * from a union all select * from {{ ref('one') }}", json!({"materialized": "table"}));
    assert_eq!(house.run("model.shop.three", &[]), "three: SELECT 2");
    insta::assert_snapshot!(house.compiled(), @r"
with __dbt__cte__one as (
select 1 as id
), __dbt__cte__two as (
select id + 1 as id from __dbt__cte__one
), a as (select * from __dbt__cte__two) select * from a union all select * from __dbt__cte__one
");
}

#[test]
fn hooks_run_inside_and_outside_of_the_transaction() {
    let config = json!({
        "materialized": "table",
        "pre-hook": [{"sql": "create table if not exists analytics.log (what text)", "transaction": false}, {"sql": "insert into analytics.log values ('{{ this.identifier }}')", "transaction": true}],
        "post-hook": [{"sql": "insert into analytics.log select 'rows ' || count(*) from {{ this }}", "transaction": true}, {"sql": "vacuum {{ this }}", "transaction": false}],
    });
    let house = House::new().model("m", "select 1 as id", config);
    assert_eq!(house.run("model.shop.m", &[]), "m: SELECT 1");
    insta::assert_snapshot!(house.sent(), @r#"
select cast(n.nspname as text) as schema_name, cast(c.relname as text) as name, cast(c.relkind as text) as kind from pg_catalog.pg_namespace as n left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relname in ('m', 'm__dbt_tmp', 'm__dbt_backup') where n.nspname = 'analytics'
SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = CAST('analytics' AS text)
CREATE SCHEMA IF NOT EXISTS "analytics"
select cast(n.nspname as text) as schema_name, cast(c.relname as text) as name, cast(c.relkind as text) as kind from pg_catalog.pg_namespace as n left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relname in ('m', 'm__dbt_tmp', 'm__dbt_backup') where n.nspname = 'analytics'
create table if not exists analytics.log (what text)
begin
insert into analytics.log values ('m')
create table "analytics"."m" as ( select 1 as id )
insert into analytics.log select 'rows ' || count(*) from "analytics"."m"
commit
vacuum "analytics"."m"
"#);
    assert_eq!(house.text("select string_agg(what, ',') from analytics.log"), "m,rows 1");
}

#[test]
fn indexes_grants_and_comments_belong_to_the_relation() {
    let config = json!({
        "materialized": "table", "indexes": [{"columns": ["id"], "unique": true}, {"columns": ["word", "id"], "type": "btree"}],
        "grants": {"select": ["pg_monitor"]}, "persist_docs": {"relation": true, "columns": true},
    });
    let more = json!({"description": "it's all", "columns": {"id": {"name": "id", "description": "its key"}, "gone": {"name": "gone", "description": "x"}}});
    let house = House::new().node("model", "m", "select 1 as id, 'x' as word", config, more);
    assert_eq!(house.run("model.shop.m", &[]), "m: SELECT 1");
    assert_eq!(house.run("model.shop.m", &[]), "m: SELECT 1");
    assert_eq!(
        house
            .text("select count(*), bool_or(indexdef like '%UNIQUE%') from pg_indexes where tablename = 'm'"),
        "2|t"
    );
    assert_eq!(
        house.text(
            "select obj_description('analytics.m'::regclass), col_description('analytics.m'::regclass, 1)"
        ),
        "it's all|its key"
    );
    assert_eq!(house.text("select grantee from information_schema.role_table_grants where table_name = 'm' and grantee like 'pg%'"), "pg_monitor");
}

#[test]
fn an_enforced_contract_declares_its_columns_and_refuses_others() {
    let columns = json!({"columns": {
        "id": {"name": "id", "data_type": "integer", "constraints": [{"type": "not_null"}, {"type": "primary_key"}]},
        "word": {"name": "word", "data_type": "varchar(7)", "constraints": [{"type": "check", "expression": "length(word) > 0"}]},
    }, "constraints": [{"type": "unique", "name": "one_word", "columns": ["word"]}]});
    let config = json!({"materialized": "table", "contract": {"enforced": true}});
    let house =
        House::new().node("model", "m", "select 'x'::text as word, 1 as id", config.clone(), columns.clone());
    assert_eq!(house.run("model.shop.m", &[]), "m: INSERT 0 1");
    assert_eq!(house.types("analytics.m"), "id|integer; word|character varying(7)");
    assert_eq!(house.text("select count(*) from pg_constraint where conrelid = 'analytics.m'::regclass and contype in ('c', 'p', 'u')"), "3");
    let house = house.node("model", "m", "select 'x' as id, 1 as other", config, columns);
    insta::assert_snapshot!(house.run("model.shop.m", &[]), @r"
CD0949: model `m` (models/m.sql): macros/create.sql:187: This model has an enforced contract that failed.
Please ensure the name, data_type, and number of columns in your contract match the columns in your model's definition.

| column_name | definition_type | contract_type | mismatch_reason       |
| ----------- | --------------- | ------------- | --------------------- |
| id          | TEXT            | INTEGER       | data type mismatch    |
| other       | INTEGER         |               | missing in contract   |
| word        |                 | TEXT          | missing in definition | (in macros/create.sql:187, macro assert_columns_equivalent; called from macros/create.sql:139, macro default__get_assert_columns_equivalent; macros/create.sql:138, macro get_assert_columns_equivalent; macros/create.sql:52, macro postgres__create_table_as)
");
}

#[test]
fn seeds_get_dbts_types_and_keep_their_table() {
    let csv = "id,amount,day,at,flag,code,empty\n1,1.5,2024-01-01,2024-01-01 10:00:00,true,007,\n2,,2024-01-02,2024-01-02 11:00:00,false,\"a, \"\"b\"\"\",null\n";
    let house =
        House::new().node("seed", "s", csv, json!({"column_types": {"code": "varchar(20)"}}), json!({}));
    assert_eq!(house.run("seed.shop.s", &[]), "s: INSERT 2");
    insta::assert_snapshot!(house.types("analytics.s"), @"id|integer; amount|double precision; day|date; at|timestamp without time zone; flag|boolean; code|character varying(20); empty|integer");
    insta::assert_snapshot!(house.text("select * from analytics.s order by id"), @r#"1|1.5|2024-01-01|2024-01-01 10:00:00|t|007|NULL; 2|NULL|2024-01-02|2024-01-02 11:00:00|f|a, "b"|NULL"#);
    house.text("create view analytics.v as select id from analytics.s");
    assert_eq!(house.run("seed.shop.s", &[]), "s: INSERT 2");
    assert_eq!(house.text("select count(*) from analytics.v"), "2");
    assert_eq!(house.run("seed.shop.s", &[("full_refresh", "true")]), "s: CREATE 2");
    assert_eq!(house.text("select count(*) from pg_views where viewname = 'v'"), "0");
    let house = house.node("seed", "s", "id\n1\n9999999999\n", json!({}), json!({}));
    assert!(
        house.run("seed.shop.s", &[("full_refresh", "true")]).starts_with("CD0301: seed `s` (seeds/s.csv)")
    );
    assert_eq!(house.text("select count(*) from analytics.s"), "2");
}

#[test]
fn what_a_project_puts_in_the_place_of_the_adapters_ways_is_called() {
    let macros = "{% macro truncate_relation(relation) %}{{ return(adapter.dispatch('truncate_relation')(relation)) }}\
        {% endmacro %}{% macro postgres__truncate_relation(relation) %}{% do run_query('select 1 as guarded') %}\
        {{ return(default__truncate_relation(relation)) }}{% endmacro %}";
    // An implementation for the adapter counts where it is the project's own.
    let own = "{% macro postgres__drop_relation(relation) %}{% do run_query('select 2 as guarded') %}\
        {{ return(default__drop_relation(relation)) }}{% endmacro %}";
    let house = House::new()
        .node("seed", "s", "id\n1\n", json!({}), json!({}))
        .model("m", "select 1 as id", json!({"materialized": "table"}))
        .macros_of("guard", macros)
        .macros(own);
    for id in ["seed.shop.s", "model.shop.m", "seed.shop.s"] {
        house.run(id, &[]);
    }
    let sent = house.sent();
    let lines: Vec<&str> = sent.lines().skip_while(|line| !line.contains("guarded")).take(2).collect();
    assert_eq!(lines, ["select 1 as guarded", "truncate table \"analytics\".\"s\""], "{sent}");
    house.run("model.shop.m", &[]);
    let sent = house.sent();
    let lines: Vec<&str> = sent.lines().skip_while(|line| !line.contains("guarded")).take(2).collect();
    assert_eq!(lines, ["select 2 as guarded", "drop table if exists \"analytics\".\"m\" cascade"], "{sent}");
}

#[test]
fn tests_count_warn_fail_and_keep_what_they_find() {
    let model = "select * from (values (1), (1), (null)) as t(id)";
    let generic = |name: &str, more: serde_json::Value, config: serde_json::Value| {
        let mut kwargs = json!({"model": "{{ get_where_subquery(ref('m')) }}", "column_name": "id"});
        kwargs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let node =
            json!({"schema": "analytics_dbt_test__audit", "test_metadata": {"name": name, "kwargs": kwargs}});
        House::new().model("m", model, json!({"materialized": "table"})).node(
            "test",
            name,
            &format!("{{{{ test_{name}(**_dbt_generic_test_kwargs) }}}}"),
            config,
            node,
        )
    };
    let run = |house: &House, name: &str| {
        house.run("model.shop.m", &[]);
        let said = house.run(&format!("test.shop.{name}"), &[]);
        format!(
            "{said} / {} {} {}",
            house.result()["status"],
            house.result()["failures"],
            house.result()["message"]
        )
    };
    insta::assert_snapshot!(run(&generic("unique", json!({}), json!({})), "unique"), @r#"CD0922: test `unique` (tests/unique.sql): Got 1 result, configured to fail if != 0 / "fail" 1 "Got 1 result, configured to fail if != 0""#);
    insta::assert_snapshot!(run(&generic("not_null", json!({}), json!({"severity": "warn"})), "not_null"), @r#"not_null: warning: Got 1 result, configured to warn if != 0 / "warn" 1 "Got 1 result, configured to warn if != 0""#);
    insta::assert_snapshot!(run(&generic("not_null", json!({}), json!({"where": "id = 1"})), "not_null"), @r#"not_null: passed / "pass" 0 """#);
    insta::assert_snapshot!(run(&generic("accepted_values", json!({"values": [2], "quote": false}), json!({"warn_if": ">10", "error_if": ">20"})), "accepted_values"), @r#"accepted_values: passed / "pass" 0 """#);
    insta::assert_snapshot!(run(&generic("relationships", json!({"to": "ref('m')", "field": "id"}), json!({})), "relationships"), @r#"relationships: passed / "pass" 0 """#);
    let house = generic("not_null", json!({}), json!({"store_failures": true}));
    assert!(run(&house, "not_null").contains("\"fail\" 1"));
    assert_eq!(house.text("select count(*) from analytics_dbt_test__audit.not_null"), "1");
    let house = generic("unique", json!({}), json!({"fail_calc": "sum(n_records)"}));
    assert!(run(&house, "unique").contains("Got 2 results"));
}

#[test]
fn snapshots_keep_what_was() {
    let rows = |house: &House| {
        house.text("select id, word, dbt_valid_to is null from analytics.s order by id, dbt_valid_from, word")
    };
    let run = |config: serde_json::Value| {
        let first = "select * from (values (1, 'a', '2024-01-01'::timestamp), (2, 'b', '2024-01-01')) as t(id, word, at)";
        let second = "select * from (values (1, 'A', '2024-01-02'::timestamp), (3, 'c', '2024-01-02')) as t(id, word, at)";
        let house = House::new().node("snapshot", "s", first, config.clone(), json!({}));
        let mut said = vec![house.run("snapshot.shop.s", &[])];
        let house = house.node("snapshot", "s", second, config, json!({}));
        said.push(house.run("snapshot.shop.s", &[]));
        said.push(rows(&house));
        said.push(house.run("snapshot.shop.s", &[]));
        said.push(house.types("analytics.s"));
        said.join("\n")
    };
    insta::assert_snapshot!(run(json!({"strategy": "timestamp", "updated_at": "at", "unique_key": "id"})), @r"
s: SELECT 2
s: INSERT 0 2
1|a|f; 1|A|t; 2|b|t; 3|c|t
s: INSERT 0 0
id|integer; word|text; at|timestamp without time zone; dbt_scd_id|text; dbt_updated_at|timestamp without time zone; dbt_valid_from|timestamp without time zone; dbt_valid_to|timestamp without time zone
");
    insta::assert_snapshot!(run(json!({"strategy": "check", "check_cols": ["word"], "unique_key": "id", "hard_deletes": "invalidate"})), @r"
s: SELECT 2
s: INSERT 0 2
1|a|f; 1|A|t; 2|b|f; 3|c|t
s: INSERT 0 0
id|integer; word|text; at|timestamp without time zone; dbt_scd_id|text; dbt_updated_at|timestamp without time zone; dbt_valid_from|timestamp without time zone; dbt_valid_to|timestamp without time zone
");
    insta::assert_snapshot!(run(json!({"strategy": "check", "check_cols": "all", "unique_key": ["id"], "hard_deletes": "new_record"})), @r"
s: SELECT 2
s: INSERT 0 3
1|a|f; 1|A|t; 2|b|f; 2|b|t; 3|c|t
s: INSERT 0 0
id|integer; word|text; at|timestamp without time zone; dbt_scd_id|text; dbt_updated_at|timestamp without time zone; dbt_valid_from|timestamp without time zone; dbt_valid_to|timestamp without time zone; dbt_is_deleted|text
");
    let never = House::new().node(
        "snapshot",
        "s",
        "select 1 as id",
        json!({"strategy": "never", "unique_key": "id"}),
        json!({}),
    );
    assert!(
        never
            .run("snapshot.shop.s", &[])
            .contains("Could not find any strategy macro 'snapshot_never_strategy'")
    );
}

#[test]
fn a_unit_test_compares_given_with_expected() {
    let told = |expected: serde_json::Value| {
        json!({"model": "m", "given": [{"input": "ref('raw')", "rows": [{"id": 1, "word": "a"}, {"id": 2}], "format": "dict"}],
               "expect": {"rows": expected, "format": "dict"}, "overrides": {"vars": {"suffix": "!"}}})
    };
    let house = House::new()
        .model("raw", "select 1 as id, 'x'::varchar(9) as word, now() as at", json!({"materialized": "table"}))
        .model("m", "select id, word || '{{ var('suffix') }}' as word from {{ ref('raw') }} where id < 5", json!({}))
        .unit_test("good", "m", told(json!([{"id": 1, "word": "a!"}, {"id": 2, "word": null}])))
        .unit_test("bad", "m", told(json!([{"id": 1, "word": "b!"}, {"id": 2, "word": null}])))
        .unit_test("odd", "m", json!({"model": "m", "given": [{"input": "ref('raw')", "rows": [{"nam": 1}]}], "expect": {"rows": []}, "overrides": {"vars": {"suffix": "!"}}}));
    insta::assert_snapshot!(house.run("unit_test.shop.good", &[]), @"CD0927: unit test `good` (unit_tests/good.sql): the columns of analytics.raw are not known, because the warehouse has no such relation; build it first, for instance with --empty, or give the rows with `format: sql`");
    house.run("model.shop.raw", &[]);
    assert_eq!(house.run("unit_test.shop.good", &[]), "good: passed");
    insta::assert_snapshot!(house.run("unit_test.shop.bad", &[]), @r"
CD0922: unit test `bad` (unit_tests/bad.sql): actual differs from expected:

@@ ,id,word
   ,2 ,NULL
---,1 ,b!
+++,1 ,a!
");
    insta::assert_snapshot!(house.run("unit_test.shop.odd", &[]), @"CD0927: unit test `odd` (unit_tests/odd.sql): there is no column `nam` in the input `raw`; it has id, word, at");
}

#[test]
fn batches_are_built_one_by_one() {
    let config = json!({"materialized": "incremental", "incremental_strategy": "microbatch", "event_time": "at", "begin": "2024-02-28", "batch_size": "day", "unique_key": "id"});
    let house = House::new()
        .model("raw", "select i as id, '2024-02-28'::timestamp + i * interval '8 hours' as at from generate_series(0, 8) as g(i)", json!({"materialized": "table", "event_time": "at"}))
        .model("m", "select * from {{ ref('raw') }}", config);
    house.run("model.shop.raw", &[]);
    assert_eq!(house.run("model.shop.m", &[]), "m: 3 batches");
    assert_eq!(house.text("select count(*), max(at) from analytics.m"), "9|2024-03-01 16:00:00");
    assert_eq!(house.run("model.shop.m", &[]), "m: 2 batches");
    assert_eq!(house.text("select count(*) from analytics.m"), "9");
    assert!(house.compiled().contains("at >= '2024-02-29 00:00:00+00:00'"), "{}", house.compiled());
    let house = house.model("m", "select 1", json!({"materialized": "incremental", "incremental_strategy": "microbatch", "event_time": "at", "batch_size": "week"}));
    assert!(house.run("model.shop.m", &[]).starts_with("CD0929"));
}

#[test]
fn materialized_views_are_made_refreshed_and_reindexed() {
    let config = |columns: serde_json::Value| json!({"materialized": "materialized_view", "indexes": [{"columns": columns}]});
    let house = House::new().model("m", "select 1 as id, 2 as other", config(json!(["id"])));
    assert_eq!(house.run("model.shop.m", &[]), "m: CREATE INDEX");
    assert_eq!(house.run("model.shop.m", &[]), "m: REFRESH MATERIALIZED VIEW");
    let house = house.model("m", "select 1 as id, 2 as other", config(json!(["other"])));
    assert_eq!(house.run("model.shop.m", &[]), "m: CREATE INDEX");
    assert!(house.text("select indexdef from pg_indexes where tablename = 'm'").ends_with("(other)"));
}

#[test]
fn operations_freshness_show_and_catalog() {
    let house = House::new()
        .model("m", "select 1 as id, 2.50 as price", json!({"materialized": "table"}))
        .node("operation", "start", "create table if not exists analytics.audit (at text); insert into analytics.audit values ('{{ invocation_id }}')", json!({}), json!({}))
        .node("source", "events", "", json!({}), json!({"schema": "raw", "identifier": "events", "loaded_at_field": "at", "freshness": {"warn_after": {"count": 1, "period": "day"}, "error_after": {"count": 3650, "period": "day"}, "filter": null}}))
        .macros("{% macro greet(name) %}{% set t = run_query(\"select 'hello \" ~ name ~ \"' as word\") %}{{ return(t.columns[0].values()[0]) }}{% endmacro %}");
    house.run("model.shop.m", &[]);
    assert_eq!(house.run("operation.shop.start", &[]), "start: INSERT 0 1");
    assert_eq!(house.text("select at from analytics.audit"), "run-1");
    assert_eq!(
        house.run("operation.shop.start", &[("macro", "\"greet\""), ("args", "{\"name\": \"you\"}")]),
        "start: ran greet"
    );
    assert_eq!(house.result()["returned"], "hello you");
    assert!(house.run("operation.shop.start", &[("macro", "\"gret\"")]).starts_with("CD0920"));
    house.run("model.shop.m", &[("command", "\"show\"")]);
    assert_eq!(house.kept("show.json"), r#"{"columns":["id","price"],"rows":[[1,2.5]]}"#);
    house.run("model.shop.m", &[("command", "\"catalog\"")]);
    let catalog: serde_json::Value = serde_json::from_str(&house.kept("catalog.json")).unwrap();
    assert_eq!(catalog["metadata"]["type"], "BASE TABLE");
    assert_eq!(
        catalog["columns"]["price"],
        json!({"type": "numeric", "index": 2, "name": "price", "comment": null})
    );
    house.text("create schema raw; create table raw.events as select now() - interval '2 days' as at");
    assert!(
        house.run("source.shop.events", &[]).contains("warn: loaded 48 hours ago")
            || house.run("source.shop.events", &[]).contains("days ago")
    );
    assert_eq!(house.result()["status"], "warn");
    house.text("truncate raw.events");
    assert!(house.run("source.shop.events", &[]).starts_with("CD0926"));
}

#[test]
fn a_materialization_of_the_project_uses_the_same_helpers() {
    let house = House::new().model("m", "select 1 as id", json!({"materialized": "twice"})).macros(
        "{% materialization twice, default %}{% set target = this.incorporate(type='table') %}{{ run_hooks(pre_hooks) }}\
         {% do drop_relation_if_exists(load_cached_relation(this)) %}\
         {% call statement('main') %}{{ create_table_as(false, target, sql) }}{% endcall %}\
         {% do run_query('insert into ' ~ target ~ ' select * from ' ~ target) %}\
         {{ adapter.commit() }}{{ return({'relations': [target]}) }}{% endmaterialization %}",
    );
    assert_eq!(house.run("model.shop.m", &[]), "m: SELECT 1");
    assert_eq!(house.run("model.shop.m", &[]), "m: SELECT 1");
    assert_eq!(house.text("select count(*) from analytics.m"), "2");
    let house = house.model("n", "select 1", json!({"materialized": "thrice"}));
    assert!(house.run("model.shop.n", &[]).starts_with("CD0925"));
}

#[test]
#[ignore = "a measurement; run it alone, and read what it prints"]
fn how_long_one_view_takes() {
    let house = House::new().model("names", "select 1 as id", json!({"materialized": "view"}));
    house.run("model.shop.names", &[]);
    let start = std::time::Instant::now();
    for _ in 0..500 {
        house.run("model.shop.names", &[]);
    }
    eprintln!("{:?} a view", start.elapsed() / 500);
}

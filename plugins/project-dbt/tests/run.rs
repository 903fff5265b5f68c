//! Attempts at nodes: what reaches the warehouse, and what a failure says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use cofferdam_project_dbt::{DbtProject, DbtTask};
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{
    Argument, Column, DataType, Detail, Failure, FailureKind, Invocation, Level, Outcome, Project,
    ProjectConfig, Relation, RelationKind, Table, Task, TaskFailure,
};

const PROJECT: &str = "name: shop\nvars: {through: '2013-01-14'}\nmodels:\n  shop:\n    +schema: marts\nseeds: {shop: {+schema: raw}}\n";

fn host(files: &[(&str, &str)]) -> MemoryHost {
    files
        .iter()
        .fold(MemoryHost::new().file("dbt_project.yml", PROJECT), |host, (path, text)| host.file(path, *text))
}

/// The invocation that a release of these files would lead to.
fn invocation(host: &MemoryHost, id: &str) -> Invocation {
    let config = ProjectConfig { gateway: "wh".into(), ..ProjectConfig::default() };
    let tasks = DbtProject::describe(&host.project_context(), config)
        .map(|described| described.tasks)
        .unwrap_or_else(|list| panic!("{list:#?}"));
    let task = tasks.into_iter().find(|task| task.id == id).unwrap_or_else(|| panic!("no task {id}"));
    Invocation {
        task: task.id,
        entry: task.entry,
        gateway: Some("wh".into()),
        environment: "prod".into(),
        settings: task.settings,
        ..Invocation::default()
    }
}

fn run(host: &MemoryHost, id: &str, arguments: &[(&str, &str)]) -> Result<Outcome, TaskFailure> {
    let mut invocation = invocation(host, id);
    invocation.arguments = arguments
        .iter()
        .map(|(name, json)| Argument { name: (*name).into(), json: (*json).into() })
        .collect();
    DbtTask::run(&host.context(), invocation)
}

const DAYS: &str = "{{ config(materialized='incremental', unique_key='day') }}\nselect day from {{ ref('raw_days') }} where day <= '{{ var('through') }}'\n{% if is_incremental() %}and day > (select max(day) from {{ this }}){% endif %};\n";
const RAW: (&str, &str) = ("models/raw_days.sql", "select 1 as day");

#[test]
fn an_incremental_model_is_a_table_first_and_then_takes_new_rows() {
    let host = host(&[RAW, ("models/days.sql", DAYS)]);
    run(&host, "model.shop.days", &[]).unwrap();
    let outcome = run(&host, "model.shop.days", &[]).unwrap();
    assert_eq!(outcome.summary, "marts.days: nothing new");
    run(&host, "model.shop.days", &[("full_refresh", "true"), ("through", "\"2013-01-21\"")]).unwrap();
    insta::assert_snapshot!(host.done().join("\n"), @r#"
open wh for writing
ensure schema marts
create table marts.days as select day from "marts"."raw_days" where day <= '2013-01-14'
open wh for writing
ensure schema marts
insert into marts.days (delete-insert on day) select day from "marts"."raw_days" where day <= '2013-01-14' and day > (select max(day) from "marts"."days")
open wh for writing
ensure schema marts
create table marts.days as select day from "marts"."raw_days" where day <= '2013-01-21'
"#);
}

#[test]
fn a_view_in_the_way_of_an_incremental_model_is_replaced() {
    let days = Relation::new("marts", "days");
    let host = host(&[RAW, ("models/days.sql", DAYS)]).relation(days, RelationKind::View, Vec::new());
    run(&host, "model.shop.days", &[]).unwrap();
    assert!(
        host.done().iter().any(|line| line.starts_with("create table marts.days as")),
        "{:?}",
        host.done()
    );
}

#[test]
fn an_argument_the_project_does_not_know_is_refused() {
    let host = host(&[RAW]);
    let why = run(&host, "model.shop.raw_days", &[("throug", "\"x\"")]).unwrap_err();
    insta::assert_snapshot!(why, @"CD0920: `throug` is not a variable of the project; did you mean `through`?; declare it under `vars` in dbt_project.yml");
}

#[test]
fn an_attempt_reads_its_own_file_and_its_macros_only() {
    let full = host(&[
        RAW,
        ("macros/m.sql", "{% macro one() %}{{ two() }}{% endmacro %}"),
        ("macros/n.sql", "{% macro two() %}2{% endmacro %}"),
        ("macros/o.sql", "{% macro three() %}3{% endmacro %}"),
        ("models/a.sql", "select {{ one() }} from {{ ref('raw_days') }}"),
    ]);
    let invocation = invocation(&full, "model.shop.a");
    let own = MemoryHost::new()
        .file("models/a.sql", "select {{ one() }} from {{ ref('raw_days') }}")
        .file("macros/m.sql", "{% macro one() %}{{ two() }}{% endmacro %}")
        .file("macros/n.sql", "{% macro two() %}2{% endmacro %}");
    DbtTask::run(&own.context(), invocation).unwrap();
    assert!(
        own.done().contains(&"create view marts.a as select 2 from \"marts\".\"raw_days\"".to_owned()),
        "{:?}",
        own.done()
    );
}

#[test]
fn a_broken_model_fails_with_its_name_file_and_line() {
    let select = "select\n    dya\nfrom x";
    let syntax = Failure::Invalid(Detail { code: "CD0301".into(), message: "no such column: dya".into() });
    let host = host(&[
        ("models/bad.sql", select),
        ("models/late.sql", "select 1\n{% if execute %}{{ run_query('x') }}{% endif %}"),
    ])
    .fail(&format!("create view marts.bad as {select}"), syntax);
    let why = run(&host, "model.shop.bad", &[]).unwrap_err();
    assert_eq!(why.kind, FailureKind::Permanent);
    insta::assert_snapshot!(why, @"CD0301: model `bad` (models/bad.sql:2): no such column: dya");
    insta::assert_snapshot!(run(&host, "model.shop.late", &[]).unwrap_err(), @"CD0921: `late` (models/late.sql:2): queries while a model is rendered are not supported");
}

#[test]
fn a_busy_warehouse_is_a_transient_failure() {
    let busy = Failure::Transient(Detail { code: "CD0302".into(), message: "database is locked".into() });
    let host = host(&[RAW]).fail("create view marts.raw_days as select 1 as day", busy);
    assert_eq!(run(&host, "model.shop.raw_days", &[]).unwrap_err().kind, FailureKind::Transient);
}

#[test]
fn a_seed_goes_through_the_bulk_load() {
    let host = host(&[
        ("seeds/rates.csv", "day,rate,code\n2013-01-01,1.5,007\n2013-01-02,,8\n"),
        ("seeds/s.yml", "seeds: [{name: rates, config: {column_types: {code: text}}}]"),
    ]);
    let outcome = run(&host, "seed.shop.rates", &[]).unwrap();
    assert_eq!(outcome, Outcome { rows_affected: Some(2), summary: "raw.rates: seed of 2 rows".into() });
    insta::assert_snapshot!(host.done().join("\n"), @r#"
open wh for writing
ensure schema raw
load raw.rates (day date, rate float64, code text)
load raw.rates: row -- '2013-01-01', 1.5, '007'
load raw.rates: row -- '2013-01-02', NULL, '8'
"#);
    assert_eq!(host.last_progress(), Some((2, 2)));
}

const TESTED: &str = "models:\n  - name: raw_days\n    columns:\n      - name: day\n        tests:\n          - unique\n          - not_null: {config: {severity: warn, where: day > 1}}\n";

fn counting(select: &str, rows: i64) -> MemoryHost {
    let table = Table::new(vec![Column::new("failures", DataType::Int64)], vec![vec![rows.into()]]);
    host(&[RAW, ("models/s.yml", TESTED), ("tests/no_days.sql", "select * from {{ ref('raw_days') }};")])
        .answer(&format!("select count(*) as failures from (\n{select}\n) as found"), table)
}

const UNIQUE: &str = "select day as unique_field, count(*) as n_records from \"marts\".\"raw_days\" where day is not null group by day having count(*) > 1";

#[test]
fn a_test_that_finds_rows_fails_as_a_check() {
    let host = counting(UNIQUE, 3);
    let why = run(&host, "test.shop.unique_raw_days_day", &[]).unwrap_err();
    assert_eq!(why.kind, FailureKind::CheckFailed);
    insta::assert_snapshot!(why, @"CD0922: test `unique_raw_days_day` (models/s.yml:6) found 3 rows; the statement stands in the log at level debug");
    assert!(host.log_lines().iter().any(|(level, line)| *level == Level::Debug && line.contains(UNIQUE)));
    assert_eq!(host.done()[0], "open wh for reading");
}

#[test]
fn a_test_that_finds_nothing_passes() {
    let outcome = run(&counting(UNIQUE, 0), "test.shop.unique_raw_days_day", &[]).unwrap();
    assert_eq!(outcome.summary, "unique_raw_days_day: passed");
}

#[test]
fn a_test_of_severity_warn_passes_and_says_so() {
    let select =
        "select day from (select * from \"marts\".\"raw_days\" where day > 1) as checked where day is null";
    let host = counting(select, 1);
    let outcome = run(&host, "test.shop.not_null_raw_days_day", &[]).unwrap();
    assert_eq!(outcome.summary, "not_null_raw_days_day: warning, 1 row");
    assert!(host.log_lines().iter().any(|(level, _)| *level == Level::Warn));
}

#[test]
fn a_singular_test_counts_the_rows_of_its_query() {
    let host = counting("select * from \"marts\".\"raw_days\"", 2);
    insta::assert_snapshot!(run(&host, "test.shop.no_days", &[]).unwrap_err(), @"CD0922: test `no_days` (tests/no_days.sql) found 2 rows; the statement stands in the log at level debug");
}

#[test]
fn settings_of_another_shape_are_refused() {
    let host = host(&[RAW]);
    let mut invocation = invocation(&host, "model.shop.raw_days");
    invocation.settings[0].json = "{}".into();
    assert!(DbtTask::run(&host.context(), invocation.clone()).is_err());
    invocation.settings.clear();
    assert!(DbtTask::run(&host.context(), invocation).is_err());
    assert!(host.done().is_empty());
}

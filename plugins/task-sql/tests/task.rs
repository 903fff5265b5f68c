//! The task on a scripted warehouse: what is bound, what is run, what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use cofferdam_sdk::{
    Argument, Column, DataType, Detail, Failure, FailureKind, Invocation, Outcome, Table, Task, TaskFailure,
    testing::MemoryHost,
};
use cofferdam_task_sql::SqlTask;
use serde_json::{Value, json};

const STATEMENT: &str =
    "-- Old orders go.\ndelete from marts.orders where day < :before and status = :status;\n";

fn host() -> MemoryHost {
    let schema = json!({
        "type": "object",
        "properties": {
            "before": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" },
            "status": { "enum": ["done", "lost"] },
            "most": { "type": "integer", "maximum": 100 },
        },
        "required": ["before"],
        "additionalProperties": false,
    });
    MemoryHost::new().file("sql/clean.sql", STATEMENT).file("sql/clean.json", schema.to_string())
}

fn arguments(of: &Value) -> Vec<Argument> {
    of.as_object().unwrap().iter().map(|(name, value)| Argument::new(name, value).unwrap()).collect()
}

fn run(host: &MemoryHost, settings: &Value, given: &Value) -> Result<Outcome, TaskFailure> {
    let invocation = Invocation {
        task: "clean".into(),
        gateway: Some("warehouse".into()),
        settings: arguments(settings),
        arguments: arguments(given),
        ..Invocation::default()
    };
    SqlTask::run(&host.context(), invocation)
}

fn refused(host: &MemoryHost, settings: &Value, given: &Value) -> String {
    let failure = run(host, settings, given).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(!host.done().iter().any(|done| done.contains("delete")), "nothing may have run");
    failure.to_string()
}

fn settings() -> Value {
    json!({
        "statement": "sql/clean.sql",
        "schema": "sql/clean.json",
        "parameters": { "before": "2020-01-01", "status": "done" },
    })
}

#[test]
fn parameters_are_bound_and_those_of_the_run_come_on_top() {
    let bound = "-- Old orders go. delete from marts.orders where day < ? and status = ?";
    let host = host().answer_count(bound, 7);
    let outcome = run(&host, &settings(), &json!({ "before": "2021-01-01' or 1=1" }));
    // The schema stands before the statement.
    assert!(outcome.is_err());
    let outcome = run(&host, &settings(), &json!({ "before": "2021-01-01" })).unwrap();
    assert_eq!(outcome, Outcome { rows_affected: Some(7), summary: "sql/clean.sql changed 7 rows".into() });
    assert_eq!(
        host.done(),
        [
            "open warehouse for writing".to_owned(),
            format!("{bound} -- '2021-01-01', 'done'"),
            "commit once statement".to_owned()
        ]
    );
}

#[test]
fn every_kind_of_value_is_bound_as_what_it_is() {
    let host = MemoryHost::new().file("v.sql", "insert into t values (:a, :b, :c, :d, :e, :f)");
    let parameters = json!({ "a": null, "b": true, "c": -3, "d": 1.5, "e": "x", "f": [1, { "g": 2 }] });
    run(&host, &json!({ "statement": "v.sql", "parameters": parameters }), &json!({})).unwrap();
    assert_eq!(
        host.done()[1],
        "insert into t values (?, ?, ?, ?, ?, ?) -- NULL, true, -3, 1.5, 'x', '[1,{\"g\":2}]'"
    );
    insta::assert_snapshot!(
        refused(&host, &json!({ "statement": "v.sql" }), &json!({ "a": u64::MAX })),
        @"CD0954: v.sql:1: 18446744073709551615, given for `:a`, does not fit into 64 bits"
    );
}

#[test]
fn a_statement_that_reads_opens_for_reading_and_counts_its_rows() {
    let table = Table::new(vec![Column::new("n", DataType::Int64)], vec![vec![1.into()], vec![2.into()]]);
    let host = MemoryHost::new().file("r.sql", "select n from t").answer("select n from t", table);
    let outcome = run(&host, &json!({ "statement": "r.sql", "access": "read" }), &json!({})).unwrap();
    assert_eq!(outcome, Outcome { rows_affected: Some(2), summary: "r.sql read 2 rows".into() });
    assert_eq!(host.done()[0], "open warehouse for reading");
}

#[test]
fn parameters_the_schema_does_not_allow_are_named() {
    insta::assert_snapshot!(
        refused(&host(), &settings(), &json!({ "status": "new", "most": 101 })),
        @"CD0952: parameter `status`: value must be one of 'done', 'lost' (sql/clean.json#/properties/status); parameter `most`: must be <=100, but got 101 (sql/clean.json#/properties/most)"
    );
    insta::assert_snapshot!(
        refused(&host(), &json!({ "statement": "sql/clean.sql", "schema": "sql/clean.json" }), &json!({ "x": 1 })),
        @"CD0952: parameters: missing properties 'before' (sql/clean.json#); parameters: additionalProperties 'x' not allowed (sql/clean.json#)"
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_named() {
    let settings = json!({ "statement": "s.sql", "schema": "s.json" });
    let with = |schema: &str| MemoryHost::new().file("s.sql", "select 1").file("s.json", schema);
    insta::assert_snapshot!(refused(&with("{"), &settings, &json!({})), @"CD0953: s.json: the schema is not JSON: EOF while parsing an object at line 1 column 1");
    insta::assert_snapshot!(refused(&with(r#"{"type": "number-ish"}"#), &settings, &json!({})), @"CD0953: s.json: the schema is no JSON Schema: at `/type`: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'; at `/type`: want array, but got string");
    // A schema is part of the release; none is fetched from elsewhere.
    insta::assert_snapshot!(
        refused(&with(r#"{"$ref": "https://example.invalid/schema.json"}"#), &settings, &json!({})),
        @"CD0953: s.json: the schema refers to `https://example.invalid/schema.json`, which is not part of it; none is fetched, so move what it needs into `$defs`"
    );
}

#[test]
fn a_missing_parameter_is_named_with_its_line() {
    insta::assert_snapshot!(
        refused(&host(), &json!({ "statement": "sql/clean.sql" }), &json!({ "before": "2020-01-01" })),
        @"CD0951: sql/clean.sql:2: nothing is given for `:status`; add it to the task's `parameters` or start the run with it"
    );
}

#[test]
fn files_and_settings_that_are_missing_or_malformed_are_named() {
    let host =
        MemoryHost::new().file("two.sql", "delete from a;\ndelete from b").file("bin.sql", vec![0x64, 0xff]);
    insta::assert_snapshot!(
        refused(&host, &json!({ "statement": "two.sql" }), &json!({})),
        @"CD0950: two.sql:2: a second statement begins here; a file holds exactly one"
    );
    insta::assert_snapshot!(
        refused(&host, &json!({ "statement": "bin.sql" }), &json!({})),
        @"CD0994: bin.sql:1: the file is not UTF-8 text; save it as UTF-8"
    );
    insta::assert_snapshot!(
        refused(&host, &json!({}), &json!({})),
        @"CD0993: task `clean` has no setting `statement`; add it to the task in the project"
    );
    insta::assert_snapshot!(
        refused(&host, &json!({ "statement": "two.sql", "access": "admin" }), &json!({})),
        @"CD0993: setting `access`: unknown variant `admin`, expected `read` or `write` at line 1 column 7"
    );
}

#[test]
fn the_warehouses_failure_carries_the_file() {
    let busy = Failure::Transient(Detail { code: "CD0305".into(), message: "the database is busy".into() });
    let host = MemoryHost::new().file("b.sql", "delete from t").fail("delete from t", busy);
    let failure = run(&host, &json!({ "statement": "b.sql" }), &json!({})).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient);
    assert_eq!(failure.to_string(), "CD0305: b.sql: the database is busy");
}

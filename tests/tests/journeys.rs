//! The journeys of ARCHITECTURE.md with the real programs: a release, a task, an operator.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{fs, path::PathBuf};

use cofferdam_tests::{House, ProjectFiles, Task};
use rusqlite::Connection;

fn rows(house: &House, schema: &str, table: &str) -> Vec<i64> {
    let file: PathBuf = house.path().join(format!(".cofferdam/warehouse/warehouse.{schema}.db"));
    let connection = Connection::open(file).unwrap();
    let mut statement = connection.prepare(&format!("SELECT n FROM {table} ORDER BY n")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn three_steps() -> ProjectFiles {
    ProjectFiles::of(vec![
        Task::sql("make.table", "sql/make.sql"),
        Task::sql("fill.table", "sql/fill.sql").needing(&["make.table"]),
        Task::sql("alone", "sql/alone.sql"),
    ])
    .with_file("sql/make.sql", "CREATE TABLE allowed.numbers (n INTEGER)")
    .with_file("sql/fill.sql", "INSERT INTO allowed.numbers VALUES (1), (2), (3)")
    .with_file("sql/alone.sql", "CREATE TABLE allowed.alone AS SELECT 7 AS n")
}

#[test]
fn a_release_goes_from_files_to_the_scheduler() {
    let mut house = House::of(&three_steps());
    house.up(&[]);

    let pushed = house.release().success();
    let inspected =
        house.cofferdam(&["release", "inspect", ".cofferdam/releases/1/release.dsse.json"]).success();
    let listed = house.cofferdam(&["get", "releases", "--json"]).success().json();

    assert!(pushed.text().contains("release 1"), "{}", pushed.text());
    assert!(inspected.stdout.contains("make.table"), "{}", inspected.stdout);
    assert_eq!(listed["releases"][0]["release_seq"], 1);
    assert!(house.down(), "Ctrl-C stops everything cleanly:\n{}", house.said());
}

#[test]
fn a_task_goes_from_the_scheduler_into_the_warehouse_and_onto_the_record() {
    let mut house = House::of(&three_steps());
    house.up(&[]);
    house.release().success();

    let run = house.run_all();

    assert_eq!(run["state"], "succeeded", "{run}\n{}", house.said());
    assert_eq!(rows(&house, "allowed", "numbers"), [1, 2, 3]);
    let fill = House::task(&run, "fill.table");
    assert_eq!((&fill["attempt"], &fill["rows_affected"]), (&1.into(), &3.into()));
    let ledger = house.ledger("executor-run");
    let of_fill: Vec<String> =
        ledger.iter().filter(|r| r.to_string().contains("fill.table")).map(kind_of).collect();
    let position =
        |kind: &str| of_fill.iter().position(|k| k == kind).unwrap_or_else(|| panic!("{kind}: {of_fill:?}"));
    assert!(position("task.admitted") < position("cap.intent"), "{of_fill:?}");
    assert!(position("cap.intent") < position("task.ended"), "{of_fill:?}");
    let executors = house.cofferdam(&["get", "executors", "--json"]).success().json();
    assert_eq!(executors["executors"].as_array().map(Vec::len), Some(2), "{executors}");
}

fn kind_of(record: &serde_json::Value) -> String {
    let event = record.get("event").unwrap_or(record);
    event
        .as_str()
        .or_else(|| event["event"].as_str())
        .or_else(|| event["type"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_broken_task_fails_its_dependants_are_skipped_and_the_rest_goes_on() {
    let project = three_steps()
        .with_file("sql/make.sql", "CREATE TABLE allowed.numbers AS\nSELECT nothing FROM nowhere_at_all");
    let mut house = House::of(&project);
    house.up(&[]);
    house.release().success();

    let run = house.run_all();

    assert_eq!(run["state"], "failed");
    assert_eq!(House::task(&run, "make.table")["state"], "failed");
    let skipped = House::task(&run, "fill.table");
    assert_eq!((&skipped["state"], &skipped["because"]), (&"skipped".into(), &"make.table".into()));
    assert_eq!(House::task(&run, "alone")["state"], "succeeded");
    let log = house.log(&run, "make.table");
    assert!(log.contains("sql/make.sql"), "{log}");
    let told = serde_json::to_string(&run).unwrap();
    assert!(!told.contains("nowhere_at_all"), "the scheduler learned the statement: {told}");
}

#[test]
fn an_operator_reads_grants_and_ledgers_and_a_changed_record_is_named() {
    let mut house = House::of(&three_steps());
    house.up(&[]);
    house.release().success();
    assert_eq!(house.run_all()["state"], "succeeded");
    assert!(house.down());

    let explained = house.cofferdam(&["grants", "explain", "fill.table"]).success();
    assert!(explained.stdout.contains("proof.toml:"), "{}", explained.stdout);
    house.cofferdam(&["ledger", "verify", "--data", ".cofferdam/executor-run"]).success();

    let file = house.path().join(".cofferdam/executor-run/ledger/ledger.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let changed: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 4 { line.replacen("run", "ruN", 1) } else { line.to_owned() })
        .collect();
    fs::write(&file, changed.join("\n") + "\n").unwrap();
    let verdict = house.cofferdam(&["ledger", "verify", "--data", ".cofferdam/executor-run"]);

    assert!(!verdict.ok, "a changed record went unnoticed");
    assert!(
        verdict.text().contains('5') || verdict.text().contains('6'),
        "the record is named: {}",
        verdict.text()
    );
}

#[test]
fn a_grant_with_an_unknown_key_is_an_error_with_its_line_and_the_nearest_key() {
    let mut house = House::of(&three_steps());
    let grant = house.path().join(".cofferdam/grants/proof.toml");
    let text = fs::read_to_string(&grant).unwrap().replace("max_rows", "max_row");
    fs::write(&grant, text).unwrap();

    let lint = house.cofferdam(&["grants", "lint"]);

    assert!(!lint.ok);
    assert!(lint.text().contains("proof.toml:") && lint.text().contains("`max_rows`"), "{}", lint.text());
    assert!(house.down());
}

#[test]
fn a_release_that_asks_for_more_than_it_was_granted_is_refused_and_runs_nothing() {
    let mut asks = Task::sql("asks.too.much", "sql/peek.sql");
    asks.reads = vec!["secret.*".to_owned()];
    let project =
        ProjectFiles::of(vec![asks]).with_file("sql/peek.sql", "CREATE TABLE allowed.t AS SELECT 1 AS n");
    let mut house = House::of(&project);
    house.up(&[]);
    house.release().success();

    let run = house.run_all();

    let task = House::task(&run, "asks.too.much");
    assert_eq!(task["state"], "refused", "{task}");
    assert!(task["code"].as_str().unwrap().starts_with("CD02"), "{task}");
    let ledger = house.ledger("executor-run");
    assert!(ledger.iter().any(|r| r.to_string().contains("asks.too.much") && r.to_string().contains("CD02")));
    assert!(!ledger.iter().any(|r| r.to_string().contains("cap.intent")), "something was performed");
}

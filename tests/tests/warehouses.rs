//! The real programs against real warehouse servers: work gets done, the credential stays on the
//! host's side, and what was published is published once, whoever dies or sleeps in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod warehouse;

use std::{thread::sleep, time::Duration};

use cofferdam_servers::Postgres;
use cofferdam_tests::{House, Memory, ProjectFiles, Task, children_of, free_port, signal};
use warehouse::{Warehouse, started, state_of, wait};

/// Makes the table, then adds one row to it.
fn append_once(warehouse: &Warehouse) -> ProjectFiles {
    let mut append = Task::sql("append", "sql/append.sql").needing(&["make"]);
    append.attempts = 5;
    append.wall_ms = 60_000;
    ProjectFiles::of(vec![Task::sql("make", "sql/make.sql"), append])
        .with_file("sql/make.sql", "CREATE TABLE allowed.done (n INTEGER)")
        .with_file("sql/append.sql", warehouse.slow_append())
}

/// Whether an executor's ledger holds an intent of a task.
fn intends(house: &House, executor: &str, task: &str) -> bool {
    let ledger = house.path().join(format!(".cofferdam/executor-{executor}/ledger/ledger.jsonl"));
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    text.lines().any(|line| line.contains("cap.intent") && line.contains(&format!("\"{task}\"")))
}

/// Work on a server succeeds; its password is in the broker and never in the runner.
fn works_with_the_credential_on_the_hosts_side(warehouse: &Warehouse) {
    let mut house = warehouse.house(append_once(warehouse));
    house.up(&[]);
    house.release().success();
    let run = started(&house);
    wait("the append runs", || state_of(&house, &run, "append")["state"] == "leased");
    let canary = Postgres::password("writer");
    let executors: Vec<_> =
        children_of(house.up_pid()).into_iter().filter(|(_, l)| l.contains("executor")).collect();
    let runner = executors
        .iter()
        .flat_map(|(pid, _)| children_of(*pid))
        .find(|(_, line)| line.contains("runner"))
        .expect("a runner works");
    let (in_runner, searched) = Memory::of(runner.0).count(canary.as_bytes()).expect("readable memory");
    let in_brokers: usize = executors
        .iter()
        .map(|(pid, _)| Memory::of(*pid).count(canary.as_bytes()).expect("readable memory").0)
        .sum();
    assert!(searched > 1 << 20 && in_brokers > 0, "the search proves nothing");
    assert_eq!(in_runner, 0, "the password is in the runner");
    wait("the run ends", || state_of(&house, &run, "append")["state"] == "succeeded");
    assert_eq!(warehouse.number(&house, "SELECT count(*) FROM allowed.done"), 1);
    let ledger = house.ledger("executor-run");
    let recorded = serde_json::to_string(&ledger).unwrap();
    assert!(!recorded.contains(&canary), "the password is in the ledger");
}

/// The executor dies after its commit and before its report: the next attempt adds nothing.
fn publishes_once_although_the_report_was_lost(warehouse: &Warehouse) {
    let mut house = warehouse.house(append_once(warehouse));
    let port = free_port();
    let scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let mut first = house.start_executor(port, "first");
    let run = started(&house);
    // From here on the executor needs nothing more of the scheduler.
    wait("the append uses its warehouse", || intends(&house, "first", "append"));
    signal(scheduler.pid(), "STOP");
    wait("the append is committed", || warehouse.number(&house, "SELECT count(*) FROM allowed.done") == 1);
    first.kill();
    signal(scheduler.pid(), "CONT");
    let _second = house.start_executor(port, "second");
    wait("another attempt succeeds", || state_of(&house, &run, "append")["state"] == "succeeded");
    let append = state_of(&house, &run, "append");
    assert!(append["attempt"].as_u64() > Some(1), "no second attempt was needed: {append}");
    assert_eq!(warehouse.number(&house, "SELECT count(*) FROM allowed.done"), 1);
}

/// The executor sleeps past its lease in the middle of its statement, and wakes up after another
/// one has published: it publishes nothing.
fn publishes_nothing_when_it_wakes_up_too_late(warehouse: &Warehouse) {
    let mut house = warehouse.house(append_once(warehouse));
    let port = free_port();
    let _scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let first = house.start_executor(port, "first");
    let run = started(&house);
    wait("the append runs", || state_of(&house, &run, "append")["state"] == "leased");
    signal(first.pid(), "STOP");
    let _second = house.start_executor(port, "second");
    wait("another attempt succeeds", || state_of(&house, &run, "append")["state"] == "succeeded");
    signal(first.pid(), "CONT");
    sleep(Duration::from_secs(4));
    assert_eq!(warehouse.number(&house, "SELECT count(*) FROM allowed.done"), 1);
}

#[test]
fn sqlite_publishes_once_although_the_report_was_lost() {
    publishes_once_although_the_report_was_lost(&Warehouse::Sqlite);
}

#[test]
fn postgresql_publishes_once_although_the_report_was_lost() {
    publishes_once_although_the_report_was_lost(&Warehouse::postgres());
}

#[test]
fn mariadb_publishes_once_although_the_report_was_lost() {
    publishes_once_although_the_report_was_lost(&Warehouse::mariadb());
}

// A sleeping process keeps SQLite's lock: nobody else can publish meanwhile, so there is no such
// case for it.

#[test]
fn postgresql_publishes_nothing_of_an_executor_that_wakes_up_too_late() {
    publishes_nothing_when_it_wakes_up_too_late(&Warehouse::postgres());
}

#[test]
fn mariadb_publishes_nothing_of_an_executor_that_wakes_up_too_late() {
    publishes_nothing_when_it_wakes_up_too_late(&Warehouse::mariadb());
}

#[test]
fn postgresql_works_with_the_credential_on_the_hosts_side() {
    works_with_the_credential_on_the_hosts_side(&Warehouse::postgres());
}

#[test]
fn mariadb_works_with_the_credential_on_the_hosts_side() {
    works_with_the_credential_on_the_hosts_side(&Warehouse::mariadb());
}

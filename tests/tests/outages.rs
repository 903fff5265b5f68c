//! Programs are killed in the middle of a run: it goes on, nothing is lost, nothing has its
//! effect twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use cofferdam_tests::{House, ProjectFiles, Task, free_port};
use rusqlite::Connection;
use serde_json::Value;

/// How long a run with a killed program may take.
const WITHIN: Duration = Duration::from_secs(90);

/// Twelve tasks, each of which puts its own number into a table, once.
fn twelve_inserts() -> ProjectFiles {
    let mut project = ProjectFiles::of(vec![Task::sql("make", "sql/make.sql")])
        .with_file("sql/make.sql", "CREATE TABLE IF NOT EXISTS allowed.done (n INTEGER)");
    for n in 0..12 {
        let file = format!("sql/{n}.sql");
        // Slow on purpose, so that a kill meets it in the middle of its statement.
        let slow = format!(
            "INSERT INTO allowed.done WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400000) \
             SELECT {n} FROM c WHERE i = 400000"
        );
        let mut task = Task::sql(&format!("insert.{n}"), &file).needing(&["make"]);
        task.attempts = 5;
        task.wall_ms = 30_000;
        project.tasks.push(task);
        project = project.with_file(&file, &slow);
    }
    project
}

fn started(house: &House) -> String {
    let answer = house.cofferdam(&["run", "all", "--no-wait", "--json"]).success();
    answer.json()["run"].as_str().unwrap().to_owned()
}

fn seen(house: &House, run: &str) -> Option<Value> {
    let answer = house.cofferdam(&["get", "run", run, "--json"]);
    answer.ok.then(|| answer.json())
}

fn count(run: &Value, state: &str) -> usize {
    run["tasks"].as_array().unwrap().iter().filter(|t| t["state"] == state).count()
}

fn wait_until(house: &House, run: &str, what: impl Fn(&Value) -> bool) -> Value {
    let asked = Instant::now();
    loop {
        let now = seen(house, run);
        if let Some(now) = &now
            && what(now)
        {
            return now.clone();
        }
        assert!(asked.elapsed() < WITHIN, "it did not come to that: {now:?}");
        sleep(Duration::from_millis(50));
    }
}

fn done_numbers(house: &House) -> Vec<i64> {
    let connection =
        Connection::open(house.path().join(".cofferdam/warehouse/warehouse.allowed.db")).unwrap();
    let mut statement = connection.prepare("SELECT n FROM done ORDER BY n").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_killed_executors_work_goes_on_elsewhere_and_counts_once() {
    let mut house = House::of(&twelve_inserts());
    let port = free_port();
    let _scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let mut first = house.start_executor(port, "first");
    let run = started(&house);
    wait_until(&house, &run, |r| count(r, "succeeded") >= 2 && count(r, "leased") >= 1);

    first.kill();
    let _second = house.start_executor(port, "second");
    let ended = wait_until(&house, &run, |r| r["state"] != "running");

    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(done_numbers(&house), (0..12).collect::<Vec<_>>());
    let again = ended["tasks"].as_array().unwrap().iter().filter(|t| t["attempt"].as_u64() > Some(1)).count();
    assert!(again >= 1, "nothing was in flight when the executor was killed");
}

#[test]
fn a_killed_scheduler_comes_back_with_its_state_and_executors_reconnect() {
    let mut house = House::of(&twelve_inserts());
    let port = free_port();
    let mut scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let _executor = house.start_executor(port, "only");
    let run = started(&house);
    wait_until(&house, &run, |r| count(r, "succeeded") >= 2);

    scheduler.kill();
    sleep(Duration::from_millis(500));
    let _scheduler = house.start_scheduler(port);
    let ended = wait_until(&house, &run, |r| r["state"] != "running");

    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(done_numbers(&house), (0..12).collect::<Vec<_>>());
}

#[test]
fn a_drained_executor_finishes_what_it_holds_and_takes_nothing_new() {
    let mut house = House::of(&twelve_inserts());
    let port = free_port();
    let _scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let mut executor = house.start_executor(port, "draining");
    let run = started(&house);
    wait_until(&house, &run, |r| count(r, "leased") >= 1);

    assert!(executor.terminate(), "a drain ends well");
    let after = seen(&house, &run).unwrap();

    assert_eq!(count(&after, "leased"), 0, "it left a task behind: {after}");
    assert!(count(&after, "ready") > 0, "it took everything although it was draining: {after}");
    assert!(after["tasks"].as_array().unwrap().iter().all(|t| t["attempt"].as_u64() <= Some(1)), "{after}");
}

//! Whatever stops an attempt stops its statement in the warehouse as well, and the ledger says so; where
//! nobody can know that it stopped, the ledger says that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod warehouse;

use std::{
    io::copy,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::spawn,
};

use cofferdam_tests::{House, Part, ProjectFiles, Task, free_port, signal};
use serde_json::Value;
use warehouse::{Warehouse, started, state_of, wait};

/// What stops the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Somebody cancels the run.
    Asked,
    /// Its wall clock.
    WallClock,
    /// The scheduler is out of reach until the lease is over.
    LostLease,
    /// The gateway's `statement_timeout_s`; the task fails by its own code.
    StatementTime,
}

/// A statement that runs for hours, known by a name.
fn endless(warehouse: &Warehouse) -> &'static str {
    match warehouse {
        Warehouse::MariaDb(_) => {
            "INSERT INTO allowed.done SELECT SUM(a.seq * b.seq) AS endless FROM allowed.seq_1_to_1000000 AS a \
             CROSS JOIN allowed.seq_1_to_1000000 AS b"
        }
        _ => {
            "INSERT INTO allowed.done SELECT count(*) AS endless FROM generate_series(1, 100000) AS a \
             CROSS JOIN generate_series(1, 100000) AS b CROSS JOIN generate_series(1, 1000) AS c"
        }
    }
}

/// How many such statements the warehouse is running.
fn running(warehouse: &Warehouse, house: &House) -> i64 {
    let ask = match warehouse {
        Warehouse::MariaDb(_) => {
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%endless%' AND id <> connection_id()"
        }
        _ => {
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%endless%' AND state = 'active' \
             AND pid <> pg_backend_pid()"
        }
    };
    warehouse.number(house, ask)
}

/// Makes a table, then never comes to the end of adding to it.
fn project(warehouse: &Warehouse, cause: Cause) -> ProjectFiles {
    let mut endless_task = Task::sql("endless", "sql/endless.sql").needing(&["make"]);
    endless_task.wall_ms = if cause == Cause::WallClock { 3_000 } else { 60_000 };
    let project = ProjectFiles::of(vec![Task::sql("make", "sql/make.sql"), endless_task])
        .with_file("sql/make.sql", "CREATE TABLE allowed.done (n BIGINT)")
        .with_file("sql/endless.sql", endless(warehouse));
    let mut project = warehouse.of(project);
    if cause == Cause::StatementTime {
        let gateway =
            project.gateway.unwrap().replacen("\n[gateways", "\nstatement_timeout_s = 2\n[gateways", 1);
        project.gateway = Some(gateway);
    }
    project
}

/// A house with its run under way: the statement runs in the warehouse.
struct Underway {
    house: House,
    scheduler: Part,
    _executor: Part,
    run: String,
}

fn underway(warehouse: &Warehouse, project: ProjectFiles) -> Underway {
    let mut house = warehouse.house_of(&project);
    let port = free_port();
    let scheduler = house.start_scheduler(port);
    house.be_person_of(port);
    house.release().success();
    let executor = house.start_executor(port, "only");
    let run = started(&house);
    wait("the statement runs", || running(warehouse, &house) == 1);
    Underway { house, scheduler, _executor: executor, run }
}

/// What the ledger says of the stop: the statement's result, and the end of its attempt.
fn recorded(house: &House) -> (Value, Value) {
    let ledger = house.ledger("executor-only");
    let of = |kind: &str, fits: &dyn Fn(&Value) -> bool| {
        let mut found = ledger
            .iter()
            .map(event)
            .filter(|event| event["event"] == kind && event["at"]["task"] == "endless");
        found.rfind(|body| fits(body)).cloned().unwrap_or(Value::Null)
    };
    (of("cap.result", &|body| !body["cancel"].is_null()), of("task.ended", &|_| true))
}

/// The event of a ledger's line.
fn event(line: &Value) -> &Value {
    if line["event"].is_object() { &line["event"] } else { line }
}

/// The statement is gone from the warehouse, nothing of it was kept, and the ledger says why.
fn stops(warehouse: &Warehouse, cause: Cause, code: &str) {
    let it = underway(warehouse, project(warehouse, cause));
    match cause {
        Cause::Asked => drop(it.house.cofferdam(&["cancel", &it.run]).success()),
        Cause::LostLease => signal(it.scheduler.pid(), "STOP"),
        Cause::WallClock | Cause::StatementTime => {}
    }
    wait("the statement is gone", || running(warehouse, &it.house) == 0);
    wait("the attempt's end is recorded", || !recorded(&it.house).1.is_null());
    if cause == Cause::LostLease {
        signal(it.scheduler.pid(), "CONT");
    }
    let (result, ended) = recorded(&it.house);
    assert_eq!(result["cancel"], "confirmed", "{cause:?}: {result}");
    assert_eq!(ended["code"], code, "{cause:?}: {ended}");
    assert_eq!(warehouse.number(&it.house, "SELECT count(*) FROM allowed.done"), 0, "{cause:?}");
    wait("the run ends", || {
        let state = &state_of(&it.house, &it.run, "endless")["state"];
        state != "leased" && state != "ready"
    });
}

#[test]
fn postgresql_stops_the_statement_of_a_cancelled_run() {
    stops(&Warehouse::postgres(), Cause::Asked, "CD0411");
}

#[test]
fn mariadb_stops_the_statement_of_a_cancelled_run() {
    stops(&Warehouse::mariadb(), Cause::Asked, "CD0411");
}

#[test]
fn postgresql_stops_the_statement_of_an_attempt_whose_time_is_over() {
    stops(&Warehouse::postgres(), Cause::WallClock, "CD0410");
}

#[test]
fn mariadb_stops_the_statement_of_an_attempt_whose_time_is_over() {
    stops(&Warehouse::mariadb(), Cause::WallClock, "CD0410");
}

#[test]
fn postgresql_stops_the_statement_of_an_attempt_that_lost_its_lease() {
    stops(&Warehouse::postgres(), Cause::LostLease, "CD0412");
}

#[test]
fn mariadb_stops_the_statement_of_an_attempt_that_lost_its_lease() {
    stops(&Warehouse::mariadb(), Cause::LostLease, "CD0412");
}

#[test]
fn postgresql_stops_a_statement_that_runs_longer_than_the_gateway_allows() {
    stops(&Warehouse::postgres(), Cause::StatementTime, "CD0760");
}

#[test]
fn mariadb_stops_a_statement_that_runs_longer_than_the_gateway_allows() {
    stops(&Warehouse::mariadb(), Cause::StatementTime, "CD0760");
}

/// Stands before a server, and lets nobody in any more once it is shut.
fn gate(server: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shut = Arc::new(AtomicBool::new(false));
    let is_shut = Arc::clone(&shut);
    spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            if is_shut.load(Ordering::SeqCst) {
                continue;
            }
            let real = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut up, mut to_real) = (client.try_clone().unwrap(), real.try_clone().unwrap());
            // The server is not told that the other side hung up.
            spawn(move || copy(&mut up, &mut to_real));
            spawn(move || {
                let (mut down, mut to_client) = (real, client);
                let _ = copy(&mut down, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    (port, shut)
}

/// What `stops` asks for is not there where the cancel never arrives: the statement runs on, and the
/// ledger says that nobody knows.
fn says_when_the_cancel_never_arrived(warehouse: &Warehouse, server: u16, end: impl Fn()) {
    let (port, shut) = gate(server);
    let mut project = project(warehouse, Cause::Asked);
    project.gateway =
        project.gateway.map(|text| text.replace(&format!("port = {server}"), &format!("port = {port}")));
    let it = underway(warehouse, project);
    shut.store(true, Ordering::SeqCst);
    it.house.cofferdam(&["cancel", &it.run]).success();
    wait("the attempt's end is recorded", || !recorded(&it.house).1.is_null());
    let (result, _) = recorded(&it.house);
    let left = running(warehouse, &it.house);
    end();
    assert_eq!((left, &result["cancel"]), (1, &Value::from("unconfirmed")), "{result}");
    assert_eq!((&result["outcome"], &result["code"]), (&"unknown".into(), &"CD0316".into()), "{result}");
}

#[test]
fn postgresql_is_not_said_to_have_stopped_where_the_cancel_never_arrived() {
    let warehouse = Warehouse::postgres();
    let Warehouse::Postgres(server) = &warehouse else { return };
    says_when_the_cancel_never_arrived(&warehouse, server.port(), || {
        server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%endless%' AND pid <> pg_backend_pid()");
    });
}

#[test]
fn mariadb_is_not_said_to_have_stopped_where_the_cancel_never_arrived() {
    let warehouse = Warehouse::mariadb();
    let Warehouse::MariaDb(server) = &warehouse else { return };
    says_when_the_cancel_never_arrived(&warehouse, server.port(), || {
        let id = server.sql("SELECT id FROM information_schema.processlist WHERE info LIKE '%endless%' AND id <> connection_id()");
        server.sql(&format!("KILL {}", id.trim()));
    });
}

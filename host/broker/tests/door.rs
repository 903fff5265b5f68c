//! Every call is decided on, recorded, performed and recorded; whatever is not, is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod house;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cofferdam_broker::{CancelReason, DescribeRights, Rights};
use cofferdam_bundle::statement::Request;
use cofferdam_call::{
    Access, Call, Column, DataType, FailureKind, HANDLES_MAX, Handle, Limits, LogLevel, Refusal, Reply, Value,
};
use cofferdam_cap_sql::{
    Engine, Finding, Gateways, Opening, Peer, RowsId, SessionWall, SqlDriver, SqlSession,
};
use cofferdam_grants::{Allowed, Ask, Decision};
use cofferdam_ids::{Code, GatewayName, GrantId, Sha256Digest};
use cofferdam_ledger::{CapResult, Event, Outcome, PeerFacts, PublishFacts, Target};
use house::{Disk, House, SIGNED, ask, execute, gateway, granted, granted_with, open, query, tables};

fn code(result: Result<impl std::fmt::Debug, Refusal>) -> u16 {
    result.expect_err("refused").code.0
}

#[test]
fn what_is_granted_is_performed_and_recorded_before_and_after() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    execute(&mut door, session, "CREATE TABLE marts.orders AS SELECT 1 AS id").unwrap();
    let rows = query(&mut door, session, "SELECT id FROM marts.orders").unwrap();
    let (reply, frame) = door.call(Call::SqlNext { rows }, Vec::new()).unwrap();
    assert_eq!(reply, Reply::Frame { present: true });
    assert!(!frame.is_empty());
    assert_eq!(
        house.event_names(),
        [
            "intent sql_open",
            "result Done",
            "intent sql_execute",
            "result Done",
            "intent sql_query",
            "result Done",
            "intent sql_next",
            "result Done",
        ]
    );
    let Event::CapIntent(intent) = &house.events()[2] else { panic!() };
    let facts = intent.statement.as_ref().unwrap();
    assert_eq!((facts.writes.as_slice(), facts.found.as_str()), (&["marts.orders".to_owned()][..], "parsed"));
    assert_eq!((intent.grant.id.as_str(), intent.grant.line), ("shop", 13));
    assert_eq!(tables(house.folder.path(), "marts"), ["orders"]);
}

#[test]
fn what_is_not_granted_is_refused_recorded_and_not_performed() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE raw.orders (id)")), 224);
    assert_eq!(code(query(&mut door, session, "SELECT * FROM main.secret")), 222);
    assert_eq!(code(ask(&mut door, Call::SqlOpen { gateway: gateway(), access: Access::Admin })), 221);
    let other = GatewayName::new("other").unwrap();
    assert_eq!(code(ask(&mut door, Call::SqlOpen { gateway: other, access: Access::Read })), 221);
    let path = "secrets/b.txt".to_owned();
    assert_eq!(code(ask(&mut door, Call::FileRead { path, offset: 0, length: 10 })), 227);
    assert_eq!(
        house.event_names()[2..],
        [
            "denied sql_execute CD0224",
            "denied sql_query CD0222",
            "denied sql_open CD0221",
            "denied sql_open CD0221",
            "denied file_read CD0227",
        ]
    );
    let Event::CapDenied(denied) = &house.events()[2] else { panic!() };
    assert_eq!(denied.rule.as_deref(), Some("shop.toml:13"));
    assert_eq!(door.counts().denied, 5);
    assert_eq!(tables(house.folder.path(), "raw"), Vec::<String>::new());
}

/// Says yes to everything and lends the wall it was made with.
struct Generous(SessionWall);

impl Rights for Generous {
    fn decide(&self, _ask: &Ask<'_>) -> Decision {
        Decision::Allow(Allowed {
            grant: GrantId::new("generous").unwrap(),
            grant_sha256: Sha256Digest::of(b""),
            line: 1,
        })
    }

    fn wall(&self, _gateway: &GatewayName, _access: Access) -> SessionWall {
        self.0.clone()
    }

    fn sees_file(&self, _path: &str) -> bool {
        true
    }
}

#[test]
fn the_engine_refuses_what_the_grant_layer_let_through_by_mistake() {
    let house = House::new();
    let mut door = house.door_with(Arc::new(Generous(SessionWall::nothing())), Limits::default());
    let session = open(&mut door, Access::Write);
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE marts.orders (id)")), 304);
    assert_eq!(house.event_names()[2..], ["intent sql_execute", "result Failed"]);
    assert_eq!(door.counts().denied, 1);
    assert_eq!(tables(house.folder.path(), "marts"), Vec::<String>::new());
}

#[test]
fn a_ledger_that_cannot_be_written_fails_the_call_and_nothing_is_performed() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    execute(&mut door, session, "CREATE TABLE marts.orders (id)").unwrap();
    house.disk.full.store(true, Ordering::SeqCst);
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE marts.copy (id)")), 801);
    house.disk.full.store(false, Ordering::SeqCst);
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE marts.copy (id)")), 801, "for good");
    assert_eq!(code(query(&mut door, session, "SELECT 1")), 801);
    assert_eq!(code(ask(&mut door, Call::FileList { prefix: "models/".to_owned() })), 801);
    let line = Call::Log { level: LogLevel::Info, message: "hello".to_owned() };
    assert_eq!(code(ask(&mut door, line)), 801);
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE raw.copy (id)")), 801, "a refusal too");
    door.finish();
    assert_eq!(tables(house.folder.path(), "marts"), ["orders"]);
}

#[test]
fn a_transaction_does_not_outlive_a_ledger_that_fails() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    ask(&mut door, Call::SqlBegin { session }).unwrap();
    execute(&mut door, session, "CREATE TABLE marts.orders (id)").unwrap();
    house.disk.full.store(true, Ordering::SeqCst);
    assert_eq!(code(ask(&mut door, Call::SqlCommit { session, step: None })), 801);
    door.finish();
    assert_eq!(tables(house.folder.path(), "marts"), Vec::<String>::new());
}

/// Notes what of the ledger was durable when it was asked to change something.
struct Watching(Disk, Engine);

impl SqlDriver for Watching {
    fn inspect(&self, _: Access) -> Vec<Finding> {
        Vec::new()
    }

    fn engine(&self) -> Engine {
        self.1
    }

    fn default_schema(&self) -> &str {
        "main"
    }

    fn open(&self, _: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal> {
        Ok(Box::new(Self(self.0.clone(), self.1)))
    }
}

impl SqlSession for Watching {
    fn peer(&self) -> Peer {
        Peer { role: Some("writer".to_owned()), tls: Some("ab".repeat(32)) }
    }

    fn query(&mut self, _: &str, _: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal> {
        Ok((RowsId(1), Vec::new()))
    }

    fn next_frame(&mut self, _: RowsId, _: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        Ok(None)
    }

    fn close_rows(&mut self, _: RowsId) {}

    fn execute(&mut self, _: &str, _: &[Value]) -> Result<u64, Refusal> {
        Ok(self.0.durable_text().matches("\"sql_execute\"").count() as u64)
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Refusal> {
        assert!(self.0.durable_text().contains("\"sql_commit\""));
        Ok(())
    }

    fn commit_once(&mut self, _: &str) -> Result<bool, Refusal> {
        self.commit().map(|()| true)
    }

    fn rollback(&mut self) -> Result<(), Refusal> {
        Err(Refusal::new(FailureKind::Unavailable, Code(316), "cancel not confirmed"))
    }

    fn load(&mut self, _: &[String], _: &[Column]) -> Result<(), Refusal> {
        Ok(())
    }

    fn load_write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn load_finish(&mut self) -> Result<u64, Refusal> {
        Ok(self.0.durable_text().matches("\"sql_load_finish\"").count() as u64)
    }

    fn load_abandon(&mut self) {}
}

/// A house whose warehouse tells what was durable.
fn watched(engine: Engine) -> House {
    let mut house = House::new();
    let mut gateways = Gateways::default();
    gateways.insert(gateway(), Arc::new(Watching(house.disk.clone(), engine)));
    house.gateways = Arc::new(gateways);
    house
}

#[test]
fn the_intent_of_an_effect_is_durable_before_it() {
    let house = watched(Engine::Postgres);
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    for n in 1..=3 {
        let reply = execute(&mut door, session, "DELETE FROM marts.orders").unwrap();
        assert_eq!(reply, Reply::Count(n), "its own intent and all before are on the disk");
    }
    ask(&mut door, Call::SqlBegin { session }).unwrap();
    ask(&mut door, Call::SqlCommit { session, step: None }).unwrap();
    let table = vec!["marts".to_owned(), "orders".to_owned()];
    let columns = vec![Column { name: "id".to_owned(), data_type: DataType::Int64, nullable: true }];
    let Ok(Reply::Opened(load)) = ask(&mut door, Call::SqlLoad { session, table, columns }) else { panic!() };
    assert_eq!(ask(&mut door, Call::SqlLoadFinish { load }), Ok(Reply::Count(1)));
}

#[test]
fn what_ends_with_its_transaction_is_durable_before_the_commit_and_all_else_at_once() {
    let durable_in_transaction = |engine, statement: &str| {
        let house = watched(engine);
        let mut door = house.door();
        let session = open(&mut door, Access::Write);
        ask(&mut door, Call::SqlBegin { session }).unwrap();
        let before = execute(&mut door, session, statement).unwrap();
        ask(&mut door, Call::SqlCommit { session, step: None }).unwrap();
        assert!(house.disk.durable_text().contains("\"sql_execute\""), "at the commit it is on the disk");
        let after = execute(&mut door, session, statement).unwrap();
        assert_eq!(after, Reply::Count(2), "outside of a transaction at once");
        before
    };
    let delete = "DELETE FROM marts.orders";
    assert_eq!(durable_in_transaction(Engine::Postgres, delete), Reply::Count(0));
    assert_eq!(durable_in_transaction(Engine::Sqlite, delete), Reply::Count(0));
    assert_eq!(durable_in_transaction(Engine::Mysql, delete), Reply::Count(1), "it may commit by itself");
}

fn last_result(house: &House) -> CapResult {
    let results = house.events().into_iter().rev();
    let mut results = results.filter_map(|event| match event {
        Event::CapResult(result) => Some(result),
        _ => None,
    });
    results.next().unwrap()
}

#[test]
fn the_role_the_certificate_the_step_and_an_unconfirmed_cancel_are_recorded() {
    let mut house = House::new();
    let mut gateways = Gateways::default();
    gateways.insert(gateway(), Arc::new(Watching(house.disk.clone(), Engine::Postgres)));
    house.gateways = Arc::new(gateways);
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    let peer = PeerFacts { role: Some("writer".to_owned()), tls: Some("ab".repeat(32)) };
    assert_eq!(last_result(&house).peer, Some(Box::new(peer)));

    ask(&mut door, Call::SqlCommit { session, step: Some("swap".to_owned()) }).unwrap();
    let publish = PublishFacts { step: "swap".to_owned(), published: true };
    let result = last_result(&house);
    assert_eq!((result.publish, result.peer), (Some(Box::new(publish)), None));

    assert_eq!(code(ask(&mut door, Call::SqlRollback { session })), 316);
    assert_eq!(last_result(&house).cancel.as_deref(), Some("unconfirmed"));
}

#[test]
fn a_handle_that_is_closed_guessed_or_of_another_sort_is_refused() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Read);
    let rows = query(&mut door, session, "SELECT 1").unwrap();
    for handle in [0, 3, 77, u32::MAX] {
        assert_eq!(code(execute(&mut door, Handle(handle), "SELECT 1")), 320, "{handle}");
        assert_eq!(code(ask(&mut door, Call::Close { handle: Handle(handle) })), 320, "{handle}");
    }
    assert_eq!(code(query(&mut door, rows, "SELECT 1")), 320, "rows are no session");
    assert_eq!(code(ask(&mut door, Call::SqlNext { rows: session })), 320, "a session is no rows");
    assert_eq!(code(ask(&mut door, Call::SqlLoadFinish { load: rows })), 320);
    ask(&mut door, Call::Close { handle: session }).unwrap();
    assert_eq!(code(ask(&mut door, Call::SqlNext { rows })), 320, "rows end with their session");
    assert_eq!(code(ask(&mut door, Call::Close { handle: session })), 320);
    let mut other = house.door();
    assert_eq!(code(query(&mut other, session, "SELECT 1")), 320, "another attempt's");
    assert!(house.event_names().contains(&"denied sql_next CD0320".to_owned()));
}

#[test]
fn an_attempt_holds_only_so_many_handles_open() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Read);
    for _ in 1..HANDLES_MAX {
        query(&mut door, session, "SELECT 1").unwrap();
    }
    assert_eq!(code(query(&mut door, session, "SELECT 1")), 321);
    ask(&mut door, Call::Close { handle: Handle(2) }).unwrap();
    query(&mut door, session, "SELECT 1").unwrap();
    assert_eq!(door.handles_open(), HANDLES_MAX);
}

#[test]
fn rows_over_the_grant_s_limit_are_never_handed_over() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Read);
    let text = |rows| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n"
        )
    };
    let mut read = |rows: u32| {
        let rows = query(&mut door, session, &text(rows))?;
        let mut bytes = 0;
        loop {
            let (reply, frame) = door.call(Call::SqlNext { rows }, Vec::new())?;
            bytes += frame.len();
            if reply == (Reply::Frame { present: false }) {
                return Ok(bytes);
            }
        }
    };
    assert!(read(600).unwrap() > 600 * 8);
    assert_eq!(code(read(401)), 226);
    assert!(read(400).is_ok());
    assert_eq!(door.counts().rows_out, 1000);
}

#[test]
fn a_small_result_is_one_call_and_a_large_one_goes_on_where_the_answer_ended() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Read);
    let mut query = |rows: u32, ahead: u32| {
        let statement = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n"
        );
        let call = Call::SqlQuery { session, statement, values: vec![], ahead };
        let (Reply::Rows { rows, frames, .. }, payload) = door.call(call, Vec::new())? else { panic!() };
        assert_eq!(frames.iter().sum::<u32>() as usize, payload.len(), "frames are the whole payload");
        Ok((rows, frames.len(), door.counts().rows_out, door.handles_open()))
    };
    assert_eq!(query(3, u32::MAX), Ok((None, 2, 3, 1)), "schema, rows, and nothing left open");
    let Event::CapResult(result) = house.events().pop().unwrap() else { panic!() };
    assert_eq!((result.rows, result.bytes_out > 0), (Some(3), true));
    assert_eq!(house.event_names().iter().filter(|name| name.contains("sql_next")).count(), 0);

    assert_eq!(query(3, 0), Ok((Some(Handle(3)), 0, 3, 2)), "nothing that was not asked for");
    assert_eq!(query(3, 1), Ok((Some(Handle(4)), 1, 3, 3)), "the schema fills what was asked for");
    assert_eq!(code(query(998, u32::MAX)), 226, "1,001 rows of 1,000");
    assert_eq!(query(997, u32::MAX), Ok((None, 2, 1000, 3)), "and no handle of what was refused");
}

#[test]
fn a_cancelled_attempt_performs_nothing_more() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    let canceller = door.canceller();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        canceller.cancel(CancelReason::LeaseLost);
    });
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let refusal = query(&mut door, session, endless).unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Cancelled, Code(412)));
    stopper.join().unwrap();
    assert_eq!(code(execute(&mut door, session, "CREATE TABLE marts.orders (id)")), 412);
    assert_eq!(house.event_names().last().unwrap(), "result Unknown");
    assert_eq!(last_result(&house).cancel.as_deref(), Some("confirmed"));
}

#[test]
fn an_attempt_whose_time_is_over_stops_by_itself() {
    let house = House::new();
    let limits = Limits { wall_ms: 200, ..Limits::default() };
    let mut door = house.door_with(granted(), limits);
    let session = open(&mut door, Access::Read);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(code(query(&mut door, session, endless)), 410);
    assert_eq!(code(query(&mut door, session, "SELECT 1")), 410);
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Read);
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(code(execute(&mut door, session, &long)), 323);
    let statement = "SELECT ?".to_owned();
    let values = vec![Value::Null; 1001];
    assert_eq!(
        code(ask(&mut door, Call::SqlQuery { session, statement: statement.clone(), values, ahead: 0 })),
        323
    );
    let values = vec![Value::Text(long)];
    assert_eq!(code(ask(&mut door, Call::SqlQuery { session, statement, values, ahead: 0 })), 323);
    assert_eq!(code(door.call(Call::SqlBegin { session }, vec![1])), 324, "bytes nobody asked for");
    assert_eq!(code(ask(&mut door, Call::FileList { prefix: "x".repeat(2000) })), 323);
}

#[test]
fn log_lines_are_kept_within_the_limit_and_counted() {
    let house = House::new();
    let mut door = house.door_with(granted(), Limits { log_bytes: 60, ..Limits::default() });
    for _ in 0..3 {
        let line = Call::Log { level: LogLevel::Info, message: "one line\u{7}".to_owned() };
        ask(&mut door, line).unwrap();
    }
    ask(&mut door, Call::Progress { done: 1, total: 2 }).unwrap();
    let counts = door.finish();
    assert_eq!((counts.log_lines, counts.log_lines_dropped, counts.calls), (1, 2, 4));
    assert_eq!(
        *house.log.0.lock().unwrap(),
        [
            "1970-01-01T00:00:00Z info one line\u{fffd}",
            "1970-01-01T00:00:00Z warn 2 more lines were dropped: the log is full",
        ]
    );
    assert!(house.events().is_empty(), "telemetry is counted, not recorded line by line");
}

#[test]
fn a_kept_file_is_recorded_by_name_and_digest_and_its_limits_hold() {
    let house = House::new();
    let mut door = house.door();
    let mut keep = |name: &str, bytes: usize| {
        door.call(Call::Keep { name: name.to_owned() }, vec![b'x'; bytes]).map(|(reply, _)| reply)
    };
    assert_eq!(keep("result.json", 3), Ok(Reply::Done));
    let events = house.events();
    let Some(Event::CapIntent(intent)) = events.first() else { panic!("{events:?}") };
    let sha256 = Some(Sha256Digest::of(b"xxx"));
    assert_eq!(intent.target, Some(Target::Kept { name: "result.json".to_owned(), sha256 }));
    assert_eq!(intent.bytes_in, 3);
    for name in ["", "../a", "a/b", ".a", "A"] {
        assert_eq!(code(keep(name, 1)), 322, "{name}");
    }
    assert_eq!(code(keep(&"a".repeat(65), 1)), 323);
    assert_eq!(code(keep("a", (1 << 20) + 1)), 323);
    for n in 0..7 {
        assert_eq!(keep(&format!("f{n}"), 1 << 20), Ok(Reply::Done));
    }
    assert_eq!(code(keep("more", 1 << 20)), 323, "eight MiB together");
    for n in 0..8 {
        assert_eq!(keep(&format!("g{n}"), 0), Ok(Reply::Done));
    }
    assert_eq!(code(keep("one-more", 0)), 321);
}

#[test]
fn what_attempts_of_the_run_kept_is_read_page_by_page_and_recorded() {
    let house = House::new();
    let mut door = house.door_with(granted_with(&[Request::Kept {}]), Limits::default());
    let mut read = |name: &str, after: Option<&str>| {
        let (name, after) = (name.to_owned(), after.map(str::to_owned));
        door.call(Call::ReadKept { name, start: "model.".to_owned(), after }, Vec::new())
    };
    let Ok((Reply::Kept { attempts, more: true }, bytes)) = read("result.json", None) else { panic!() };
    assert_eq!((attempts[0].task.as_str(), attempts[0].length, bytes.as_slice()), ("a", Some(2), &b"{}"[..]));
    let Ok((Reply::Kept { attempts, more: false }, bytes)) = read("result.json", Some("a")) else { panic!() };
    assert_eq!(
        (attempts[0].message.as_str(), attempts[0].length, bytes.len()),
        ("result.json of b", None, 0)
    );
    assert_eq!(code(read("result.json", Some("z"))), 336, "the store does not answer");
    assert_eq!(code(read("../a", None)), 322);
    assert_eq!(code(read("a", Some(&"x".repeat(201)))), 323);
    let events = house.events();
    let Some(Event::CapIntent(intent)) = events.first() else { panic!("{events:?}") };
    assert_eq!(intent.capability, "read_kept");
    assert_eq!(intent.target, Some(Target::Kept { name: "result.json".to_owned(), sha256: None }));
    let Some(Event::CapResult(result)) = events.get(1) else { panic!("{events:?}") };
    assert_eq!((result.outcome, result.bytes_out), (Outcome::Done, 2));
}

#[test]
fn what_attempts_kept_is_refused_to_a_task_that_did_not_ask_for_it() {
    let house = House::new();
    let mut door = house.door();
    let call = Call::ReadKept { name: "result.json".to_owned(), start: String::new(), after: None };
    assert_eq!(code(ask(&mut door, call)), 237, "the grant would let it, its release does not ask");
    assert_eq!(house.event_names(), ["denied read_kept CD0237"]);
}

#[test]
fn files_of_the_release_are_read_and_a_statement_in_them_counts_as_signed() {
    let house = House::new();
    let mut door = house.door();
    let prefix = "models/".to_owned();
    let Ok(Reply::Files(files)) = ask(&mut door, Call::FileList { prefix }) else { panic!() };
    assert_eq!(files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["models/a.sql"]);
    let path = "models/a.sql".to_owned();
    let (_, bytes) = door.call(Call::FileRead { path, offset: 0, length: 100 }, Vec::new()).unwrap();
    assert_eq!(bytes, SIGNED.as_bytes());
    let session = open(&mut door, Access::Read);
    query(&mut door, session, SIGNED).unwrap();
    let events = house.events();
    let Some(Event::CapIntent(intent)) = events.iter().rev().nth(1) else { panic!() };
    assert_eq!(intent.statement.as_ref().unwrap().found, "signed");
}

#[test]
fn while_a_release_is_described_nothing_but_its_files_is_lent() {
    let house = House::new();
    let rights = DescribeRights::new(GrantId::new("release-build").unwrap());
    let mut door = house.door_with(Arc::new(rights), Limits::default());
    assert!(ask(&mut door, Call::FileList { prefix: String::new() }).is_ok());
    assert_eq!(code(ask(&mut door, Call::SqlOpen { gateway: gateway(), access: Access::Read })), 325);
}

#[test]
fn a_finished_door_undoes_what_is_open_and_stays_shut() {
    let house = House::new();
    let mut door = house.door();
    let session = open(&mut door, Access::Write);
    ask(&mut door, Call::SqlBegin { session }).unwrap();
    execute(&mut door, session, "CREATE TABLE marts.orders (id)").unwrap();
    door.finish();
    assert_eq!(tables(house.folder.path(), "marts"), Vec::<String>::new());
    assert_eq!(code(ask(&mut door, Call::SqlOpen { gateway: gateway(), access: Access::Read })), 411);
    assert_eq!(door.finish(), door.counts());
}

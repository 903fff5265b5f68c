//! Cancel, time-outs, reuse, orphans, and warehouses that fail in the middle.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use std::time::{Duration, Instant};

use cofferdam_call::{Access, FailureKind, Refusal, Value};
use cofferdam_cap_sql::{CancelToken, SqlDriver as _, SqlSession};
use cofferdam_ids::Code;
use pg_house::{SERVER, credential, driver, driver_with, holder, one, open, open_as, read, settings, writer};

fn why() -> Refusal {
    Refusal::new(FailureKind::Cancelled, Code(411), "the attempt was cancelled")
}

fn running(marker: &str) -> String {
    SERVER.psql(&format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '%{marker}%' and pid <> pg_backend_pid()"
    ))
}

fn cancelled_after(time: Duration) -> CancelToken {
    let cancel = CancelToken::default();
    let late = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        late.cancel(why());
    });
    cancel
}

#[test]
fn a_cancel_stops_the_statement_in_the_warehouse() {
    let driver = driver("writer");
    for (access, statement) in [
        (Access::Read, "select pg_sleep(600) as marker_a"),
        (Access::Write, "select pg_sleep(600) as marker_a"),
    ] {
        let cancel = cancelled_after(Duration::from_millis(300));
        let mut session = open(&driver, access, &cancel);
        let from = Instant::now();
        let refusal = session.query(statement, &[]).unwrap_err();
        assert!(from.elapsed() < Duration::from_secs(5));
        assert_eq!(
            refusal.to_string(),
            "CD0308: the statement was stopped: the attempt was cancelled; cancel confirmed"
        );
        assert_eq!(running("marker_a"), "0");
        assert_eq!(session.query("select 1", &[]).unwrap_err(), why(), "and nothing more is begun");
    }
    let mut next = open(&driver, Access::Read, &CancelToken::default());
    assert_eq!(one(&mut *next, "select 1"), "1", "the connection is kept");
    assert_eq!(driver.pools().len(), 2);
}

#[test]
fn a_cancel_reaches_a_result_that_is_read_slowly_a_lock_and_a_load() {
    let driver = driver("writer");
    let cancel = CancelToken::default();
    let mut session = open(&driver, Access::Read, &cancel);
    let (rows, _) =
        session.query("select repeat('marker_b', 20), generate_series(1, 100000000)", &[]).unwrap();
    assert_eq!(running("marker_b"), "1");
    cancel.cancel(why());
    // The first frame is there already; the next has to be read.
    while session.next_frame(rows, &mut Vec::new()).is_ok() {}
    assert_eq!(running("marker_b"), "0");

    let mut holds = writer();
    holds.execute("create table locked (n int)", &[]).unwrap();
    holds.begin().unwrap();
    holds.execute("lock table locked", &[]).unwrap();
    let cancel = cancelled_after(Duration::from_millis(200));
    let mut waits = open(&driver, Access::Write, &cancel);
    let refusal = waits.execute("insert into locked values (1)", &[]).unwrap_err();
    assert_eq!(refusal.code, Code(308), "{refusal}");

    let rows = read(&mut *holds, "select n from generate_series(1, 1000) n", &[]).unwrap();
    holds.rollback().unwrap();
    let cancel = CancelToken::default();
    let mut loads = open(&driver, Access::Write, &cancel);
    loads.load(&["locked".to_owned()], &rows.columns).unwrap();
    loads.load_write(&rows.frames()[0]).unwrap();
    cancel.cancel(why());
    assert!(loads.load_write(&rows.frames()[1]).is_err());
    drop(loads);
    assert_eq!(one(&mut *holds, "select count(*) from locked"), "0");
    assert_eq!(
        SERVER.psql("select count(*) from pg_stat_activity where query like 'copy %' and state <> 'idle'"),
        "0"
    );
}

#[test]
fn a_dropped_session_leaves_nothing_behind() {
    let driver = driver("writer");
    let mut session = open(&driver, Access::Read, &CancelToken::default());
    session.query("select repeat('marker_c', 20), generate_series(1, 100000000)", &[]).unwrap();
    assert_eq!(running("marker_c"), "1");
    drop(session);
    assert_eq!(running("marker_c"), "0");
    let states = driver.pools();
    assert_eq!((states[0].in_use, states[0].idle), (0, 1), "its connection is clean and kept");
}

#[test]
fn a_statement_has_its_time_and_a_lock_too() {
    let mut settings = settings(&SERVER);
    settings.statement_timeout = Duration::from_millis(300);
    settings.lock_timeout = Duration::from_millis(100);
    let driver = driver_with(settings, credential("writer"));
    let mut session = open(&driver, Access::Write, &CancelToken::default());
    let refusal = session.query("select pg_sleep(60)", &[]).unwrap_err();
    assert_eq!(refusal.to_string(), "CD0308: canceling statement due to statement timeout; cancel confirmed");
    let mut holds = writer();
    holds.execute("create table held (n int)", &[]).unwrap();
    holds.begin().unwrap();
    holds.execute("lock table held", &[]).unwrap();
    let refusal = session.execute("insert into held values (1)", &[]).unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Transient, Code(305)), "{refusal}");
    assert_eq!(one(&mut *session, "select 1"), "1");
}

#[test]
fn a_deadlock_and_a_serialization_failure_may_be_tried_again() {
    let (mut a, mut b) = (writer(), writer());
    a.execute("create table pair as select n, 0 as v from generate_series(1, 2) n", &[]).unwrap();
    let update = |session: &mut dyn SqlSession, n: i64| {
        session.execute("update pair set v = v + 1 where n = $1", &[Value::Int64(n)])
    };
    a.begin().unwrap();
    b.begin().unwrap();
    update(&mut *a, 1).unwrap();
    update(&mut *b, 2).unwrap();
    let other = std::thread::spawn(move || {
        let refused = update(&mut *b, 1).err();
        (b, refused)
    });
    let mine = update(&mut *a, 2).err();
    let (mut b, theirs) = if mine.is_some() {
        a.rollback().unwrap();
        other.join().unwrap()
    } else {
        other.join().unwrap()
    };
    let refusal = mine.or(theirs).expect("one of them is the victim");
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Transient, Code(334)), "{refusal}");
    let _ = (a.rollback(), b.rollback());

    for session in [&mut a, &mut b] {
        session.begin().unwrap();
        session.execute("set transaction isolation level serializable", &[]).unwrap();
        one(&mut **session, "select sum(v) from pair");
    }
    update(&mut *a, 1).unwrap();
    a.commit().unwrap();
    let refusal = update(&mut *b, 1).and_then(|_| b.commit().map(|()| 0)).unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Transient, Code(334)), "{refusal}");
}

#[test]
fn the_next_tenant_meets_nothing_of_the_last() {
    let mut settings = settings(&SERVER);
    settings.connections = 1;
    let driver = driver_with(settings, credential("writer"));
    let mut hostile = open(&driver, Access::Write, &CancelToken::default());
    let process = one(&mut *hostile, "select pg_backend_pid()");
    hostile.execute("create table if not exists reused (n int)", &[]).unwrap();
    for text in [
        "create temporary table reused_too (secret text)",
        "create temporary table reused (n text)",
        "set search_path = pg_temp",
        "set timezone = 'Asia/Tokyo'",
        "set statement_timeout = 45000",
        "set default_transaction_read_only = on",
    ] {
        hostile.execute(text, &[]).unwrap();
    }
    let mut hostile_rest = |text: &str| {
        let _ = read(&mut *hostile, text, &[]);
    };
    hostile_rest("select pg_advisory_lock(42)");
    hostile_rest("select set_config('role', 'pg_monitor', false)");
    hostile.begin().unwrap();
    let _ = hostile.query("select pg_sleep(0), n from generate_series(1, 1000000) n", &[]);
    drop(hostile);

    let mut next = open(&driver, Access::Write, &CancelToken::default());
    assert_eq!(one(&mut *next, "select pg_backend_pid()"), process, "it is the same connection");
    let seen = "select concat_ws('|', current_user, current_setting('timezone'), current_setting('search_path'), \
                current_setting('statement_timeout'), current_setting('default_transaction_read_only'), \
                to_regclass('reused_too') is null, \
                (select count(*) from pg_locks where locktype = 'advisory'), \
                (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors where name <> ''), \
                current_setting('application_name'))";
    assert_eq!(
        one(&mut *next, seen),
        "writer|UTC|\"analytics\", pg_temp|1min|off|t|0|1|0|cofferdam/0123abcd/00000000-0000-0000-0000-000000000000"
    );
}

/// Whether so short a limit lets the connection be made clean in time is the machine's affair.
#[test]
fn a_limit_too_short_to_clean_up_in_is_not_passed_on() {
    let mut settings = settings(&SERVER);
    settings.connections = 1;
    let driver = driver_with(settings, credential("writer"));
    let mut hasty = open(&driver, Access::Write, &CancelToken::default());
    hasty.execute("set statement_timeout = 1", &[]).unwrap();
    drop(hasty);
    let mut next = open(&driver, Access::Write, &CancelToken::default());
    assert_eq!(one(&mut *next, "select current_setting('statement_timeout')"), "1min");
}

#[test]
fn a_statement_that_changes_the_encoding_ends_the_session() {
    let driver = driver("writer");
    let mut session = open(&driver, Access::Read, &CancelToken::default());
    let refusal = session.execute("set client_encoding = 'LATIN1'", &[]).unwrap_err();
    assert_eq!(refusal.code, Code(333), "{refusal}");
    assert!(session.query("select 1", &[]).is_err());
    drop(session);
    assert_eq!(driver.pools()[0].idle, 0);
}

#[test]
fn what_an_earlier_process_left_running_is_swept() {
    let mut settings = settings(&SERVER);
    settings.owner_tag = "feedbeef".to_owned();
    let left = driver_with(settings.clone(), credential("writer"));
    let mut orphan = open_as(&left, Access::Read, &CancelToken::default(), holder("orphan", 1, 77)).unwrap();
    let thread = std::thread::spawn(move || orphan.query("select pg_sleep(600) as marker_d", &[]).map(drop));
    while running("marker_d") == "0" {
        std::thread::sleep(Duration::from_millis(20));
    }
    settings.owner_tag = "feedbee0".to_owned();
    assert_eq!(
        driver_with(settings.clone(), credential("writer")).sweep(),
        Ok(vec![]),
        "others are left alone"
    );
    settings.owner_tag = "feedbeef".to_owned();
    let swept = driver_with(settings, credential("writer")).sweep().unwrap();
    let line = "session `cofferdam/feedbeef/00000000-0000-0000-0000-000000000077`, active, was left by an earlier \
                process: ended";
    assert_eq!(swept.iter().filter(|sentence| *sentence == line).count(), 1, "{swept:?}");
    assert_eq!(running("marker_d"), "0");
    assert_eq!(thread.join().unwrap().unwrap_err().kind, FailureKind::Unavailable);
}

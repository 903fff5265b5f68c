//! Cancel, time-outs, deadlocks, servers that go away.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use cofferdam_call::{Access, FailureKind, Refusal};
use cofferdam_cap_sql::{Address, CancelToken, Holder, SqlDriver as _, TlsMode};
use cofferdam_ids::Code;
use cofferdam_servers::MariaDb;

use crate::house::{
    Session, gateway, gateway_with, holder, one, open_as, refused, run, server, settings, try_open, writer,
};

fn stopped() -> Refusal {
    Refusal::new(FailureKind::Cancelled, Code(411), "the lease is lost")
}

fn running(pattern: &str) -> String {
    server().sql(&format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%{pattern}%'"
    ))
}

#[test]
fn a_cancelled_statement_is_gone_from_the_warehouse_when_the_call_returns() {
    run(&mut writer(), "CREATE TABLE cancelled (a INT)");
    for text in [
        "SELECT SLEEP(30) AS canary_sleep",
        "SELECT SUM(a.seq * b.seq) AS canary_sleep FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
    ] {
        let cancel = CancelToken::default();
        let mut session = open_as(&gateway("writer"), Access::Write, &cancel, Holder::operator()).unwrap();
        session.begin().unwrap();
        run(&mut session, "INSERT INTO cancelled VALUES (1)");
        let from = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                assert_eq!(running("canary_sleep"), "1");
                cancel.cancel(stopped());
            });
            let refusal = session.query(text, &[]).and_then(|(rows, _)| {
                session.next_frame(rows, &mut Vec::new())?;
                session.next_frame(rows, &mut Vec::new())
            });
            assert_eq!(
                refusal.unwrap_err().to_string(),
                "CD0308: the statement was stopped: the lease is lost; cancel confirmed"
            );
        });
        assert!(from.elapsed() < Duration::from_secs(4), "{:?}", from.elapsed());
        assert_eq!(running("canary_sleep"), "0");
        assert_eq!(session.execute("INSERT INTO cancelled VALUES (2)", &[]).unwrap_err().code, Code(411));
        // Nothing is held any more, and nothing was kept.
        assert_eq!(one(&mut writer(), "SELECT COUNT(*) FROM cancelled"), "0");
    }
}

#[test]
fn a_cancel_nobody_can_confirm_says_so() {
    let server = MariaDb::start();
    let cancel = CancelToken::default();
    let driver = gateway_with(settings(&server), "writer");
    let mut session = open_as(&driver, Access::Write, &cancel, Holder::operator()).unwrap();
    // No second connection is let in.
    server.sql("ALTER USER writer ACCOUNT LOCK");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            cancel.cancel(stopped());
        });
        let refusal = crate::house::try_query(&mut session, "SELECT SLEEP(5)").unwrap_err();
        assert_eq!((refusal.kind, refusal.code), (FailureKind::Unavailable, Code(316)), "{refusal}");
    });
}

#[test]
fn a_statement_that_takes_too_long_is_stopped_by_the_warehouse_itself() {
    let mut hasty = settings(server());
    hasty.statement_timeout = Duration::from_millis(700);
    let mut session = try_open(&gateway_with(hasty, "writer"), Access::Write).unwrap();
    let refusal = crate::house::try_query(
        &mut session,
        "SELECT SUM(a.seq * b.seq) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
    )
    .unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Cancelled, Code(308)), "{refusal}");
    assert_eq!(one(&mut session, "SELECT 1"), "1");
}

#[test]
fn a_deadlock_ends_one_transaction_and_says_that_it_may_be_tried_again() {
    let mut setup = writer();
    run(&mut setup, "CREATE TABLE dead (id INT PRIMARY KEY, n INT)");
    run(&mut setup, "INSERT INTO dead VALUES (1, 0), (2, 0)");
    let meet = Barrier::new(2);
    let work = |first: u8, second: u8| {
        let mut session = writer();
        session.begin().unwrap();
        run(&mut session, &format!("UPDATE dead SET n = n + 1 WHERE id = {first}"));
        meet.wait();
        let done = session.execute(&format!("UPDATE dead SET n = n + 1 WHERE id = {second}"), &[]);
        match done {
            Ok(_) => session.commit().map(|()| true),
            Err(refusal) => {
                assert_eq!((refusal.kind, refusal.code), (FailureKind::Transient, Code(334)), "{refusal}");
                assert_eq!(session.commit().unwrap_err().code, Code(310), "it is over");
                Ok(false)
            }
        }
    };
    let (a, b) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| work(1, 2)), scope.spawn(|| work(2, 1)));
        (a.join().unwrap().unwrap(), b.join().unwrap().unwrap())
    });
    assert!(a != b, "one is chosen");
    assert_eq!(one(&mut setup, "SELECT SUM(n) FROM dead"), "2");
}

#[test]
fn a_deadlock_over_relations_leaves_nothing_open_that_a_later_begin_would_commit() {
    let mut setup = writer();
    run(&mut setup, "CREATE TABLE dead_a (n INT)");
    run(&mut setup, "CREATE TABLE dead_b (n INT)");
    run(&mut setup, "CREATE TABLE dead_free (n INT)");
    let mut one_of_two = writer();
    one_of_two.begin().unwrap();
    run(&mut one_of_two, "INSERT INTO dead_a VALUES (1)");
    std::thread::scope(|scope| {
        // Takes `dead_b` and waits for `dead_a`, which the transaction holds.
        let swap = scope.spawn(|| {
            let mut other = writer();
            other.execute("RENAME TABLE dead_b TO dead_x, dead_a TO dead_b, dead_x TO dead_a", &[])
        });
        std::thread::sleep(Duration::from_millis(300));
        let refusal = one_of_two.execute("INSERT INTO dead_b VALUES (1)", &[]);
        if let Err(refusal) = refusal {
            assert_eq!(refusal.kind, FailureKind::Transient, "{refusal}");
            // What is begun next commits nothing of it.
            run(&mut one_of_two, "INSERT INTO dead_free VALUES (1)");
        } else {
            one_of_two.rollback().unwrap();
        }
        swap.join().unwrap().unwrap();
    });
    assert_eq!(one(&mut setup, "SELECT (SELECT COUNT(*) FROM dead_a) + (SELECT COUNT(*) FROM dead_b)"), "0");
}

#[test]
fn failures_have_their_cases_and_hold_no_values() {
    let mut session = writer();
    run(
        &mut session,
        "CREATE TABLE cases (id INT PRIMARY KEY, up INT REFERENCES cases(id), CHECK (id < 100))",
    );
    run(&mut session, "INSERT INTO cases VALUES (1, NULL)");
    for (text, code) in [
        ("INSERT INTO cases VALUES (1, NULL)", 302),
        ("INSERT INTO cases VALUES (2, 99)", 302),
        ("INSERT INTO cases VALUES (200, NULL)", 302),
        ("INSERT INTO cases VALUES ('canary', NULL)", 301),
        ("INSERT INTO missing VALUES (1)", 301),
        ("INSERT INTO INTO", 301),
        ("INSERT INTO mysql.global_priv VALUES ('a', 'b', 'c')", 303),
        ("DROP TABLE mysql.user", 303),
    ] {
        let refusal = refused(&mut session, text);
        assert_eq!(refusal.code, Code(code), "{text}: {refusal}");
        assert!(!refusal.message.contains("canary") && !refusal.message.contains("localhost"), "{refusal}");
    }
    let mut patient = settings(server());
    patient.lock_timeout = Duration::from_secs(1);
    let mut waits = try_open(&gateway_with(patient, "writer"), Access::Write).unwrap();
    session.begin().unwrap();
    run(&mut session, "UPDATE cases SET up = 1");
    let refusal = refused(&mut waits, "UPDATE cases SET up = NULL");
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Transient, Code(305)), "{refusal}");
}

#[test]
fn a_server_that_ends_in_the_middle_is_noticed_and_reached_again() {
    let server = MariaDb::start();
    let driver = gateway_with(settings(&server), "writer");
    let mut session = try_open(&driver, Access::Write).unwrap();
    run(&mut session, "CREATE TABLE ends (a INT)");
    session.begin().unwrap();
    run(&mut session, "INSERT INTO ends VALUES (1)");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            server.kill();
        });
        let text = "INSERT INTO ends SELECT seq FROM seq_1_to_999999999";
        assert_eq!(refused(&mut session, text).kind, FailureKind::Unavailable);
    });
    assert_eq!(refused(&mut session, "INSERT INTO ends VALUES (2)").kind, FailureKind::Unavailable);
    drop(session);
    assert_eq!(try_open(&driver, Access::Write).err().unwrap().kind, FailureKind::Unavailable);
    server.start_again();
    std::thread::sleep(Duration::from_millis(1100));
    let mut session = try_open(&driver, Access::Write).unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM ends"), "0");
}

#[test]
fn statements_an_earlier_process_left_are_swept_and_no_others() {
    let mut ours = settings(server());
    ours.owner_tag = "feedbee5".to_owned();
    let mut theirs = settings(server());
    theirs.owner_tag = "0ther000".to_owned();
    let left = |settings, fence| {
        let driver = gateway_with(settings, "writer");
        std::thread::spawn(move || {
            let cancel = CancelToken::default();
            let mut session: Session =
                open_as(&driver, Access::Write, &cancel, holder("left", 1, fence)).unwrap();
            crate::house::try_query(&mut session, "SELECT SLEEP(4) AS left_behind")
        })
    };
    let (mine, other) = (left(ours.clone(), 41), left(theirs, 42));
    let until = Instant::now() + Duration::from_secs(5);
    while running("left_behind") != "2" {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
    let driver = Arc::clone(&gateway_with(ours, "writer"));
    assert_eq!(
        driver.sweep().unwrap(),
        [
            "a statement of dispatch 00000000-0000-0000-0000-000000000041, left by an earlier process, is ended"
        ]
    );
    assert_eq!(running("left_behind"), "1");
    assert!(mine.join().unwrap().is_err());
    assert!(other.join().unwrap().is_ok());
}

#[test]
fn a_full_warehouse_is_said_to_be_full() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE small (text CHAR(255)) ENGINE = MEMORY");
    let refusal = refused(&mut session, "INSERT INTO small SELECT 'x' FROM seq_1_to_1000000");
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Unavailable, Code(332)), "{refusal}");
}

/// Stands between the driver and the server; what its first connection gets of the server's bytes
/// ends after `passed`, and then it is cut, or kept and silent. One that `keeps` does not tell the
/// server that the driver hung up.
fn proxy(passed: usize, cut: bool, keeps: bool) -> cofferdam_cap_sql::ServerSettings {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut through = settings(server());
    through.tls.mode = TlsMode::Off;
    through.address =
        Address::Tcp { host: "localhost".to_owned(), port: listener.local_addr().unwrap().port() };
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let real = TcpStream::connect(("127.0.0.1", server().port())).unwrap();
            let (mut up, mut to_real) = (client.try_clone().unwrap(), real.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut up, &mut to_real);
                if keeps && n == 0 {
                    // Open until this process ends.
                    std::mem::forget(to_real);
                } else {
                    let _ = to_real.shutdown(std::net::Shutdown::Both);
                }
            });
            std::thread::spawn(move || {
                let limit = if n == 0 { passed as u64 } else { u64::MAX };
                let (mut from, mut to) = ((&real).take(limit), &client);
                let _ = std::io::copy(&mut from, &mut to);
                if n > 0 || cut {
                    let _ = client.shutdown(std::net::Shutdown::Both);
                }
            });
        }
    });
    through
}

#[test]
fn a_connection_cut_in_the_middle_of_rows_is_said_to_be_broken() {
    for passed in [5_000, 40_000, 900_000] {
        let driver = gateway_with(proxy(passed, true, false), "plain");
        let mut session = try_open(&driver, Access::Read).unwrap();
        let refusal =
            crate::house::try_query(&mut session, "SELECT seq, REPEAT('x', 100) FROM seq_1_to_100000");
        assert_eq!(refusal.unwrap_err().code, Code(306), "after {passed} bytes");
        assert_eq!(refused(&mut session, "INSERT INTO x VALUES (1)").kind, FailureKind::Unavailable);
        drop(session);
        let mut again = try_open(&driver, Access::Read).unwrap();
        assert_eq!(one(&mut again, "SELECT 1"), "1");
    }
}

#[test]
fn a_connection_that_falls_silent_is_given_up_and_its_statement_ended() {
    let mut silent = proxy(40_000, false, false);
    silent.statement_timeout = Duration::from_secs(1);
    let mut session = try_open(&gateway_with(silent, "plain"), Access::Read).unwrap();
    let text = "SELECT seq, REPEAT('x', 100) AS canary_silent FROM seq_1_to_1000000000";
    let refusal = crate::house::try_query(&mut session, text).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "CD0308: the statement was stopped: it took longer than the gateway's `statement_timeout_s`; cancel confirmed"
    );
    assert_eq!(running("canary_silent"), "0");
}

#[test]
fn a_connection_the_server_still_holds_when_its_statement_has_ended_is_ended_too() {
    let driver = gateway_with(proxy(usize::MAX, false, true), "plain");
    let cancel = CancelToken::default();
    let mut session = open_as(&driver, Access::Read, &cancel, Holder::operator()).unwrap();
    let id = one(&mut session, "SELECT CONNECTION_ID()");
    let from = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel(stopped());
        });
        let text = "SELECT SUM(a.seq * b.seq) AS canary_kept FROM seq_1_to_1000000 a, seq_1_to_1000000 b";
        assert_eq!(crate::house::try_query(&mut session, text).unwrap_err().code, Code(308));
    });
    // It was asked to end, and stayed for the second and a half it is given.
    assert!(from.elapsed() >= Duration::from_millis(1_750), "nothing had to be ended by force");
    let left = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    assert_eq!(server().sql(&left), "0");
}

//! Warehouses and networks that fail in the middle of something.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cofferdam_call::{Access, FailureKind};
use cofferdam_cap_sql::{Address, CancelToken, Postgres, SqlDriver as _};
use cofferdam_ids::Code;
use cofferdam_servers::Postgres as Server;
use pg_house::{SERVER, credential, driver_with, one, open, settings};

const LONG: &str = "select repeat('x', 100), generate_series(1, 100000000)";

#[test]
fn a_server_that_restarts_in_the_middle_ends_the_session_and_serves_the_next() {
    let mut server = Server::start();
    let driver = driver_with(settings(&server), credential("writer"));
    let cancel = CancelToken::default();
    let mut idle = open(&driver, Access::Write, &cancel);
    let mut writing = open(&driver, Access::Write, &cancel);
    writing.execute("create table survived (n int)", &[]).unwrap();
    writing.begin().unwrap();
    writing.execute("insert into survived values (1)", &[]).unwrap();
    let mut reading = open(&driver, Access::Read, &cancel);
    let (rows, _) = reading.query(LONG, &[]).unwrap();
    let mut waiting = open(&driver, Access::Read, &cancel);
    let waits = std::thread::spawn(move || waiting.query("select pg_sleep(600)", &[]).map(drop));
    std::thread::sleep(Duration::from_millis(200));

    server.restart();

    let refusal = waits.join().unwrap().unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Unavailable, Code(306)), "{refusal}");
    let broken = loop {
        match reading.next_frame(rows, &mut Vec::new()) {
            Ok(Some(_)) => {}
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(broken.kind, FailureKind::Unavailable, "{broken}");
    assert_eq!(writing.commit().unwrap_err().kind, FailureKind::Unavailable);
    assert!(idle.query("select 1", &[]).is_err());
    drop((idle, writing, reading));
    let mut next = open(&driver, Access::Write, &cancel);
    assert_eq!(one(&mut *next, "select count(*) from survived"), "0", "what was not committed is gone");

    next.begin().unwrap();
    next.execute("insert into survived values (2)", &[]).unwrap();
    server.kill();
    assert_eq!(next.commit().unwrap_err().kind, FailureKind::Unavailable);
    let refused = driver.inspect(Access::Write);
    assert_eq!(refused[0].text, "the warehouse does not answer");
    server.start_again();
    drop(next);
    let mut next = open(&driver, Access::Write, &cancel);
    assert_eq!(one(&mut *next, "select count(*) from survived"), "0");
}

/// What a proxy does with what it passes on.
const PASS: u8 = 0;
const STALL: u8 = 1;
const CUT: u8 = 2;

struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
    /// Connections made before this one stall.
    stalled: Arc<AtomicUsize>,
    /// Bytes from the server before a new connection is cut.
    cut_at: Arc<AtomicUsize>,
}

fn proxy(server: u16) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mode, cut_at) = (Arc::new(AtomicU8::new(PASS)), Arc::new(AtomicUsize::new(usize::MAX)));
    let (sets, cuts) = (Arc::clone(&mode), Arc::clone(&cut_at));
    let stalled = Arc::new(AtomicUsize::new(0));
    let stalls = Arc::clone(&stalled);
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().flatten().enumerate() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
            let limit = cuts.load(Ordering::SeqCst);
            for (from, to, limit) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap(), usize::MAX),
                (server, client, limit),
            ] {
                let (mode, stalls) = (Arc::clone(&sets), Arc::clone(&stalls));
                let stalls =
                    move || mode.load(Ordering::SeqCst) == STALL || stalls.load(Ordering::SeqCst) > n;
                let mode = Arc::clone(&sets);
                std::thread::spawn(move || pass(from, to, &mode, stalls, limit));
            }
        }
    });
    Proxy { port, mode, stalled, cut_at }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8, stalls: impl Fn() -> bool, mut left: usize) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while stalls() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let passed = read.min(left);
        if mode.load(Ordering::SeqCst) == CUT || to.write_all(&buffer[..passed]).is_err() || passed < read {
            break;
        }
        left -= passed;
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn through(port: u16) -> Postgres {
    let mut settings = settings(&SERVER);
    settings.address = Address::Tcp { host: "localhost".to_owned(), port };
    driver_with(settings, credential("writer"))
}

#[test]
fn a_connection_that_is_cut_anywhere_is_a_refusal_and_never_a_row_less() {
    let proxy = proxy(SERVER.port());
    let cancel = CancelToken::default();
    let mut whole = 0;
    // The first bytes are those of the handshake; the certificate alone is some hundreds.
    for cut in (1..40_000).step_by(977).chain([80_000, 200_000, 100_000_000]) {
        proxy.cut_at.store(cut, Ordering::SeqCst);
        let driver = through(proxy.port);
        let wall = cofferdam_cap_sql::SessionWall::everything();
        let holder = cofferdam_cap_sql::Holder::operator();
        let opening = cofferdam_cap_sql::Opening { access: Access::Read, wall, cancel: &cancel, holder };
        let read = driver.open(opening).and_then(|mut session| {
            let (rows, _) =
                session.query("select n, repeat('x', 50) from generate_series(1, 2000) n", &[])?;
            let mut count = 0;
            while let Some(rows) = session.next_frame(rows, &mut Vec::new())? {
                count += rows;
            }
            Ok(count)
        });
        match read {
            Ok(count) => {
                assert_eq!(count, 2000, "cut at {cut}");
                whole += 1;
            }
            Err(refusal) => assert_eq!(refusal.kind, FailureKind::Unavailable, "cut at {cut}: {refusal}"),
        }
    }
    assert!((1..40).contains(&whole), "{whole}");
}

#[test]
fn a_connection_that_stalls_is_left_when_the_attempt_is_cancelled_and_the_statement_is_ended() {
    let proxy = proxy(SERVER.port());
    let driver = through(proxy.port);
    let cancel = CancelToken::default();
    let mut session = open(&driver, Access::Read, &cancel);
    let stalls = Arc::clone(&proxy.mode);
    let late = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stalls.store(STALL, Ordering::SeqCst);
        late.cancel(cofferdam_call::Refusal::new(
            FailureKind::Cancelled,
            Code(411),
            "the attempt was cancelled",
        ));
    });
    let from = Instant::now();
    let refusal = session.query("select pg_sleep(600) as marker_stalled", &[]).unwrap_err();
    // Nothing comes through, so nobody can say that it stopped; and nothing is claimed.
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Unavailable, Code(316)), "{refusal}");
    assert!(refusal.message.contains("cancel not confirmed"));
    assert!(from.elapsed() < Duration::from_secs(40));
    drop(session);
    proxy.mode.store(CUT, Ordering::SeqCst);
    SERVER.psql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%marker_stalled%' and pid <> pg_backend_pid()");
}

#[test]
fn a_session_that_answers_no_more_is_ended_and_looked_for_whatever_it_calls_itself() {
    let proxy = proxy(SERVER.port());
    let driver = through(proxy.port);
    let cancel = CancelToken::default();
    let mut session = open(&driver, Access::Read, &cancel);
    session.execute("set application_name = 'somebody else'", &[]).unwrap();
    let (stalls, late) = (Arc::clone(&proxy.stalled), cancel.clone());
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stalls.store(1, Ordering::SeqCst);
        late.cancel(cofferdam_call::Refusal::new(
            FailureKind::Cancelled,
            Code(411),
            "the attempt was cancelled",
        ));
    });
    let refusal = session.query("select pg_sleep(600) as marker_gone", &[]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "CD0308: the statement was stopped: the attempt was cancelled; cancel confirmed"
    );
    let left = "select count(*) from pg_stat_activity where application_name = 'somebody else'";
    assert_eq!(SERVER.psql(left), "0");
    drop(session);
    assert_eq!(driver.pools()[0].idle, 0, "such a connection is not kept");
}

#[test]
fn a_full_disk_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a file system of two megabytes cannot be mounted here");
        return;
    }
    let server = Server::start();
    let at = folder.path().join("space");
    std::fs::create_dir(&at).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(server.socket_folder()).unwrap());
    std::os::unix::fs::chown(&at, Some(owner), None).unwrap();
    server.psql(&format!("create tablespace tiny location '{}'", at.display()));
    server.psql("grant create on tablespace tiny to writer");
    let driver = driver_with(settings(&server), credential("writer"));
    let mut session = open(&driver, Access::Write, &CancelToken::default());
    session.execute("create table big (t text) tablespace tiny", &[]).unwrap();
    let refusal = session
        .execute("insert into big select repeat('x', 1000) from generate_series(1, 10000)", &[])
        .unwrap_err();
    assert_eq!(refusal.to_string(), "CD0332: the warehouse's disk is full");
    assert_eq!(refusal.kind, FailureKind::Unavailable);
    assert_eq!(one(&mut *session, "select count(*) from big"), "0");
    drop(session);
    drop(server);
    let _ = Command::new("umount").arg(folder.path()).status();
}

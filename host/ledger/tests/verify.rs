//! A ledger that was changed in any way is found, and the first bad record is named.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use cofferdam_ids::{
    AttemptNo, BootId, Code, DispatchId, GatewayName, GrantId, RunId, Sha256Digest, TaskId, Timestamp,
};
use cofferdam_ledger::{
    AppendLog, AttemptRef, AuditGap, BadRecord, CapDenied, CapIntent, CapResult, Clock, Event,
    ExecutorStopped, Flaw, GrantRef, Head, Ledger, LogError, Outcome, PeerFacts, PublishFacts, Record, Seq,
    Sink, StatementFacts, Summary, Target, Verdict, VerifyOptions, render, show, verify,
};
use proptest::prelude::*;

fn clock() -> Clock {
    Arc::new(|| Timestamp::from_millis(1_795_000_000_000))
}

fn at() -> AttemptRef {
    AttemptRef {
        run: RunId::new("run_0192f3a0-0000-7000-8000-000000000000").unwrap(),
        task: TaskId::new("model.shop.orders").unwrap(),
        attempt: AttemptNo(1),
        dispatch: DispatchId::new("0192f3a0-0000-7000-8000-000000000001").unwrap(),
    }
}

fn target() -> Option<Target> {
    Some(Target::Gateway { name: GatewayName::new("wh").unwrap(), access: "write".to_owned() })
}

fn statement(kind: &str) -> Option<StatementFacts> {
    Some(StatementFacts {
        sha256: Sha256Digest::of(b"statement"),
        kind: kind.to_owned(),
        reads: vec!["raw.orders".to_owned()],
        writes: vec!["marts.orders".to_owned()],
        found: "parsed".to_owned(),
        values: 2,
    })
}

fn events() -> Vec<Event> {
    let grant =
        GrantRef { id: GrantId::new("shop-nightly").unwrap(), sha256: Sha256Digest::of(b"grant"), line: 14 };
    vec![
        Event::CapIntent(Box::new(CapIntent {
            at: at(),
            call: 3,
            capability: "sql_execute".to_owned(),
            target: target(),
            statement: statement("insert"),
            grant,
            bytes_in: 120,
        })),
        Event::CapResult(CapResult {
            at: at(),
            call: 3,
            outcome: Outcome::Failed,
            code: Some(Code(302)),
            rows: None,
            bytes_out: 0,
            took_us: 812,
            peer: None,
            cancel: None,
            publish: None,
        }),
        Event::CapDenied(Box::new(CapDenied {
            at: at(),
            call: 4,
            capability: "sql_query".to_owned(),
            target: target(),
            statement: statement("select"),
            code: Code(222),
            reason: "reading `raw.\u{1b}[2Jsecret` is not granted".to_owned(),
            rule: Some("shop.toml:14".to_owned()),
        })),
        Event::ExecutorStopped(ExecutorStopped {
            boot: BootId::new("0192f3a0-0000-7000-8000-000000000009").unwrap(),
            reason: "SIGTERM".to_owned(),
        }),
    ]
}

fn ledger() -> (Vec<u8>, Head) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), clock()).unwrap();
    for event in events() {
        ledger.record(&event).unwrap();
    }
    ledger.flush().unwrap();
    let head = ledger.head();
    (std::fs::read(folder.path().join("ledger.jsonl")).unwrap(), head)
}

fn judge(bytes: &[u8], head: Option<Head>) -> Verdict {
    verify(bytes, &VerifyOptions { expect_head: head }).unwrap()
}

fn bad(bytes: &[u8], head: Option<Head>) -> String {
    match judge(bytes, head) {
        Verdict::Bad(bad) => bad.to_string(),
        Verdict::Whole(summary) => panic!("judged whole: {summary:?}"),
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_ledger_as_written_is_whole() {
    let (bytes, head) = ledger();
    let time = Timestamp::from_millis(1_795_000_000_000);
    let summary = Summary { head, span: Some((time, time)), gaps: 0, intents_open: 0 };
    assert_eq!(judge(&bytes, None), Verdict::Whole(summary.clone()));
    assert_eq!(judge(&bytes, Some(head)), Verdict::Whole(summary));
    assert!(matches!(judge(b"", None), Verdict::Whole(Summary { span: None, .. })));
}

#[test]
fn the_first_bad_record_is_named() {
    let (bytes, head) = ledger();
    let [one, two, three, four] = lines(&bytes).try_into().unwrap();
    let edit = |line: &[u8], from: &str, to: &str| {
        String::from_utf8(line.to_vec()).unwrap().replacen(from, to, 1).into_bytes()
    };
    let edited = edit(&two, "812", "813");
    let cut = &bytes[..bytes.len() - 5];
    for (bytes, expected) in [
        ([&one[..], &edited, &three, &four].concat(), "line 2: record 2 was edited"),
        (
            [&one[..], &three, &four].concat(),
            "line 2: record 2 is missing or moved; record 3 stands in its place",
        ),
        (
            [&one[..], &three, &two, &four].concat(),
            "line 2: record 2 is missing or moved; record 3 stands in its place",
        ),
        (
            [&one[..], &two, &two, &three].concat(),
            "line 3: record 3 is missing or moved; record 2 stands in its place",
        ),
        (cut.to_vec(), "line 4: record 4 is cut off in the middle"),
        ([&one[..], b"{}\n", &three].concat(), "line 2: record 2 cannot be read as a record"),
        (vec![b'x'; 3 << 20], "line 1: record 1 is longer than any record"),
        (two.clone(), "line 1: record 1 is missing or moved; record 2 stands in its place"),
    ] {
        assert_eq!(bad(&bytes, None), expected);
    }
    let shorter = [&one[..], &two].concat();
    assert!(matches!(judge(&shorter, None), Verdict::Whole(_)), "only the pinned head tells");
    assert_eq!(bad(&shorter, Some(head)), "line 3: record 3 is missing; the ledger was cut off before it");
    let last = edit(&four, "SIGTERM", "SIGHUP!");
    let edited_last = [&one[..], &two, &three, &last].concat();
    assert_eq!(bad(&edited_last, Some(head)), "line 4: record 4 was edited");
}

#[test]
fn a_ledger_that_went_on_still_holds_the_head_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Ledger::open(folder.path(), clock()).unwrap();
    let ledger = open();
    ledger.record(&events()[0]).unwrap();
    let head = ledger.head();
    drop(ledger);
    let ledger = open();
    assert_eq!(ledger.head(), head);
    ledger.record_durable(&events()[1]).unwrap();
    let bytes = std::fs::read(folder.path().join("ledger.jsonl")).unwrap();
    assert!(matches!(judge(&bytes, Some(head)), Verdict::Whole(_)));
    let other = Head { hash: Sha256Digest::of(b"other"), ..head };
    assert_eq!(bad(&bytes, Some(other)), "line 1: record 1 was edited");
}

#[test]
fn an_intent_without_a_result_and_a_gap_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let ledger = Ledger::open(folder.path(), clock()).unwrap();
    ledger.record(&events()[0]).unwrap();
    drop(ledger);
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"seq\":2,\"prev\":");
    std::fs::write(&path, torn).unwrap();
    drop(Ledger::open(folder.path(), clock()).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    let Verdict::Whole(summary) = judge(&bytes, None) else { panic!("whole") };
    assert_eq!((summary.head.size, summary.gaps, summary.intents_open), (2, 1, 1));
    let records: Vec<_> = show(&bytes[..]).map(|r| r.unwrap().unwrap()).collect();
    assert!(matches!(&records[1].event, Event::AuditGap(AuditGap { bytes_cut: 16, .. })));
}

#[test]
fn nothing_is_appended_to_a_ledger_whose_last_line_is_no_record() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ledger.jsonl"), "not a record\n").unwrap();
    let error = Ledger::open(folder.path(), clock()).err().unwrap();
    assert!(error.to_string().contains("is not a record"), "{error}");
}

#[test]
fn a_result_says_whom_it_spoke_to_what_it_published_and_whether_it_was_stopped() {
    let result = |change: fn(&mut CapResult)| {
        let mut result = CapResult {
            at: at(),
            call: 3,
            outcome: Outcome::Done,
            code: None,
            rows: None,
            bytes_out: 0,
            took_us: 812,
            peer: None,
            cancel: None,
            publish: None,
        };
        change(&mut result);
        let event = Event::CapResult(result);
        let record =
            Record { seq: Seq(1), prev: Sha256Digest::of(b""), time: Timestamp::from_millis(0), event };
        let line = render(&record);
        line.split("shop.orders try 1 ").last().unwrap().to_owned()
    };
    let lines = [
        result(|r| {
            let tls = Some("ab".repeat(32));
            r.peer = Some(Box::new(PeerFacts { role: Some("writer".to_owned()), tls }));
        }),
        result(|r| r.publish = Some(Box::new(PublishFacts { step: "swap".to_owned(), published: true }))),
        result(|r| r.publish = Some(Box::new(PublishFacts { step: "swap".to_owned(), published: false }))),
        result(|r| r.cancel = Some("confirmed".to_owned())),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    #3 done, as writer, TLS abababababab, 0 bytes out, 812 µs
    #3 done, step `swap` published, 0 bytes out, 812 µs
    #3 done, step `swap` was published before, 0 bytes out, 812 µs
    #3 done, cancel confirmed, 0 bytes out, 812 µs
    ");
}

#[test]
fn a_result_written_before_there_were_such_facts_reads_the_same() {
    let line = r#"{"seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000","time":"2026-11-21T06:00:00Z","event":"cap.result","at":{"run":"run_1","task":"t","attempt":1,"dispatch":"d"},"call":3,"outcome":"done","bytes_out":0,"took_us":812}"#;
    let record = Record::parse(line.as_bytes()).unwrap();
    let Event::CapResult(result) = record.event else { panic!("a result is wanted") };
    assert_eq!((result.peer, result.cancel, result.publish), (None, None, None));
}

#[test]
fn people_read_one_line_per_record() {
    let (bytes, _) = ledger();
    let text: Vec<String> = show(&bytes[..]).map(|r| render(&r.unwrap().unwrap())).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
         1  2026-11-18T11:06:40Z  cap.intent        model.shop.orders try 1 #3 sql_execute wh (write) insert b111c6e1d318 reads raw.orders writes marts.orders, granted by shop-nightly:14
         2  2026-11-18T11:06:40Z  cap.result        model.shop.orders try 1 #3 failed CD0302, 0 bytes out, 812 µs
         3  2026-11-18T11:06:40Z  cap.denied        model.shop.orders try 1 #4 sql_query wh (write) select b111c6e1d318 reads raw.orders writes marts.orders: CD0222 reading `raw.�[2Jsecret` is not granted (shop.toml:14)
         4  2026-11-18T11:06:40Z  executor.stopped  SIGTERM
    ");
}

struct Full(Arc<Mutex<bool>>);

impl Sink for Full {
    fn write_all(&mut self, _bytes: &[u8]) -> io::Result<()> {
        if *self.0.lock().unwrap() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_refuses_this_record_and_every_later_one() {
    let full = Arc::new(Mutex::new(false));
    let ledger = Ledger::onto(AppendLog::onto(Box::new(Full(Arc::clone(&full))), 0).unwrap(), clock());
    assert_eq!(ledger.record_durable(&events()[0]).unwrap(), Seq(1));
    *full.lock().unwrap() = true;
    assert!(matches!(ledger.record_durable(&events()[1]), Err(LogError::Failed(_))));
    *full.lock().unwrap() = false;
    assert!(matches!(ledger.record(&events()[1]), Err(LogError::Failed(_))), "room came back, trust did not");
    assert!(ledger.usable().is_err());
}

#[test]
fn records_of_many_threads_are_numbered_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), clock()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for event in events().iter().cycle().take(40) {
                    ledger.record(event).unwrap();
                }
                ledger.flush().unwrap();
            });
        }
    });
    let bytes = std::fs::read(folder.path().join("ledger.jsonl")).unwrap();
    let Verdict::Whole(summary) = judge(&bytes, Some(ledger.head())) else { panic!("whole") };
    assert_eq!(summary.head.size, 320);
}

proptest! {
    #[test]
    fn any_edit_of_any_byte_is_found(at in 0..10_000_usize, change in 1..=255_u8) {
        let (mut bytes, head) = ledger();
        let at = at % bytes.len();
        bytes[at] ^= change;
        prop_assert!(matches!(judge(&bytes, Some(head)), Verdict::Bad(_)));
        // Without the pinned head, every byte but those of the last line's content is covered.
        let last = lines(&ledger().0).pop().unwrap();
        if at < bytes.len() - last.len() {
            prop_assert!(matches!(judge(&bytes, None), Verdict::Bad(_)));
        }
    }

    #[test]
    fn any_removed_bytes_are_found(from in 0..10_000_usize, length in 1..400_usize) {
        let (mut bytes, head) = ledger();
        let from = from % bytes.len();
        let to = (from + length).min(bytes.len());
        bytes.drain(from..to);
        prop_assert!(matches!(judge(&bytes, Some(head)), Verdict::Bad(_)));
    }

    #[test]
    fn any_bytes_give_a_verdict(bytes: Vec<u8>) {
        let _ = judge(&bytes, None);
        let _ = show(&bytes[..]).count();
    }

    #[test]
    fn any_lines_give_a_verdict(text in "(\\{\"seq\":[0-9]{1,3},\"prev\":\"[0-9a-f]{0,64}\"[^\n]{0,40}\\}?\n){0,4}") {
        let bad = judge(text.as_bytes(), None);
        if let Verdict::Bad(BadRecord { flaw: Flaw::Missing, .. }) = bad {
            prop_assert!(false, "nothing was expected");
        }
    }
}

//! A runner that dies: a program of its own, because it kills every runner it finds below itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;

use std::{
    fs,
    time::{Duration, Instant},
};

use bed::{Bed, SPIN, short};
use cofferdam_bundle::statement::{Dispatch, Report, ReportState};

/// Waits until something is true.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_attempt_whose_runner_dies_fails_and_the_next_one_gets_another() {
    let bed = Bed::new(SPIN);
    let mut task = bed.task("model.shop.orders");
    task.limits.wall_ms = 20_000;
    let mut short_one = bed.task("model.shop.short");
    short_one.limits.wall_ms = 200;
    let release = bed.release_of(41, vec![task, short_one]);
    let executor = bed.start();
    bed.send(bed.dispatch(&release));
    until("the start", || admitted(&bed) && !runners().is_empty());
    std::thread::sleep(Duration::from_millis(200));
    let before = runners();
    for runner in &before {
        rustix::process::kill_process(*runner, rustix::process::Signal::KILL).unwrap();
    }
    let reports: Vec<Report> = bed.stub.reports(1);
    assert_eq!(short(&reports[0]), (ReportState::Failed, Some(721)));
    assert!(reports[0].retryable);
    let task = "model.shop.short".parse().unwrap();
    let next = bed.run(Dispatch { task, ..bed.dispatch(&release) });
    assert_eq!(short(&next), (ReportState::Failed, Some(410)), "it ran, on another runner");
    executor.stop().unwrap();
}

fn admitted(bed: &Bed) -> bool {
    bed.data().join("ledger/ledger.jsonl").exists()
        && bed.ledger().iter().any(|e| e.name() == "task.admitted")
}

/// Runner processes of this test program.
fn runners() -> Vec<rustix::process::Pid> {
    let me = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).map(str::to_owned);
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if parent.as_deref() == Some(me.as_str()) && line.ends_with("\0runner\0") {
            found.extend(rustix::process::Pid::from_raw(pid));
        }
    }
    found
}

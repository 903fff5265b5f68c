//! What happens while attempts run, and what is left when something breaks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bed::{ASKING, Bed, NO_OP, SPIN, short};
use cofferdam_bundle::statement::{Dispatch, ReportState};
use cofferdam_ids::{Code, Sha256Digest};

/// Waits until something is true.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let file = files.next().unwrap();
    assert!(files.next().is_none(), "one file in {folder:?}");
    file
}

#[test]
fn a_poisoned_artifact_is_made_again_and_raises_an_alarm() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let executor = bed.start();
    bed.run(bed.dispatch(&release));
    executor.stop().unwrap();
    let artifact = only_file(&bed.data().join("artifacts"));
    let mut bytes = fs::read(&artifact).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&artifact, &bytes).unwrap();

    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    executor.stop().unwrap();
    assert_eq!(bed.alarms(), [Code(717)]);
    assert_ne!(fs::read(only_file(&bed.data().join("artifacts"))).unwrap(), bytes);
}

#[test]
fn a_blob_swapped_by_the_scheduler_or_on_disk_is_not_used() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let file = Sha256Digest::of(b"select 1");
    bed.stub.blob(file, b"select 2");
    let executor = bed.start();
    let report = bed.run(bed.dispatch(&release));
    assert_eq!(short(&report), (ReportState::Failed, Some(711)));
    bed.stub.blob(file, b"select 1");
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None), "tried again");
    executor.stop().unwrap();

    fs::write(bed.data().join("blobs").join(file.to_string()), b"select 2").unwrap();
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    executor.stop().unwrap();
    assert_eq!(bed.alarms(), [Code(717)], "the disk's copy was fetched again");
}

#[test]
fn a_component_with_an_import_the_release_does_not_list_is_not_compiled() {
    let bed = Bed::new(ASKING);
    let mut release = bed.release(41);
    assert_eq!(release.plugins[0].imports, ["cofferdam:capability/telemetry@0.1.0"]);
    release.plugins[0].imports.clear();
    bed.stub.release(bed.fixture.sign_release(&release));
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Failed, Some(715)));
    executor.stop().unwrap();
    assert!(fs::read_dir(bed.data().join("artifacts")).unwrap().next().is_none(), "nothing was compiled");
}

#[test]
fn grants_change_between_attempts_and_a_broken_file_changes_nothing() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let whole = bed.grant();
    bed.write_grant(&whole.replace("model.*", "other.*"));
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Refused, Some(210)));
    bed.write_grant(&whole);
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    bed.write_grant(&whole.replace("tasks =", "taks ="));
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    let health = fs::read_to_string(bed.data().join("health.json")).unwrap();
    assert!(health.contains("test.toml:"), "{health}");
    executor.stop().unwrap();

    let refused = bed.start().stop().unwrap_err();
    assert!(refused.to_string().starts_with("test.toml:"), "a broken file refuses the start: {refused}");
}

#[test]
fn what_a_killed_executor_had_started_is_refused_afterwards() {
    let mut bed = Bed::new(SPIN);
    bed.drain_s = 0;
    let release = bed.release(41);
    let dispatch = bed.dispatch(&release);
    let executor = bed.start();
    bed.send(dispatch.clone());
    // The moment the guest may run is the moment all of it is on disk.
    until("the admission", || {
        let journal = fs::read_to_string(bed.data().join("journal.log")).unwrap_or_default();
        journal.contains("\"attempt\"")
    });
    // What is on disk now is what a SIGKILL would leave.
    let copy = bed.dir.path().join("copy");
    copy_folder(&bed.data(), &copy);
    executor.stop().unwrap();

    let executor = bed.start_in(&copy);
    bed.send(dispatch);
    bed.stub.settle();
    executor.stop().unwrap();
    let ledger = fs::read_to_string(copy.join("ledger/ledger.jsonl")).unwrap();
    assert!(ledger.contains("\"CD0115\""), "{ledger}");
}

fn copy_folder(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

#[test]
fn a_guest_that_spins_is_stopped_at_its_limit_and_its_neighbour_is_not() {
    let bed = Bed::new(SPIN);
    let mut task = bed.task("model.shop.orders");
    task.limits.wall_ms = 300;
    let release = bed.release_of(41, vec![task]);
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Failed, Some(410)));
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Failed, Some(410)), "the runner lives");
    executor.stop().unwrap();
}

#[test]
fn a_cancelled_run_stops_its_attempt() {
    let bed = Bed::new(SPIN);
    let release = bed.release(41);
    let executor = bed.start();
    bed.stub.cancel_all();
    let report = bed.run(Dispatch { lease_ttl_s: 3, ..bed.dispatch(&release) });
    executor.stop().unwrap();
    assert_eq!(short(&report), (ReportState::Cancelled, Some(411)));
}

#[test]
fn a_drain_waits_and_then_stops_what_still_runs() {
    let bed = Bed::new(SPIN);
    let release = bed.release(41);
    let executor = bed.start();
    bed.send(bed.dispatch(&release));
    until("the start", || admitted(&bed));
    executor.stop().unwrap();
    let reports = bed.stub.reports(1);
    assert_eq!(short(&reports[0]), (ReportState::Failed, Some(730)));
    assert!(reports[0].retryable);
}

fn admitted(bed: &Bed) -> bool {
    bed.data().join("ledger/ledger.jsonl").exists()
        && bed.ledger().iter().any(|e| e.name() == "task.admitted")
}

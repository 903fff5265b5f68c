//! How many no-op tasks one executor does in a second: verify, admit, run, record, report.
//!
//! Not a test that may fail for time; `cargo test -p cofferdam-executor --test throughput -- --ignored
//! --nocapture` prints the figure.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;

use std::time::Instant;

use bed::{Bed, NO_OP};
use cofferdam_bundle::statement::ReportState;

const TASKS: usize = 6_000;

#[test]
#[ignore = "prints a figure"]
fn no_op_tasks_a_second() {
    let mut bed = Bed::new(NO_OP);
    bed.slots = std::env::var("SLOTS").ok().and_then(|s| s.parse().ok()).unwrap_or(32);
    let release = bed.release(41);
    let executor = bed.start();
    bed.run(bed.dispatch(&release));
    let template = bed.fixture.dispatch_of(&release);
    let orders: Vec<_> = (0..TASKS).map(|_| bed.dispatch_from(&template)).collect();
    let began = Instant::now();
    bed.stub.offer(orders);
    let reports = bed.stub.reports(TASKS + 1);
    let took = began.elapsed();
    assert!(reports.iter().all(|r| r.state == ReportState::Succeeded), "{:?}", reports.last());
    println!(
        "{TASKS} tasks on {} slots in {took:?}: {:.0} a second",
        bed.slots,
        TASKS as f64 / took.as_secs_f64()
    );
    executor.stop().unwrap();
}

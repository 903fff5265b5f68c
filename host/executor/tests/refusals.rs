//! What a scheduler that holds the real dispatch key cannot do: each forbidden order is refused
//! before anything is fetched or compiled, with its own code, and a record in the ledger.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bed;

use bed::{Bed, NO_OP, short};
use cofferdam_bundle::{
    sign,
    statement::{Dispatch, Phase, ReportState},
    testing::Fixture,
};
use cofferdam_ids::{Code, ExecutorId, Fence};

/// Sends one forbidden dispatch; gives the codes in the ledger. Nothing may have been fetched.
fn refused(bed: &Bed, dispatch: Dispatch) -> Vec<Code> {
    let executor = bed.start();
    bed.send(dispatch);
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.stub.blobs_fetched(), 0, "a refused dispatch fetches and compiles nothing");
    bed.refusals()
}

#[test]
fn a_signed_order_for_a_signed_release_is_done_and_reported() {
    let bed = Bed::new(NO_OP);
    let executor = bed.start();
    let report = bed.run(bed.dispatch(&bed.release(41)));
    executor.stop().unwrap();
    assert_eq!(short(&report), (ReportState::Succeeded, None));
    assert_eq!((report.duration_s, report.rows_affected), (None, None), "the grant lets no field out");
    let names: Vec<_> = bed.ledger().iter().map(|e| e.name()).collect();
    let expected = ["executor.started", "task.admitted", "task.ended", "report.sent", "executor.stopped"];
    assert_eq!(names, expected);
    let result = bed.dir.path().join("objects/runs/run_1/model.shop.orders/attempt-1.json");
    assert!(std::fs::read_to_string(result).unwrap().contains("\"state\": \"succeeded\""));
}

#[test]
fn an_order_with_one_changed_byte_is_refused_without_a_report() {
    let bed = Bed::new(NO_OP);
    let dispatch = bed.dispatch(&bed.release(41));
    let executor = bed.start();
    let key = bed::dispatch_key();
    bed.stub.answer(move |nonce| {
        let text = String::from_utf8(sign(&Dispatch { poll_nonce: nonce, ..dispatch }, &[&key])).unwrap();
        // The first letter of the body: `{` becomes something else.
        let at = text.find("\"payload\":\"").unwrap() + 11;
        let mut bytes = text.into_bytes();
        bytes[at + 4] = if bytes[at + 4] == b'A' { b'B' } else { b'A' };
        vec![bytes]
    });
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals(), [Code(104)]);
    assert!(bed.stub.reports(0).is_empty(), "whoever sent it is not the scheduler");
}

#[test]
fn a_release_signed_by_the_schedulers_own_key_is_refused() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    bed.stub.release(sign(&release, &[&bed::dispatch_key()]));
    let executor = bed.start();
    let report = bed.run(bed.dispatch(&release));
    executor.stop().unwrap();
    assert_eq!(short(&report), (ReportState::Refused, Some(105)));
    assert_eq!((report.phase, bed.stub.blobs_fetched()), (Phase::Verify, 0));
}

#[test]
fn the_same_bytes_again_are_refused_on_this_connection_a_new_one_and_after_a_restart() {
    let bed = Bed::new(NO_OP);
    let dispatch = bed.dispatch(&bed.release(41));
    let executor = bed.start();
    let key = bed::dispatch_key();
    let (keep, kept) = std::sync::mpsc::channel();
    bed.stub.answer(move |nonce| {
        let envelope = sign(&Dispatch { poll_nonce: nonce, ..dispatch }, &[&key]);
        keep.send(envelope.clone()).unwrap();
        vec![envelope.clone(), envelope]
    });
    let bytes = kept.recv().unwrap();
    let reports = bed.stub.reports(1);
    let again = bytes.clone();
    bed.stub.answer(move |_| vec![again]);
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals(), [Code(115), Code(112)], "in one answer, and in a later one");

    let executor = bed.start();
    bed.stub.answer(move |_| vec![bytes]);
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals(), [Code(115), Code(112), Code(112)]);
    assert_eq!(short(&reports[0]), (ReportState::Succeeded, None), "the first one was done");
    assert_eq!(bed.stub.reports(0).iter().filter(|r| r.state == ReportState::Succeeded).count(), 1);
}

#[test]
fn an_order_signed_again_for_a_new_poll_is_refused_after_a_restart_and_a_changed_clock() {
    let bed = Bed::new(NO_OP);
    let dispatch = bed.dispatch(&bed.release(41));
    let executor = bed.start();
    bed.run(dispatch.clone());
    executor.stop().unwrap();
    bed.later(30);
    let executor = bed.start();
    bed.send(dispatch.clone());
    bed.stub.settle();
    // The same attempt under another id: its fence gives it away.
    let mut renamed = bed.dispatch(&bed.release(41));
    renamed.fence = dispatch.fence;
    bed.send(renamed);
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals(), [Code(115), Code(116)]);
}

#[test]
fn an_order_is_refused_after_its_time_and_before_the_clocks_floor() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let mut late = bed.dispatch(&release);
    late.issued_at = bed.now().minus(std::time::Duration::from_secs(90));
    late.not_after = late.issued_at.plus(std::time::Duration::from_secs(600));
    assert_eq!(refused(&bed, late), [Code(114)]);
    assert_eq!(short(&bed.stub.reports(1)[0]), (ReportState::Refused, Some(114)), "it is told");

    let executor = bed.start();
    bed.run(bed.dispatch(&release));
    executor.stop().unwrap();
    bed.later(-7200);
    let executor = bed.start();
    bed.send(bed.dispatch(&release));
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals().last(), Some(&Code(134)), "the clock was set back");
}

#[test]
fn an_order_for_another_executor_pool_or_role_is_refused() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let other = ExecutorId::of_key(Fixture::new().release_key.key_id());
    assert_eq!(refused(&bed, Dispatch { audience: other, ..bed.dispatch(&release) }), [Code(111)]);
    assert!(bed.stub.reports(0).is_empty(), "what is another's is not ours to report");
    let pool = "other".parse().unwrap();
    refused(&bed, Dispatch { pool, ..bed.dispatch(&release) });
    let role = cofferdam_ids::Role::Apply;
    assert_eq!(refused(&bed, Dispatch { role, ..bed.dispatch(&release) }), [Code(111), Code(111), Code(118)]);
}

#[test]
fn an_older_release_is_refused_also_after_a_restart() {
    let bed = Bed::new(NO_OP);
    let (older, newer) = (bed.release(40), bed.release(41));
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&newer))), (ReportState::Succeeded, None));
    assert_eq!(short(&bed.run(bed.dispatch(&older))), (ReportState::Refused, Some(123)));
    executor.stop().unwrap();
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&older))), (ReportState::Refused, Some(123)));
    executor.stop().unwrap();
}

#[test]
fn two_releases_of_one_number_raise_an_alarm() {
    let bed = Bed::new(NO_OP);
    let first = bed.release(41);
    let second = bed.release_of(41, vec![bed.task("model.shop.orders"), bed.task("model.shop.more")]);
    let executor = bed.start();
    bed.run(bed.dispatch(&first));
    assert_eq!(short(&bed.run(bed.dispatch(&second))), (ReportState::Refused, Some(124)));
    executor.stop().unwrap();
    assert_eq!(bed.alarms(), [Code(124)]);
}

#[test]
fn a_task_runs_no_more_often_than_its_release_allows() {
    let bed = Bed::new(NO_OP);
    let mut release = bed.release(41);
    release.schedule_policy.min_interval_s = 3600;
    bed.stub.release(bed.fixture.sign_release(&release));
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    for _ in 0..5 {
        assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Refused, Some(130)));
    }
    executor.stop().unwrap();
    bed.later(3601);
    let executor = bed.start();
    assert_eq!(short(&bed.run(bed.dispatch(&release))), (ReportState::Succeeded, None));
    executor.stop().unwrap();
}

#[test]
fn more_orders_than_were_asked_for_are_not_looked_at() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let orders: Vec<_> = (0..5).map(|_| bed.dispatch(&release)).collect();
    let key = bed::dispatch_key();
    let executor = bed.start();
    bed.stub.answer(move |nonce| {
        orders.into_iter().map(|d| sign(&Dispatch { poll_nonce: nonce, ..d }, &[&key])).collect()
    });
    bed.stub.reports(2);
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!((bed.stub.reports(0).len(), bed.alarms()), (2, vec![Code(718)]), "there are two slots");
}

#[test]
fn a_lower_fence_than_one_seen_is_refused() {
    let bed = Bed::new(NO_OP);
    let release = bed.release(41);
    let executor = bed.start();
    bed.run(Dispatch { fence: Fence(100), ..bed.dispatch(&release) });
    bed.send(Dispatch { fence: Fence(99), ..bed.dispatch(&release) });
    bed.stub.settle();
    executor.stop().unwrap();
    assert_eq!(bed.refusals(), [Code(116)]);
}

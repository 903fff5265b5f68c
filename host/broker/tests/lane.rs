//! One attempt over one lane, with runners that keep to the protocol and runners that do not.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod house;

use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use cofferdam_broker::{LaneEnd, serve_lane_within};
use cofferdam_call::{
    Access, AttemptEnd, AttemptPlan, Call, Confinement, EndState, Frame, FromRunner, GuestKind, Handle,
    Limits, Reply, ToRunner, Usage, read_frame, write_frame,
};
use cofferdam_ids::{Code, Sha256Digest};
use house::{House, gateway, granted};

fn plan(wall_ms: u64) -> AttemptPlan {
    AttemptPlan {
        kind: GuestKind::Task,
        component: Sha256Digest::of(b"component"),
        adapters: vec![],
        interfaces: vec![],
        limits: Limits { wall_ms, ..Limits::default() },
        invocation: None,
        describe: None,
    }
}

/// Serves one attempt against a runner that behaves as `runner` does.
fn serve(wall_ms: u64, runner: impl FnOnce(UnixStream) + Send) -> LaneEnd {
    let house = House::new();
    let mut door = house.door_with(granted(), Limits::default());
    let (ours, theirs) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || runner(theirs));
        let end = serve_lane_within(&ours, plan(wall_ms), &mut door, Duration::from_millis(500));
        ours.shutdown(std::net::Shutdown::Both).ok();
        end
    })
}

fn take(stream: &mut UnixStream) -> ToRunner {
    let Frame { message, .. } = read_frame(stream).unwrap();
    message
}

fn call(stream: &mut UnixStream, call: Call) -> ToRunner {
    write_frame(stream, &FromRunner::Call(call), &[]).unwrap();
    take(stream)
}

fn end(stream: &mut UnixStream, state: EndState) {
    let end = AttemptEnd { state, usage: Usage::default() };
    write_frame(stream, &FromRunner::End(Box::new(end)), &[]).unwrap();
}

fn stopped(end: &LaneEnd) -> Code {
    match &end.end.state {
        EndState::Stopped { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_attempt_is_started_its_calls_answered_and_its_end_heard() {
    let end = serve(10_000, |mut stream| {
        assert!(matches!(take(&mut stream), ToRunner::Start(_)));
        let opened = call(&mut stream, Call::SqlOpen { gateway: gateway(), access: Access::Read });
        assert_eq!(opened, ToRunner::Reply(Reply::Opened(Handle(1))));
        let refused = call(&mut stream, Call::SqlOpen { gateway: gateway(), access: Access::Admin });
        assert!(matches!(refused, ToRunner::Refused(refusal) if refusal.code == Code(221)));
        end(
            &mut stream,
            EndState::Succeeded { rows_affected: Some(3), summary: "all\u{1b}[31m red".to_owned() },
        );
    });
    assert!(end.usable);
    let expected = EndState::Succeeded { rows_affected: Some(3), summary: "all\u{fffd}[31m red".to_owned() };
    assert_eq!(end.end.state, expected);
}

#[test]
fn a_runner_that_dies_is_noticed_at_once() {
    let begun = Instant::now();
    let end = serve(600_000, |mut stream| {
        take(&mut stream);
    });
    assert_eq!((stopped(&end), end.usable), (Code(330), false));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_runner_that_says_nothing_or_drips_is_noticed_after_its_time() {
    for drip in [false, true] {
        let begun = Instant::now();
        let end = serve(100, move |mut stream| {
            take(&mut stream);
            // A header of 1 KiB is announced, and then a byte every now and then.
            let mut bytes = [0, 4, 0, 0, 0, 0, 0, 0].into_iter().chain(std::iter::repeat(1));
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            while begun.elapsed() < Duration::from_secs(20) {
                let byte = [bytes.next().unwrap()];
                if drip && std::io::Write::write_all(&mut stream, &byte).is_err() {
                    return;
                }
                if matches!(std::io::Read::read(&mut stream, &mut [0]), Ok(0)) {
                    return;
                }
            }
        });
        assert!(!end.usable);
        assert_eq!(stopped(&end), Code(331));
        assert!(begun.elapsed() < Duration::from_secs(10), "drip: {drip}");
    }
}

#[test]
fn a_runner_that_breaks_the_protocol_loses_its_lane() {
    for message in [
        FromRunner::Ready(Confinement::default()),
        FromRunner::Loaded { component: Sha256Digest::of(b""), failure: None },
    ] {
        let end = serve(10_000, move |mut stream| {
            take(&mut stream);
            write_frame(&mut stream, &message, &[]).unwrap();
        });
        assert_eq!((stopped(&end), end.usable), (Code(330), false));
    }
    let end = serve(10_000, |mut stream| {
        take(&mut stream);
        std::io::Write::write_all(&mut stream, &[0xff; 64]).unwrap();
    });
    assert_eq!((stopped(&end), end.usable), (Code(330), false));
}

#[test]
fn a_guest_s_code_and_words_are_cleaned() {
    let end = serve(10_000, |mut stream| {
        take(&mut stream);
        let message = format!("first\nsecond\u{1b}[2J{}", "x".repeat(40_000));
        let code = "not a code!".to_owned();
        end(&mut stream, EndState::Failed { retryable: false, cancelled: false, code, message });
    });
    let EndState::Failed { code, message, .. } = &end.end.state else { panic!() };
    assert_eq!(code, "UNKNOWN");
    assert!(message.starts_with("first\nsecond\u{fffd}[2J"));
    assert!(message.len() <= 17 << 10);
}

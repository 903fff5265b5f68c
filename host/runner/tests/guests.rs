//! Attempts of real guests, built from Rust by `cargo xtask test`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{cell::RefCell, path::PathBuf, rc::Rc, time::Duration};

use cofferdam_call::{
    AttemptEnd, Call, Descr, EndState, FailureKind, FileInfo, FrameError, GuestKind, Interface, LogLevel,
    Refusal, Reply,
};
use cofferdam_ids::{Code, GatewayName};
use cofferdam_runner::*;
use common::{Bench, plan};

/// The bytes of a built guest.
fn guest(name: &str) -> Vec<u8> {
    let Some(folder) = std::env::var_os("COFFERDAM_GUESTS") else {
        panic!("COFFERDAM_GUESTS is not set: run the tests by `cargo xtask test`, which builds the guests")
    };
    let short = name.trim_start_matches("cofferdam_").trim_start_matches("guest_").replace('_', "-");
    let path = PathBuf::from(folder).join(format!("{short}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a way of the hostile task; gives its end and what it logged.
fn hostile(way: &str, wall_ms: u64) -> (AttemptEnd, Vec<(LogLevel, String)>) {
    let mut bench = Bench::new();
    let mut plan = plan(bench.load(&guest("cofferdam_guest_hostile_task")));
    plan.limits.memory_bytes = 32 << 20;
    plan.limits.wall_ms = wall_ms;
    if let Some(invocation) = &mut plan.invocation {
        way.clone_into(&mut invocation.entry);
    }
    let end = bench.run(plan);
    let calls = std::mem::take(&mut bench.door.borrow_mut().calls);
    let lines = calls.into_iter().filter_map(|call| match call {
        Call::Log { level, message } => Some((level, message)),
        _ => None,
    });
    (end, lines.collect())
}

fn summary(way: &str) -> String {
    match hostile(way, 10_000).0.state {
        EndState::Succeeded { summary, .. } => summary,
        other => panic!("{way}: {other:?}"),
    }
}

fn stopped(way: &str) -> (Code, String) {
    match hostile(way, 300).0.state {
        EndState::Stopped { code, message } => (code, message),
        other => panic!("{way}: {other:?}"),
    }
}

#[test]
fn a_std_guest_finds_no_environment_no_files_and_a_coarse_clock() {
    for (way, said) in [
        ("environment", "nothing there"),
        ("host-files", "no file"),
        ("clocks", "coarse"),
        ("random", "true"),
    ] {
        assert_eq!(summary(way), said);
    }
}

#[test]
fn a_std_guest_that_misbehaves_is_stopped_with_its_code() {
    for (way, code) in [
        ("spin", TIME_LIMIT),
        ("sleep", TIME_LIMIT),
        ("allocate", MEMORY_LIMIT),
        // Its frames are copied in one piece, and such a copy's trap does not say where it was:
        // that it was the stack that ran out cannot be told.
        ("recurse", TRAPPED),
        ("exit", GUEST_EXITED),
        ("huge-summary", CALL_TOO_LARGE),
        ("huge-log-line", CALL_TOO_LARGE),
        ("guess-handles", TRAPPED),
    ] {
        let (is, message) = stopped(way);
        assert_eq!(is, code, "{way}: {message}");
    }
    assert_eq!(summary("grow-to-the-limit"), "holds 24 MiB");
}

#[test]
fn a_panic_is_told_with_its_message_and_place() {
    let (code, message) = stopped("panic");
    assert_eq!(code, TRAPPED);
    assert!(message.contains("its last words:") && message.contains("on purpose"), "{message}");
}

#[test]
fn standard_output_becomes_bounded_lines_of_the_log() {
    let (end, lines) = hostile("flood-stdout", 10_000);
    assert!(matches!(end.state, EndState::Succeeded { .. }), "{end:?}");
    assert!(lines.iter().map(|(_, line)| line.len()).sum::<usize>() < 2 << 10, "{} lines", lines.len());
    assert!(lines.last().is_some_and(|(level, line)| *level == LogLevel::Warn && line.contains("not kept")));
}

#[test]
fn a_guest_that_asks_for_sockets_is_not_started() {
    let end = Bench::new().run_task(&guest("cofferdam_guest_hostile_network"));
    let EndState::Stopped { code, message } = end.state else { panic!("{end:?}") };
    assert_eq!(code, NO_SUCH_IMPORT);
    assert!(message.contains("wasi:sockets/"), "{message}");
}

/// A door with a release of a few files behind it, and nothing else.
struct Release(Vec<(&'static str, &'static str)>);

impl Door for Release {
    fn call(&mut self, call: Call, _payload: &[u8]) -> Result<Answer, FrameError> {
        Ok(match call {
            Call::FileList { prefix } => {
                let files = self.0.iter().filter(|(path, _)| path.starts_with(&prefix));
                let info = |(path, text): &(&str, &str)| FileInfo {
                    path: (*path).to_owned(),
                    size: text.len() as u64,
                };
                Answer::Reply(Reply::Files(files.map(info).collect()), Vec::new())
            }
            Call::FileRead { path, offset, length } => match self.0.iter().find(|(name, _)| *name == path) {
                Some((_, text)) => {
                    let rest = text.as_bytes().get(offset as usize..).unwrap_or_default();
                    Answer::Reply(Reply::Bytes, rest[..rest.len().min(length as usize)].to_vec())
                }
                None => Answer::Refused(Refusal::new(FailureKind::Invalid, Code(0), "no such file")),
            },
            _ => Answer::Reply(Reply::Done, Vec::new()),
        })
    }
}

#[test]
fn a_project_loader_describes_a_project() {
    let bench = Bench::new();
    let mut plan = plan(bench.load(&guest("cofferdam_project_dbt_loader")));
    plan.kind = GuestKind::Project;
    plan.interfaces = vec![Interface::ReleaseFiles, Interface::Telemetry];
    plan.limits.memory_bytes = 64 << 20;
    plan.invocation = None;
    plan.describe = Some(Descr {
        root: String::new(),
        gateway: "wh".to_owned(),
        adapter: "adapter-sqlite".to_owned(),
        vars: Vec::new(),
        settings: Vec::new(),
    });
    let door = Rc::new(RefCell::new(Release(vec![
        ("dbt_project.yml", "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models]\n"),
        ("models/base.sql", "select 1 as id"),
        ("models/orders.sql", "select * from {{ ref('base') }}"),
    ])));
    let end = run(&bench.library, plan, &door, &Turn { start: 1, ..bench.turn.clone() });
    let EndState::Described(found) = end.state else { panic!("{end:?}") };
    let ids: Vec<_> = found.tasks.iter().map(|task| (task.id.as_str(), task.needs.clone())).collect();
    assert_eq!(ids, [("model.shop.base", vec![]), ("model.shop.orders", vec!["model.shop.base".to_owned()])]);
}

#[test]
fn a_task_works_on_a_warehouse_through_the_sqlite_adapter() {
    let mut bench = Bench::new();
    let mut plan = plan(bench.load(&guest("cofferdam_guest_hostile_task")));
    plan.adapters = vec![(GatewayName::new("wh").unwrap(), bench.load(&guest("cofferdam_adapter_sqlite")))];
    plan.limits.memory_bytes = 64 << 20;
    if let Some(invocation) = &mut plan.invocation {
        "ask-adapter".clone_into(&mut invocation.entry);
        invocation.settings = vec![cofferdam_call::NamedJson {
            name: "statement".to_owned(),
            json: "\"DELETE FROM t\"".to_owned(),
        }];
    }
    let end = bench.run(plan);
    let EndState::Succeeded { summary, .. } = &end.state else { panic!("{end:?}") };
    assert_eq!(summary, "executed");
    let calls = &bench.door.borrow().calls;
    let executed =
        |call: &Call| matches!(call, Call::SqlExecute { statement, .. } if statement == "DELETE FROM t");
    assert!(matches!(calls.first(), Some(Call::SqlOpen { .. })), "{calls:?}");
    assert!(calls.iter().any(executed), "{calls:?}");
    assert!(calls.iter().any(|call| matches!(call, Call::Close { .. })), "the session was let go: {calls:?}");
    assert!(end.usage.wall_us > 0 && Duration::from_micros(end.usage.start_us) < Duration::from_secs(5));
}

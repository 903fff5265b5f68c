//! Attempts of small guests: what ends well, and what is stopped with which code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_call::{AttemptEnd, Call, EndState, GuestKind, Interface};
use cofferdam_ids::{Code, GatewayName, Sha256Digest};
use cofferdam_runner::*;
use common::{Bench, Recorder, adapter, plan, task};

const LOG: &str = r#"(import "cofferdam:capability/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
const OPEN: &str = r#"
    (import "cofferdam:warehouse/warehouse@0.1.0" "open" (func $open (param i32 i32 i32 i32)))
    (import "cofferdam:warehouse/warehouse@0.1.0" "[method]connection.execute"
      (func $execute (param i32 i32 i32 i32 i32 i32)))
    (import "cofferdam:warehouse/warehouse@0.1.0" "[resource-drop]connection" (func $drop (param i32)))"#;
/// Opens gateway `wh`; the connection's handle is at 1028 when the byte at 1024 is 0.
const OPEN_WH: &str = r#"
    (i32.store16 (i32.const 512) (i32.const 0x6877))
    (call $open (i32.const 512) (i32.const 2) (i32.const 1) (i32.const 1024))"#;

fn stopped(end: &AttemptEnd) -> (Code, &str) {
    match &end.state {
        EndState::Stopped { code, message } => (*code, message),
        other => panic!("not stopped: {other:?}"),
    }
}

fn succeeded(end: &AttemptEnd) -> bool {
    matches!(end.state, EndState::Succeeded { .. })
}

#[test]
fn a_task_that_returns_has_succeeded() {
    let mut bench = Bench::new();
    let end = bench.run_task(&task("", "(i32.const 0)"));
    assert!(succeeded(&end), "{:?}", end.state);
    assert!(end.usage.memory_bytes_peak >= 128 << 10);
    assert_eq!(end.usage.calls, 0);
    assert_eq!(bench.library.budget().used(), 0, "all memory was given back");
}

#[test]
fn a_trap_ends_the_attempt_and_the_lane_takes_the_next() {
    let mut bench = Bench::new();
    let end = bench.run_task(&task("", "unreachable"));
    assert_eq!(
        stopped(&end),
        (TRAPPED, "the guest trapped: wasm trap: wasm `unreachable` instruction executed")
    );
    assert!(succeeded(&bench.run_task(&task("", "(i32.const 0)"))));
}

#[test]
fn endless_recursion_is_a_stack_overflow() {
    let end = Bench::new().run_task(&task("", "(call $run (local.get $in))"));
    assert_eq!(stopped(&end).0, STACK_OVERFLOW);
}

#[test]
fn a_stack_kept_in_memory_that_overflows_is_one_too() {
    let end = Bench::new().run_task(&task("", "(i32.store (i32.const -64) (i32.const 1)) (i32.const 0)"));
    assert_eq!(stopped(&end), (STACK_OVERFLOW, "the guest's own stack, in its memory, is full"));
    let end =
        Bench::new().run_task(&task("", "(i32.store (i32.const 0x7fffffff) (i32.const 1)) (i32.const 0)"));
    assert_eq!(stopped(&end).0, TRAPPED, "any other address is a trap");
}

#[test]
fn a_spinning_guest_is_stopped_by_its_wall_clock() {
    let mut bench = Bench::new();
    let mut plan = plan(bench.load(&task("", "(loop (br 0)) (i32.const 0)")));
    plan.limits.wall_ms = 50;
    let began = Instant::now();
    let end = bench.run(plan);
    assert_eq!(stopped(&end), (TIME_LIMIT, "the attempt took longer than it may"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_cancel_stops_a_spinning_guest_and_spares_the_next() {
    let mut bench = Bench::new();
    let spin = bench.load(&task("", "(loop (br 0)) (i32.const 0)"));
    let stop = Arc::clone(&bench.turn.stop);
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        stop.request(1, CANCELLED);
    });
    let end = bench.run(plan(spin));
    canceller.join().unwrap();
    assert_eq!(stopped(&end), (CANCELLED, "the attempt was cancelled"));
    assert!(succeeded(&bench.run_task(&task("", "(i32.const 0)"))));
}

#[test]
fn memory_past_the_limit_is_refused_and_the_code_says_so() {
    let greedy = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let end = Bench::new().run_task(&task("", greedy));
    assert_eq!(stopped(&end).0, MEMORY_LIMIT);
    assert_eq!(end.usage.memory_bytes_peak, 4 << 20);
}

#[test]
fn a_guest_may_live_with_refused_memory() {
    let modest = "(drop (memory.grow (i32.const 1000))) (i32.const 0)";
    assert!(succeeded(&Bench::new().run_task(&task("", modest))));
}

#[test]
fn memory_past_the_process_budget_is_refused_with_its_own_code() {
    let greedy = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let end = Bench::with_budget(1 << 20).run_task(&task("", greedy));
    assert_eq!(stopped(&end).0, RUNNER_FULL);
}

#[test]
fn an_import_that_was_not_granted_does_not_exist() {
    let mut bench = Bench::new();
    let mut plan = plan(bench.load(&task(LOG, "(i32.const 0)")));
    plan.interfaces = vec![Interface::Warehouse, Interface::ReleaseFiles];
    assert_eq!(
        stopped(&bench.run(plan.clone())),
        (NO_SUCH_IMPORT, "import `cofferdam:capability/telemetry@0.1.0` does not exist for this guest")
    );
    plan.interfaces.push(Interface::Telemetry);
    assert!(succeeded(&bench.run(plan)));
}

#[test]
fn a_task_is_never_lent_what_only_adapters_are() {
    let wat = r#"(component
        (import "cofferdam:capability/sql@0.1.0" (instance (export "x" (func)))))"#;
    let mut bench = Bench::new();
    let end = bench.run_task(&wat::parse_str(wat).unwrap());
    assert_eq!(
        stopped(&end),
        (NO_SUCH_IMPORT, "import `cofferdam:capability/sql@0.1.0` does not exist for this guest")
    );
}

#[test]
fn sockets_are_not_linked() {
    let wat = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "x" (func)))))"#;
    let end = Bench::new().run_task(&wat::parse_str(wat).unwrap());
    assert_eq!(
        stopped(&end),
        (NO_SUCH_IMPORT, "import `wasi:sockets/tcp@0.2.0` does not exist for this guest")
    );
}

#[test]
fn a_component_without_the_export_is_not_of_the_world() {
    let mut bench = Bench::new();
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(stopped(&bench.run_task(&empty)).0, NOT_OF_THE_WORLD);
    let mut plan = plan(bench.load(&task("", "(i32.const 0)")));
    plan.kind = GuestKind::Project;
    assert_eq!(stopped(&bench.run(plan)).0, NOT_OF_THE_WORLD, "a task is no project loader");
}

#[test]
fn a_component_that_was_not_loaded_is_named() {
    let end = Bench::new().run(plan(Sha256Digest::of(b"nothing")));
    assert_eq!(stopped(&end).0, NOT_LOADED);
}

#[test]
fn log_lines_are_cleaned_and_a_flood_is_counted() {
    let text = r#"(data (i32.const 512) "a\1b[31mline of thirty characters!")"#;
    let flood = r#"
        (local $n i32)
        (loop
          (call $log (i32.const 1) (i32.const 512) (i32.const 31))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $n) (i32.const 10000))))
        (i32.const 0)"#;
    let core = format!("{flood}) {text} (func");
    let mut bench = Bench::new();
    let end = bench.run_task(&task(LOG, &core));
    assert!(succeeded(&end), "{:?}", end.state);
    let calls = &bench.door.borrow().calls;
    assert!(calls.len() < 40, "{} lines went out", calls.len());
    let [Call::Log { message: first, .. }, .., Call::Log { message: last, .. }] = &calls[..] else {
        panic!()
    };
    assert_eq!(first, "a\u{fffd}[31mline of thirty characters");
    assert!(last.ends_with("more lines were not kept: the attempt's log is full"), "{last}");
}

fn with_adapter(bench: &mut Bench, task: &[u8], adapter: &[u8]) -> AttemptEnd {
    let mut plan = plan(bench.load(task));
    plan.adapters = vec![(GatewayName::new("wh").unwrap(), bench.load(adapter))];
    bench.run(plan)
}

#[test]
fn a_task_reaches_its_warehouse_by_way_of_the_adapter() {
    let execute = r#"
        (i64.store (i32.const 520) (i64.const 42))
        (i32.const 512)"#;
    let work = format!(
        r#"{OPEN_WH}
        (if (i32.load8_u (i32.const 1024)) (then unreachable))
        (call $execute (i32.load (i32.const 1028)) (i32.const 512) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1040))
        (if (i64.ne (i64.load (i32.const 1048)) (i64.const 42)) (then unreachable))
        (call $drop (i32.load (i32.const 1028)))
        (i32.const 0)"#
    );
    let mut bench = Bench::new();
    let end = with_adapter(&mut bench, &task(OPEN, &work), &adapter("", execute, ""));
    assert!(succeeded(&end), "{:?}", end.state);
    let memories = 2 * (128 << 10);
    let peak = end.usage.memory_bytes_peak;
    assert!(
        (memories..memories + 1024).contains(&peak),
        "task and adapter, memories and small tables: {peak}"
    );
}

#[test]
fn a_gateway_without_an_adapter_is_refused_not_a_trap() {
    let work =
        format!("{OPEN_WH} (if (i32.eqz (i32.load8_u (i32.const 1024))) (then unreachable)) (i32.const 0)");
    assert!(succeeded(&Bench::new().run_task(&task(OPEN, &work))));
}

#[test]
fn a_trap_in_an_adapter_ends_the_attempt() {
    let work = format!(
        r#"{OPEN_WH}
        (call $execute (i32.load (i32.const 1028)) (i32.const 512) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1040))
        (i32.const 0)"#
    );
    let mut bench = Bench::new();
    let end = with_adapter(&mut bench, &task(OPEN, &work), &adapter("", "unreachable", ""));
    assert_eq!(stopped(&end).0, TRAPPED);
    let end = with_adapter(&mut bench, &task(OPEN, &work), &adapter("", "(loop (br 0)) (i32.const 0)", ""));
    assert_eq!(stopped(&end).0, TIME_LIMIT, "the term holds in the adapter's store too");
    assert!(succeeded(&bench.run_task(&task("", "(i32.const 0)"))));
}

#[test]
fn a_trap_in_a_destructor_ends_the_attempt() {
    let work = format!("{OPEN_WH} (call $drop (i32.load (i32.const 1028))) (i32.const 0)");
    let end = with_adapter(&mut Bench::new(), &task(OPEN, &work), &adapter("", "unreachable", "unreachable"));
    assert_eq!(stopped(&end).0, TRAPPED);
}

#[test]
fn thousands_of_handles_are_too_many() {
    let work = format!("(loop {OPEN_WH} (br 0)) (i32.const 0)");
    let end = with_adapter(&mut Bench::new(), &task(OPEN, &work), &adapter("", "unreachable", ""));
    assert_eq!(stopped(&end), (TOO_MANY_HANDLES, "the guest holds too many handles at once"));
}

#[test]
fn a_guessed_handle_is_a_trap() {
    let work = r#"
        (call $execute (i32.const 77) (i32.const 512) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1040))
        (i32.const 0)"#;
    let end = Bench::new().run_task(&task(OPEN, work));
    assert_eq!(stopped(&end).0, TRAPPED);
}

#[test]
fn too_much_in_one_call_is_stopped() {
    let grow = "(drop (memory.grow (i32.const 200)))";
    let work = format!("{grow} (call $log (i32.const 1) (i32.const 0) (i32.const 9000000)) (i32.const 0)");
    let mut bench = Bench::new();
    let mut plan = plan(bench.load(&task(LOG, &work)));
    plan.limits.memory_bytes = 64 << 20;
    assert_eq!(stopped(&bench.run(plan)).0, CALL_TOO_LARGE);
}

#[test]
fn a_huge_outcome_is_cut_and_a_lying_one_is_a_trap() {
    let summary = |length: &str| {
        format!(
            "(i32.store (i32.const 24) (i32.const 1024)) (i32.store (i32.const 28) (i32.const {length})) (i32.const 0)"
        )
    };
    let mut bench = Bench::new();
    let end = bench.run_task(&task("", &summary("60000")));
    let EndState::Succeeded { summary: text, .. } = &end.state else { panic!("{:?}", end.state) };
    assert!(text.len() <= 1 << 10);
    assert_eq!(stopped(&bench.run_task(&task("", &summary("-1")))).0, TRAPPED);
}

#[test]
fn unused_interfaces_leave_no_trace_at_the_door() {
    let mut bench = Bench::new();
    bench.run_task(&task("", "(i32.const 0)"));
    let door: &Recorder = &bench.door.borrow();
    assert!(door.calls.is_empty());
}

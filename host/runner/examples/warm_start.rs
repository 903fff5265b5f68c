//! Measures a warm attempt beside bare Wasmtime, and 1 MiB frames from broker to guest beside the
//! bare socket: `cargo run --release --example warm_start`. Prints lines for `cargo xtask bench`:
//! `bench`, what, microseconds (median), budget, reference, microseconds, tabs between them.
//!
//! `COFFERDAM_GUESTS` names a folder with built guests; with it a real task is measured as well.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    cell::RefCell,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    rc::Rc,
    thread::spawn,
    time::{Duration, Instant},
};

use cofferdam_call::{EndState, FRAME_BYTES_MAX, FromRunner, Reply, ToRunner, read_frame, write_frame};
use cofferdam_runner::{Lane, Turn, measure::bare, run};

const ROUNDS: usize = 10_000;
const FRAMES: usize = 1_000;

fn main() {
    measure_start("warm attempt start, guest of text", &common::task("", "(i32.const 0)"));
    if let Some(folder) = std::env::var_os("COFFERDAM_GUESTS") {
        let guest = PathBuf::from(folder).join("hostile-task.wasm");
        measure_start(
            "warm attempt start, guest of Rust",
            &std::fs::read(guest).expect("the guest is built"),
        );
    }
    measure_frames();
}

/// From the start of an attempt until its guest's entry is called, beside all of bare Wasmtime:
/// store, instantiate, call, drop.
fn measure_start(what: &str, guest: &[u8]) {
    let mut bench = common::Bench::new();
    let mut plan = common::plan(bench.load(guest));
    plan.limits.memory_bytes = 256 << 20;
    if let Some(invocation) = &mut plan.invocation {
        "nothing".clone_into(&mut invocation.entry);
    }
    let (mut bares, mut starts, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that whatever else the machine does falls on all alike.
    for _ in 0..ROUNDS {
        bares.push(bare(&bench.library, &plan, &bench.door).expect("the guest runs"));
        let plan = plan.clone();
        let began = Instant::now();
        let end = bench.run(plan);
        wholes.push(began.elapsed());
        starts.push(Duration::from_micros(end.usage.start_us));
        assert!(matches!(end.state, EndState::Succeeded { .. }), "{end:?}");
    }
    let reference = "bare Wasmtime: store, instantiate, call, drop";
    line(what, median(&mut starts), "≤ 100 µs", reference, median(&mut bares));
    line(&format!("{what}, and to its end"), median(&mut wholes), "", reference, median(&mut bares));
}

/// A guest reads 1 MiB of a file again and again over a real lane.
fn measure_frames() {
    let read = r#"(import "cofferdam:capability/release-files@0.1.0" "read"
        (func $read (param i32 i32 i64 i32 i32)))"#;
    let body = format!(
        "(local $n i32)
        (loop
          (global.set $free (i32.const 65536))
          (call $read (i32.const 512) (i32.const 1) (i64.const 0) (i32.const {FRAME_BYTES_MAX}) (i32.const 1024))
          (if (i32.load8_u (i32.const 1024)) (then unreachable))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $n) (i32.const {FRAMES}))))
        (i32.const 0)"
    );
    let bench = common::Bench::new();
    let plan = common::plan(bench.load(&common::task(read, &body)));
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let broker = spawn(move || {
        let bytes = vec![7; FRAME_BYTES_MAX];
        while read_frame::<FromRunner>(&mut theirs).is_ok() {
            let _ = write_frame(&mut theirs, &ToRunner::Reply(Reply::Bytes), &bytes);
        }
    });
    let lane = Rc::new(RefCell::new(Lane::new(ours)));
    let end = run(&bench.library, plan, &lane, &Turn { start: 1, ..bench.turn.clone() });
    assert!(matches!(end.state, EndState::Succeeded { .. }), "{end:?}");
    drop(lane);
    broker.join().expect("the thread ends");
    let each = Duration::from_micros(end.usage.wall_us) / FRAMES as u32;
    line("1 MiB frame, broker to guest", each, "≤ 500 µs", "1 MiB through a bare socket pair", bare_socket());
}

fn bare_socket() -> Duration {
    let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let writer = spawn(move || {
        let (bytes, mut asked) = (vec![7; FRAME_BYTES_MAX], [0]);
        while theirs.read_exact(&mut asked).is_ok() && theirs.write_all(&bytes).is_ok() {}
    });
    let mut bytes = vec![0; FRAME_BYTES_MAX];
    let began = Instant::now();
    for _ in 0..FRAMES {
        ours.write_all(&[1]).expect("it is asked");
        ours.read_exact(&mut bytes).expect("it answers");
    }
    let each = began.elapsed() / FRAMES as u32;
    drop(ours);
    writer.join().expect("the thread ends");
    each
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn line(what: &str, time: Duration, budget: &str, reference: &str, beside: Duration) {
    let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
    println!("bench\t{what}\t{:.1}\t{budget}\t{reference}\t{:.1}", micros(time), micros(beside));
}

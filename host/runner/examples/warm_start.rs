//! Measures a warm attempt against bare Wasmtime: `cargo run --release --example warm_start`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use cofferdam_call::EndState;
use cofferdam_runner::measure::bare;

const ROUNDS: usize = 20_000;

fn main() {
    let mut bench = common::Bench::new();
    let mut guests = vec![("no-op task of text".to_owned(), common::task("", "(i32.const 0)"))];
    for path in std::env::args().skip(1) {
        guests.push((path.clone(), std::fs::read(path).expect("the guest can be read")));
    }
    for (name, guest) in guests {
        let mut plan = common::plan(bench.load(&guest));
        plan.limits.memory_bytes = 256 << 20;
        let mut bares: Vec<_> =
            (0..ROUNDS).map(|_| bare(&bench.library, &plan, &bench.door).unwrap_or_default()).collect();
        let (mut starts, mut wholes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let plan = plan.clone();
            let began = Instant::now();
            let end = bench.run(plan);
            wholes.push(began.elapsed());
            starts.push(Duration::from_micros(end.usage.start_us));
            if let EndState::Stopped { code, message } = end.state {
                panic!("{code}: {message}");
            }
            bench.door.borrow_mut().calls.clear();
        }
        println!("{name}");
        println!("  bare instantiate, call, drop  {}", quantiles(&mut bares));
        println!("  attempt, until the guest runs {}", quantiles(&mut starts));
        println!("  attempt, whole                {}", quantiles(&mut wholes));
    }
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    format!("p50 {:>9.1?}  p99 {:>9.1?}", at(50), at(99))
}

//! Measures the verification of one dispatch and of one release beside one bare Ed25519
//! verification: `cargo run --release -p cofferdam-bundle --features testing --example
//! verify_dispatch`. Prints lines for `cargo xtask bench`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has no result")]

use std::time::{Duration, Instant};

use cofferdam_bundle::{open, statement::Dispatch, testing::Fixture, verify_dispatch, verify_release};
use ed25519_dalek::{Signer as _, SigningKey};

const ROUNDS: usize = 2_000;

fn main() {
    let fixture = Fixture::new();
    let release = fixture.release();
    let (dispatch, envelope) =
        (fixture.sign_dispatch(&fixture.dispatch_of(&release)), fixture.sign_release(&release));
    let context = fixture.dispatch_context();
    let opened = open::<Dispatch>(&dispatch, fixture.root().dispatch_keys()).unwrap();
    let seen = fixture.release_context();
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = key.sign(&dispatch);
    let public = key.verifying_key();

    let (mut bare, mut dispatches, mut releases) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that whatever else the machine does falls on all alike.
    for _ in 0..ROUNDS {
        bare.push(timed(|| public.verify_strict(&dispatch, &signature).unwrap()));
        dispatches.push(timed(|| drop(verify_dispatch(&dispatch, &context).unwrap())));
        releases.push(timed(|| drop(verify_release(&envelope, &opened, &seen).unwrap())));
    }
    let reference = "one Ed25519 verification";
    let bare = median(&mut bare);
    line("dispatch verification", median(&mut dispatches), "≤ 300 µs", reference, bare);
    line("release verification, once per release", median(&mut releases), "", reference, bare);
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn line(what: &str, time: Duration, budget: &str, reference: &str, beside: Duration) {
    let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
    println!("bench\t{what}\t{:.2}\t{budget}\t{reference}\t{:.2}", micros(time), micros(beside));
}

//! Measures one decision and one reading of a statement beside the SHA-256 of its text:
//! `cargo run --release -p cofferdam-grants --example decide`. Prints lines for
//! `cargo xtask bench`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has no result")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{Access, Call, Confinement, Handle};
use cofferdam_grants::{Admission, Ask, Dialect, GrantSet, SessionFacts, Subject, parse, read_statement};
use cofferdam_ids::{GatewayName, Role, Sha256Digest, TaskId, Timestamp};

const ROUNDS: u32 = 20_000;
const STATEMENT: &str = "insert into marts.orders select o.id, sum(i.price) from raw.orders o \
    join raw.items i using (id) where o.day >= '2026-01-01' group by o.id";

fn main() {
    let admission = admission();
    let gateway: GatewayName = "wh".parse().unwrap();
    let session = SessionFacts {
        gateway: &gateway,
        access: Access::Write,
        dialect: Dialect::Sqlite,
        default_schema: "main",
    };
    let call = Call::SqlExecute { session: Handle(1), statement: STATEMENT.into(), values: vec![] };
    let reading = read_statement(STATEMENT, Dialect::Sqlite, "main");
    let ask = Ask {
        call: &call,
        session: Some(&session),
        reading: Some(&reading),
        rows_out: 0,
        signed_statement: false,
    };
    assert!(admission.decide(&ask).is_allowed());
    let hash = each(|| {
        black_box(Sha256Digest::of(STATEMENT.as_bytes()));
    });
    let decision = each(|| drop(black_box(admission.decide(black_box(&ask)))));
    let read = each(|| drop(black_box(read_statement(black_box(STATEMENT), Dialect::Sqlite, "main"))));
    let reference = "SHA-256 of the statement";
    line("grant decision", decision, "≤ 5 µs", reference, hash);
    line("reading a statement, once per text and attempt", read, "", reference, hash);
}

fn admission() -> Admission {
    let (project, plugin) = (Sha256Digest::of(b"root"), Sha256Digest::of(b"plugin"));
    let text = format!(
        "grant_format = 1\nid = \"shop\"\nowner = \"dba\"\nexpires = 2030-01-01\n[subject]\nproject = \"{}\"\n\
         tasks = [\"model.*\"]\nplugins = [\"{}\"]\nroles = [\"run\"]\n[[sql]]\ngateway = \"wh\"\nmode = \"write\"\n\
         statements = \"parsed\"\nreads = [\"raw.*\"]\nwrites = [\"marts.*\"]\nmax_rows = 1000\n",
        project.prefixed(),
        plugin.prefixed()
    );
    let grants = GrantSet::from_files(vec![parse("shop.toml", &text).unwrap()]).unwrap();
    let task = TaskId::new("model.shop.orders").unwrap();
    let subject = Subject { project, task: &task, role: Role::Run, plugins: &[plugin] };
    let request = Request::Sql {
        gateway: "wh".parse().unwrap(),
        mode: SqlMode::Write,
        reads: vec!["raw.*".to_owned()],
        writes: vec!["marts.*".to_owned()],
    };
    let limits = TaskLimits { wall_ms: 3_600_000, mem_bytes: 256 << 20, log_bytes: 1 << 20 };
    let now = Timestamp::from_millis(1_795_000_000_000);
    grants.admit(&subject, &[request], &limits, &Confinement::default(), now).unwrap()
}

/// The median of rounds of a hundred: one alone is shorter than the clock is fine.
fn each(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS / 100)
        .map(|_| {
            let began = Instant::now();
            (0..100).for_each(|_| work());
            began.elapsed() / 100
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn line(what: &str, time: Duration, budget: &str, reference: &str, beside: Duration) {
    let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
    println!("bench\t{what}\t{:.3}\t{budget}\t{reference}\t{:.3}", micros(time), micros(beside));
}

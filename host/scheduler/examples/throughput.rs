//! How many durable no-op tasks a second one scheduler and one executor get through on this machine.
//!
//! The executor is a stand-in that verifies every dispatch, runs nothing and signs every report; both
//! sides share the machine and talk over loopback HTTP. `cargo run --release --example throughput [TASKS]`.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use cofferdam_bundle::{
    KeySet, SigningKey, open, sign,
    statement::{Dispatch, LedgerHead, Phase, Poll, Report, ReportState, Wanted},
    testing::{Fixture, task},
};
use cofferdam_client::{Client, ClientCredentials, TlsOptions};
use cofferdam_ids::{BootId, ExecutorId, Nonce, Role, Sha256Digest, Timestamp};
use cofferdam_protocol::api::{DISPATCHES_MAX, Enrol, Reports, RunState, StartRun};
use cofferdam_scheduler::{ClientKind, Config, NewClient, create_client, start};
use tokio::sync::mpsc;

/// Attempts the stand-in keeps in flight.
const SLOTS: u32 = DISPATCHES_MAX as u32;

#[tokio::main]
async fn main() {
    let tasks: usize = std::env::args().nth(1).map_or(5_000, |n| n.parse().unwrap());
    let data =
        std::env::current_dir().unwrap().join("target").join(format!("throughput-{}", std::process::id()));
    std::fs::create_dir_all(&data).unwrap();
    let key_file = data.join("dispatch.key");
    std::fs::write(&key_file, r#"{"alg":"ed25519","seed":"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}"#)
        .unwrap();
    let store = data.join("store");
    let person = create_client(&store, ClientKind::Person, "bench", 1).await.unwrap();
    let executor = create_client(&store, ClientKind::Executor, "bench", 1).await.unwrap();
    let running = start(Config {
        data: store,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        dispatch_key: key_file,
        tls: None,
        lease_term: Duration::from_secs(60),
    })
    .await
    .unwrap();
    let person = client(running.url(), &person);
    push(&person, tasks).await;
    let executor = client(running.url(), &executor);
    let key = SigningKey::from_seed([10; 32]);
    enrol(&executor, &key).await;

    let begun = Instant::now();
    let run = person.start_run(&StartRun::default()).await.unwrap();
    println!("start of a run of {tasks} tasks: {:?}", begun.elapsed());
    let begun = Instant::now();
    let (ended, reports) = mpsc::channel(SLOTS as usize);
    let reporter = tokio::spawn(report(executor.clone(), reports, tasks));
    let polls = poll(executor, key, ended, tasks).await;
    let calls = reporter.await.unwrap();
    let took = begun.elapsed();
    let state = person.run(&run.run).await.unwrap().state;
    assert_eq!(state, RunState::Succeeded);
    println!(
        "{tasks} tasks in {took:?}: {:.0} tasks/s, {polls} polls, {calls} report calls",
        tasks as f64 / took.as_secs_f64()
    );
    running.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
}

fn client(url: &str, made: &NewClient) -> Client {
    let credentials = ClientCredentials::new(&made.client_id, &made.client_secret);
    Client::new(url, credentials, TlsOptions::native()).unwrap()
}

async fn push(person: &Client, tasks: usize) {
    let fixture = Fixture::new();
    let now = Timestamp::from_millis(0).plus(std::time::UNIX_EPOCH.elapsed().unwrap());
    let mut release = fixture.release();
    release.not_before = now.minus(Duration::from_secs(60));
    release.not_after = now.plus(Duration::from_secs(3600));
    release.tasks = (0..tasks).map(|n| task(&format!("noop.{n}"))).collect();
    person.push_project(fixture.root_envelope()).await.unwrap();
    for bytes in [b"adapter-sqlite".as_slice(), b"task-dbt", b"select 1"] {
        person.put_blob(&Sha256Digest::of(bytes), bytes.to_vec()).await.unwrap();
    }
    person.push_release(fixture.sign_release(&release)).await.unwrap();
}

async fn enrol(executor: &Client, key: &SigningKey) {
    let enrol = Enrol {
        public: key.public().to_base64(),
        name: "bench".into(),
        cluster: "main".parse().unwrap(),
        pool: "default".parse().unwrap(),
        role: Role::Run,
        version: "0.1.0".into(),
        slots: SLOTS,
    };
    executor.enrol(&enrol).await.unwrap();
}

async fn poll(client: Client, key: SigningKey, ended: mpsc::Sender<serde_json::Value>, tasks: usize) -> u64 {
    let dispatch_keys = KeySet::one(Fixture::new().dispatch_key.public());
    let id = ExecutorId::of_key(key.key_id());
    let (mut taken, mut poll_seq) = (0, 0_u64);
    while taken < tasks {
        poll_seq += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&poll_seq.to_be_bytes());
        let poll = Poll {
            kind: "poll".into(),
            spec: 1,
            executor: id.clone(),
            cluster: "main".parse().unwrap(),
            pool: "default".parse().unwrap(),
            role: Role::Run,
            nonce: Nonce::from_bytes(nonce),
            boot: BootId::new("0192f3a0-0000-7000-8000-000000000000").unwrap(),
            poll_seq,
            version: "0.1.0".into(),
            wanted: Wanted {
                slots_free: u32::try_from(ended.capacity()).unwrap().clamp(1, SLOTS),
                wait_ms: 5_000,
            },
            ledger: LedgerHead { size: 0, head: Sha256Digest::from_bytes([0; 32]) },
        };
        let answer = client.poll(sign(&poll, &[&key]), 5_000).await.unwrap();
        taken += answer.dispatches.len();
        for envelope in &answer.dispatches {
            let envelope = serde_json::to_vec(envelope).unwrap();
            let dispatch = open::<Dispatch>(&envelope, &dispatch_keys).unwrap().into_statement();
            let report = Report {
                kind: "report".into(),
                spec: 1,
                executor: id.clone(),
                dispatch_id: dispatch.dispatch_id,
                lease_id: dispatch.lease_id,
                fence: dispatch.fence,
                state: ReportState::Succeeded,
                code: None,
                phase: Phase::Run,
                retryable: false,
                duration_s: None,
                rows_affected: None,
                ledger_seq: 0,
            };
            ended.send(serde_json::from_slice(&sign(&report, &[&key])).unwrap()).await.unwrap();
        }
    }
    poll_seq
}

async fn report(client: Client, mut ended: mpsc::Receiver<serde_json::Value>, tasks: usize) -> u64 {
    let (mut done, mut calls) = (0, 0);
    while done < tasks {
        let mut reports = Vec::new();
        ended.recv_many(&mut reports, SLOTS as usize).await;
        done += reports.len();
        calls += 1;
        client.report(&Reports { reports }).await.unwrap();
    }
    calls
}

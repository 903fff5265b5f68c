//! A real executor, in this process, against a scheduler that holds the real dispatch key and
//! says whatever a test wants.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cofferdam_bundle::{
    KeySet, PublicKey, SigningKey, open,
    statement::{Dispatch, PluginEntry, Poll, Release, ReleasedTask, Report, ReportState, StatementKind},
    testing::{Fixture, task},
    unverified_body_sha256,
};
use cofferdam_client::ClientError;
use cofferdam_executor::{
    clock::WallClock,
    config::{Config, ConfigArgs},
    error::ExecutorError,
    scheduler::{Answer, Scheduler},
    start::run_with,
};
use cofferdam_ids::{
    ByteCount, Code, DispatchId, ExecutorId, Fence, LeaseId, Nonce, RunId, Sha256Digest, Timestamp,
};
use cofferdam_ledger::{Event, Record};
use cofferdam_protocol::api::{
    Enrol, Enrolled, LeaseAnswer, PollAnswer, Renew, Renewed, ReportAnswer, Reports, ReportsTaken,
};
use serde_json::Value;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// How long anything may take until a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A task whose `run` is `body`, as a component. What stands before the first `;;` is imported.
pub fn guest(body: &str) -> Vec<u8> {
    let (imports, body) = body.split_once(";;").unwrap_or(("", body));
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut worlds = None;
    for package in ["types", "capability", "warehouse", "task", "worlds"] {
        worlds = Some(resolve.push_path(wit.join(package)).unwrap().0);
    }
    let world = resolve.select_world(&[worlds.unwrap()], Some("task")).unwrap();
    let text = format!(
        r#"(module {imports} (memory (export "memory") 2)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
          (func (export "cofferdam:task/task@0.1.0#run") (param i32) (result i32) {body}))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).unwrap();
    encoder.encode().unwrap()
}

/// A task that is done at once.
pub const NO_OP: &str = "(i32.const 0)";
/// A task that asks for a capability.
pub const ASKING: &str =
    r#"(import "cofferdam:capability/telemetry@0.1.0" "progress" (func (param i64 i64))) ;; (i32.const 0)"#;
/// A task that never ends.
pub const SPIN: &str = "(loop $l (br $l)) (i32.const 0)";

/// The scheduler's key, as the fixture has it.
pub fn dispatch_key() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

type Say = Box<dyn FnOnce(Nonce) -> Vec<Vec<u8>> + Send>;

#[derive(Default)]
struct Said {
    answers: VecDeque<Say>,
    offered: VecDeque<Dispatch>,
    reports: Vec<Report>,
    key: Option<PublicKey>,
    releases: HashMap<Sha256Digest, Vec<u8>>,
    blobs: HashMap<Sha256Digest, Vec<u8>>,
    blobs_fetched: usize,
    polls: usize,
    cancel: bool,
}

/// The scheduler of a test.
#[derive(Default)]
pub struct Stub {
    said: Mutex<Said>,
    changed: Condvar,
    wake: tokio::sync::Notify,
}

impl Stub {
    /// Answers a later poll with these envelopes.
    pub fn answer(&self, say: impl FnOnce(Nonce) -> Vec<Vec<u8>> + Send + 'static) {
        self.said.lock().unwrap().answers.push_back(Box::new(say));
        self.wake.notify_one();
    }

    /// Puts orders into a queue from which every poll is given as many as it asks for.
    pub fn offer(&self, orders: impl IntoIterator<Item = Dispatch>) {
        self.said.lock().unwrap().offered.extend(orders);
        self.wake.notify_one();
    }

    /// Offers a release.
    pub fn release(&self, envelope: Vec<u8>) -> Sha256Digest {
        let digest = unverified_body_sha256(&envelope, StatementKind::Release).unwrap();
        self.said.lock().unwrap().releases.insert(digest, envelope);
        digest
    }

    /// Offers a blob, under its digest or another one.
    pub fn blob(&self, digest: Sha256Digest, bytes: &[u8]) {
        self.said.lock().unwrap().blobs.insert(digest, bytes.to_vec());
    }

    /// How many blobs were fetched.
    pub fn blobs_fetched(&self) -> usize {
        self.said.lock().unwrap().blobs_fetched
    }

    /// Answers every renewal with a cancel from now on.
    pub fn cancel_all(&self) {
        self.said.lock().unwrap().cancel = true;
    }

    /// Waits until so many reports came; gives them all.
    pub fn reports(&self, at_least: usize) -> Vec<Report> {
        self.wait(|said| said.reports.len() >= at_least, |said| said.reports.clone())
    }

    /// Waits until every answer was given and another poll came.
    pub fn settle(&self) {
        let polls = self.wait(|said| said.answers.is_empty(), |said| said.polls);
        self.wait(move |said| said.polls > polls, |_| ());
    }

    fn wait<T>(&self, until: impl Fn(&Said) -> bool, give: impl Fn(&Said) -> T) -> T {
        let end = Instant::now() + PATIENCE;
        let mut said = self.said.lock().unwrap();
        while !until(&said) {
            assert!(Instant::now() < end, "nothing happened; reports so far: {:?}", said.reports);
            said = self.changed.wait_timeout(said, Duration::from_millis(100)).unwrap().0;
        }
        give(&said)
    }

    fn next(&self, envelope: &[u8], first: bool) -> Option<PollAnswer> {
        let mut said = self.said.lock().unwrap();
        if first {
            said.polls += 1;
            self.changed.notify_all();
        }
        let key = said.key.clone().unwrap();
        let poll = open::<Poll>(envelope, &KeySet::one(key)).unwrap();
        let poll = poll.statement();
        if !said.offered.is_empty() {
            let count = said.offered.len().min(poll.wanted.slots_free as usize);
            let orders: Vec<_> = said.offered.drain(..count).collect();
            drop(said);
            let key = dispatch_key();
            let sign = |order| {
                let envelope = cofferdam_bundle::sign(&Dispatch { poll_nonce: poll.nonce, ..order }, &[&key]);
                serde_json::from_slice(&envelope).unwrap()
            };
            return Some(PollAnswer { dispatches: orders.into_iter().map(sign).collect() });
        }
        let say = said.answers.pop_front()?;
        drop(said);
        let envelopes = say(poll.nonce);
        let dispatches = envelopes.iter().map(|e| serde_json::from_slice(e).unwrap_or(Value::Null));
        Some(PollAnswer { dispatches: dispatches.collect() })
    }
}

fn missing<T>() -> Result<T, ClientError> {
    Err(ClientError::TimedOut { url: "stub".into(), after: Duration::ZERO })
}

impl Scheduler for Stub {
    fn enrol<'a>(&'a self, enrol: &'a Enrol) -> Answer<'a, Enrolled> {
        let key = PublicKey::from_base64(&enrol.public).unwrap();
        let executor = ExecutorId::of_key(key.key_id());
        self.said.lock().unwrap().key = Some(key);
        Box::pin(async move { Ok(Enrolled { executor }) })
    }

    fn poll(&self, envelope: Vec<u8>, _wait_ms: u32) -> Answer<'_, PollAnswer> {
        Box::pin(async move {
            for turn in 0..20 {
                if let Some(answer) = self.next(&envelope, turn == 0) {
                    return Ok(answer);
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), self.wake.notified()).await;
            }
            Ok(PollAnswer::default())
        })
    }

    fn renew(&self, renew: Renew) -> Answer<'_, Renewed> {
        let cancel = self.said.lock().unwrap().cancel;
        let answer = if cancel { LeaseAnswer::Cancel } else { LeaseAnswer::Renewed };
        Box::pin(async move { Ok(Renewed { leases: vec![answer; renew.leases.len()] }) })
    }

    fn report(&self, reports: Reports) -> Answer<'_, ReportsTaken> {
        let mut said = self.said.lock().unwrap();
        let keys = KeySet::one(said.key.clone().unwrap());
        for report in &reports.reports {
            let bytes = serde_json::to_vec(report).unwrap();
            let report = open::<Report>(&bytes, &keys).unwrap();
            said.reports.push(report.statement().clone());
        }
        self.changed.notify_all();
        let answers = vec![ReportAnswer::Taken; reports.reports.len()];
        Box::pin(async move { Ok(ReportsTaken { answers }) })
    }

    fn release(&self, sha256: Sha256Digest) -> Answer<'_, Vec<u8>> {
        let envelope = self.said.lock().unwrap().releases.get(&sha256).cloned();
        Box::pin(async move { envelope.map_or_else(missing, Ok) })
    }

    fn blob(&self, sha256: Sha256Digest, _limit: ByteCount) -> Answer<'_, Vec<u8>> {
        let mut said = self.said.lock().unwrap();
        said.blobs_fetched += 1;
        let blob = said.blobs.get(&sha256).cloned();
        Box::pin(async move { blob.map_or_else(missing, Ok) })
    }
}

/// A folder, keys, a clock and a scheduler for one executor.
pub struct Bed {
    pub dir: tempfile::TempDir,
    pub fixture: Fixture,
    pub stub: Arc<Stub>,
    pub component: Vec<u8>,
    pub slots: u32,
    pub drain_s: u64,
    clock_ms: Arc<AtomicI64>,
    count: AtomicI64,
}

impl Bed {
    /// With one grant for a guest of this body.
    pub fn new(body: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new();
        fs::DirBuilder::new().mode(0o700).create(dir.path().join("data")).unwrap();
        let key = dir.path().join("data/key");
        let mut file =
            fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(key).unwrap();
        std::io::Write::write_all(&mut file, &[4; 32]).unwrap();
        fs::write(dir.path().join("root.json"), fixture.root_envelope()).unwrap();
        fs::create_dir(dir.path().join("grants")).unwrap();
        let clock_ms = Arc::new(AtomicI64::new(fixture.now.as_millis()));
        let component = guest(body);
        let stub = Arc::new(Stub::default());
        stub.blob(Sha256Digest::of(&component), &component);
        stub.blob(Sha256Digest::of(b"select 1"), b"select 1");
        let (slots, drain_s, count) = (2, 1, AtomicI64::new(1));
        let bed = Self { dir, fixture, stub, component, slots, drain_s, clock_ms, count };
        bed.write_grant(&bed.grant());
        bed
    }

    /// The text of the grant for the guest.
    pub fn grant(&self) -> String {
        format!(
            "grant_format = 1\nid = \"test\"\nowner = \"dba\"\nreason = \"test\"\nexpires = 2030-01-01\n\
             [subject]\nproject = \"{}\"\ntasks = [\"model.*\"]\nplugins = [\"{}\"]\nroles = [\"run\"]\n\
             [telemetry]\nlog = true\n",
            self.fixture.root().digest().prefixed(),
            Sha256Digest::of(&self.component).prefixed(),
        )
    }

    pub fn write_grant(&self, text: &str) {
        fs::write(self.dir.path().join("grants/test.toml"), text).unwrap();
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Moves the wall clock.
    pub fn later(&self, seconds: i64) {
        self.clock_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock_ms.load(Ordering::SeqCst))
    }

    /// Release number `seq` with these tasks, offered by the scheduler.
    pub fn release_of(&self, seq: u64, tasks: Vec<ReleasedTask>) -> Release {
        let inspected = cofferdam_inspect::inspect(&self.component).unwrap();
        let mut release = self.fixture.release();
        release.release_seq.0 = seq;
        release.gateways.clear();
        release.schedule_policy.min_interval_s = 0;
        release.plugins = vec![PluginEntry {
            name: "task-test".parse().unwrap(),
            sha256: Sha256Digest::of(&self.component),
            size: self.component.len() as u64,
            world: "cofferdam:worlds/task@0.1.0".into(),
            imports: inspected.imports,
        }];
        release.tasks = tasks;
        self.stub.release(self.fixture.sign_release(&release));
        release
    }

    /// Release number `seq` with one task.
    pub fn release(&self, seq: u64) -> Release {
        self.release_of(seq, vec![self.task("model.shop.orders")])
    }

    pub fn task(&self, id: &str) -> ReleasedTask {
        let mut task = task(id);
        task.plugin = "task-test".parse().unwrap();
        task.gateway = None;
        task.requests.clear();
        task
    }

    /// A dispatch of the first task, new in every respect.
    pub fn dispatch(&self, release: &Release) -> Dispatch {
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        let mut dispatch = self.fixture.dispatch_of(release);
        dispatch.dispatch_id = DispatchId::new(format!("dispatch-{n}")).unwrap();
        dispatch.run_id = RunId::new(format!("run_{n}")).unwrap();
        dispatch.lease_id = LeaseId::new(format!("lease_{n}")).unwrap();
        dispatch.fence = Fence(u64::try_from(n).unwrap());
        dispatch.issued_at = self.now();
        dispatch.not_after = self.now().plus(Duration::from_secs(120));
        dispatch
    }

    /// The same for many: the release is signed once.
    pub fn dispatch_from(&self, template: &Dispatch) -> Dispatch {
        let n = self.count.fetch_add(1, Ordering::SeqCst);
        Dispatch {
            dispatch_id: DispatchId::new(format!("dispatch-{n}")).unwrap(),
            run_id: RunId::new(format!("run_{n}")).unwrap(),
            lease_id: LeaseId::new(format!("lease_{n}")).unwrap(),
            fence: Fence(u64::try_from(n).unwrap()),
            ..template.clone()
        }
    }

    /// Has the scheduler send a dispatch that answers the poll.
    pub fn send(&self, dispatch: Dispatch) {
        let key = dispatch_key();
        self.stub.answer(move |nonce| {
            let dispatch = Dispatch { poll_nonce: nonce, ..dispatch };
            vec![cofferdam_bundle::sign(&dispatch, &[&key])]
        });
    }

    /// Sends, and gives the report.
    pub fn run(&self, dispatch: Dispatch) -> Report {
        let id = dispatch.dispatch_id.clone();
        self.send(dispatch);
        let found = |said: &Said| said.reports.iter().rev().find(|r| r.dispatch_id == id).cloned();
        self.stub.wait(|said| found(said).is_some(), found).unwrap()
    }

    /// Starts the executor.
    pub fn start(&self) -> Executor {
        self.start_in(&self.data())
    }

    /// Starts it on another data folder.
    pub fn start_in(&self, data: &Path) -> Executor {
        let path = |name: &str| Some(self.dir.path().join(name));
        let args = ConfigArgs {
            url: Some("http://127.0.0.1:1".into()),
            client_id: Some("test".into()),
            data: Some(data.to_owned()),
            root: path("root.json"),
            root_sha256: Some(self.fixture.root().digest().to_string()),
            grants: path("grants"),
            slots: Some(self.slots.to_string()),
            objects: path("objects"),
            drain_s: self.drain_s,
            ..ConfigArgs::default()
        };
        let mut config = Config::new(args, Some("secret".into())).unwrap();
        config.program = env!("CARGO_BIN_EXE_cofferdam-executor").into();
        let clock_ms = Arc::clone(&self.clock_ms);
        let clock = WallClock::of(move || Timestamp::from_millis(clock_ms.load(Ordering::SeqCst)));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stub: Arc<dyn Scheduler> = Arc::<Stub>::clone(&self.stub);
        let thread = thread::spawn(move || {
            run_with(config, stub, clock, async move {
                let _ = stopped.await;
                "the test ended"
            })
        });
        Executor { stop: Some(stop), thread: Some(thread) }
    }

    /// Everything in the ledger.
    pub fn ledger(&self) -> Vec<Event> {
        let text = fs::read(self.data().join("ledger/ledger.jsonl")).unwrap();
        text.split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| Record::parse(l).unwrap().event)
            .collect()
    }

    /// Codes of the refusals in the ledger.
    pub fn refusals(&self) -> Vec<Code> {
        let refused = |event: Event| match event {
            Event::DispatchRefused(refused) => Some(refused.code),
            _ => None,
        };
        self.ledger().into_iter().filter_map(refused).collect()
    }

    /// Codes of the alarms in the ledger.
    pub fn alarms(&self) -> Vec<Code> {
        let alarm = |event: Event| match event {
            Event::Alarm(alarm) => Some(alarm.code),
            _ => None,
        };
        self.ledger().into_iter().filter_map(alarm).collect()
    }
}

/// An executor that runs until it is dropped.
pub struct Executor {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ExecutorError>>>,
}

impl Executor {
    /// Stops it and gives how it ended.
    pub fn stop(mut self) -> Result<(), ExecutorError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ExecutorError> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if self.end().is_err() && !thread::panicking() {
            panic!("the executor failed");
        }
    }
}

/// What a report says, in short.
pub fn short(report: &Report) -> (ReportState, Option<u16>) {
    (report.state, report.code.map(|c| c.0))
}

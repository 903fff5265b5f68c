//! A real scheduler on a loopback port, real clients, and executors that hold real keys but run nothing.
#![allow(dead_code, unreachable_pub)]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_bundle::{
    KeySet, SigningKey, open, sign,
    statement::{Dispatch, LedgerHead, Phase, Poll, Release, Report, ReportState, Wanted},
    testing::{Fixture, task},
};
use cofferdam_client::{Client, ClientCredentials, ClientError, TlsOptions};
use cofferdam_ids::{BootId, ExecutorId, Nonce, Role, Sha256Digest, TaskId, Timestamp};
use cofferdam_protocol::api::{Enrol, PollAnswer, ReportAnswer, Reports, RunView, StartRun, TaskState};
use cofferdam_scheduler::{ClientKind, Config, NewClient, Running, create_client, start};

/// Long enough for any loaded machine; no test waits for it when all is well.
pub const PATIENCE_MS: u32 = 20_000;

pub struct House {
    pub data: tempfile::TempDir,
    pub fixture: Fixture,
    pub running: Option<Running>,
    pub person: NewClient,
    pub lease_term: Duration,
}

impl House {
    pub async fn new() -> Self {
        Self::with_lease_term(Duration::from_secs(60)).await
    }

    pub async fn with_lease_term(lease_term: Duration) -> Self {
        let data = tempfile::tempdir().unwrap();
        let seed = STANDARD.encode([3; 32]); // The fixture's dispatch key.
        std::fs::write(
            data.path().join("dispatch.key"),
            format!("{{\"alg\":\"ed25519\",\"seed\":\"{seed}\"}}"),
        )
        .unwrap();
        let person = create_client(&data.path().join("store"), ClientKind::Person, "alice", 1).await.unwrap();
        let mut house = Self { data, fixture: Fixture::new(), running: None, person, lease_term };
        house.start().await;
        house
    }

    pub fn store(&self) -> PathBuf {
        self.data.path().join("store")
    }

    pub fn config(&self) -> Config {
        Config {
            data: self.store(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dispatch_key: self.data.path().join("dispatch.key"),
            tls: None,
            lease_term: self.lease_term,
        }
    }

    pub async fn start(&mut self) {
        self.running = Some(start(self.config()).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub fn url(&self) -> &str {
        self.running.as_ref().unwrap().url()
    }

    pub fn client(&self, credentials: &NewClient) -> Client {
        let credentials = ClientCredentials::new(&credentials.client_id, &credentials.client_secret);
        Client::new(self.url(), credentials, TlsOptions::native()).unwrap()
    }

    pub fn person(&self) -> Client {
        self.client(&self.person)
    }

    /// A release of these tasks and what each needs, valid now.
    pub fn release(&self, tasks: &[(&str, &[&str])]) -> Release {
        let mut release = self.fixture.release();
        let now = wall_clock();
        release.issued_at = now;
        release.not_before = now.minus(Duration::from_secs(3600));
        release.not_after = now.plus(Duration::from_secs(86_400));
        release.tasks = tasks
            .iter()
            .map(|(id, needs)| {
                let mut task = task(id);
                task.needs = needs.iter().map(|n| TaskId::new(n).unwrap()).collect();
                task
            })
            .collect();
        release
    }

    /// Pushes root, blobs and release.
    pub async fn push(&self, release: &Release) -> Sha256Digest {
        let client = self.person();
        client.push_project(self.fixture.root_envelope()).await.unwrap();
        self.put_blobs(&client).await;
        client.push_release(self.fixture.sign_release(release)).await.unwrap().sha256
    }

    pub async fn put_blobs(&self, client: &Client) {
        // The fixture's plugins are the bytes of their names.
        for bytes in [b"adapter-sqlite".as_slice(), b"task-dbt", b"select 1"] {
            client.put_blob(&Sha256Digest::of(bytes), bytes.to_vec()).await.unwrap();
        }
    }

    pub async fn executor(&self, seed: u8) -> FakeExecutor {
        let made =
            create_client(&self.store(), ClientKind::Executor, &format!("executor-{seed}"), 1).await.unwrap();
        let mut executor = FakeExecutor::new(self.client(&made), made, seed);
        executor.enrol().await.unwrap();
        executor.dispatch_keys = Some(KeySet::one(self.fixture.dispatch_key.public()));
        executor
    }

    pub async fn start_all(&self) -> RunView {
        self.person().start_run(&StartRun::default()).await.unwrap()
    }
}

pub struct FakeExecutor {
    pub client: Client,
    pub credentials: NewClient,
    pub key: SigningKey,
    pub id: ExecutorId,
    pub boot: u32,
    pub poll_seq: u64,
    pub dispatch_keys: Option<KeySet>,
}

impl FakeExecutor {
    pub fn new(client: Client, credentials: NewClient, seed: u8) -> Self {
        let key = SigningKey::from_seed([seed; 32]);
        let id = ExecutorId::of_key(key.key_id());
        Self { client, credentials, key, id, boot: 1, poll_seq: 0, dispatch_keys: None }
    }

    pub fn enrolment(&self) -> Enrol {
        Enrol {
            public: self.key.public().to_base64(),
            name: "east-1".into(),
            cluster: "main".parse().unwrap(),
            pool: "default".parse().unwrap(),
            role: Role::Run,
            version: "0.1.0".into(),
            slots: 4,
        }
    }

    pub async fn enrol(&self) -> Result<ExecutorId, ClientError> {
        Ok(self.client.enrol(&self.enrolment()).await?.executor)
    }

    /// The next poll of this start.
    pub fn next_poll(&mut self, slots_free: u32, wait_ms: u32) -> Poll {
        self.poll_seq += 1;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.poll_seq.to_be_bytes());
        Poll {
            kind: "poll".into(),
            spec: 1,
            executor: self.id.clone(),
            cluster: "main".parse().unwrap(),
            pool: "default".parse().unwrap(),
            role: Role::Run,
            nonce: Nonce::from_bytes(nonce),
            boot: BootId::new(format!("{:036}", self.boot)).unwrap(),
            poll_seq: self.poll_seq,
            version: "0.1.0".into(),
            wanted: Wanted { slots_free, wait_ms },
            ledger: LedgerHead { size: 3, head: Sha256Digest::of(b"head") },
        }
    }

    pub async fn send(&self, poll: &Poll) -> Result<PollAnswer, ClientError> {
        self.client.poll(sign(poll, &[&self.key]), poll.wanted.wait_ms).await
    }

    /// Polls once; every dispatch is verified as a real executor would.
    pub async fn poll(&mut self, slots_free: u32, wait_ms: u32) -> Vec<Dispatch> {
        let poll = self.next_poll(slots_free, wait_ms);
        let answer = self.send(&poll).await.unwrap();
        let keys = self.dispatch_keys.as_ref().unwrap();
        let read = |envelope: &serde_json::Value| {
            let bytes = serde_json::to_vec(envelope).unwrap();
            let dispatch = open::<Dispatch>(&bytes, keys).unwrap().into_statement();
            assert_eq!((dispatch.poll_nonce, &dispatch.audience), (poll.nonce, &self.id));
            dispatch
        };
        answer.dispatches.iter().map(read).collect()
    }

    pub fn report(&self, dispatch: &Dispatch, state: ReportState) -> Report {
        Report {
            kind: "report".into(),
            spec: 1,
            executor: self.id.clone(),
            dispatch_id: dispatch.dispatch_id.clone(),
            lease_id: dispatch.lease_id.clone(),
            fence: dispatch.fence,
            state,
            code: (state != ReportState::Succeeded).then_some(cofferdam_ids::Code(401)),
            phase: Phase::Run,
            retryable: false,
            duration_s: Some(2),
            rows_affected: Some(10),
            ledger_seq: 9,
        }
    }

    pub async fn send_report(&self, report: &Report) -> ReportAnswer {
        self.send_reports(std::slice::from_ref(report)).await.remove(0)
    }

    pub async fn send_reports(&self, reports: &[Report]) -> Vec<ReportAnswer> {
        let sign = |report| serde_json::from_slice(&sign(report, &[&self.key])).unwrap();
        let reports = Reports { reports: reports.iter().map(sign).collect() };
        self.client.report(&reports).await.unwrap().answers
    }

    pub async fn succeed(&self, dispatch: &Dispatch) {
        assert_eq!(
            self.send_report(&self.report(dispatch, ReportState::Succeeded)).await,
            ReportAnswer::Taken
        );
    }
}

pub fn states(run: &RunView) -> Vec<(&str, TaskState)> {
    run.tasks.iter().map(|t| (t.task.as_str(), t.state)).collect()
}

pub fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(0).plus(since)
}

/// The code of a refused call.
pub fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    use cofferdam_ids::Explain as _;
    result.unwrap_err().code().to_string()
}

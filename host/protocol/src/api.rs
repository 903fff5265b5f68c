//! The scheduler's HTTP/JSON API: paths, bodies and limits. JSON in UTF-8, at most
//! [`BODY_BYTES_MAX`] except for blobs.
//!
//! | method and path | who | body → answer |
//! |---|---|---|
//! | `POST /oauth/token` | anyone | form `grant_type=client_credentials&client_id&client_secret` (or HTTP basic) → [`Token`] |
//! | `GET /v1/health` | anyone | → [`Health`] |
//! | `POST /v1/executors` | executor | [`Enrol`] → [`Enrolled`] |
//! | `POST /v1/poll` | executor | envelope of `poll.v1` → [`PollAnswer`] |
//! | `POST /v1/leases` | executor | [`Renew`] → [`Renewed`] |
//! | `POST /v1/reports` | executor | [`Reports`] → [`ReportsTaken`] |
//! | `GET /v1/releases/{sha256}` | executor, person | → the release's DSSE envelope |
//! | `GET /v1/blobs/{sha256}` | executor, person | → bytes |
//! | `PUT /v1/blobs/{sha256}` | person | bytes → 204 |
//! | `POST /v1/blobs/missing` | person | [`Digests`] → [`Digests`] the scheduler does not have |
//! | `POST /v1/projects` | person | envelope of `root.v1` → [`ProjectView`] |
//! | `POST /v1/releases` | person | envelope of `release.v1` → [`ReleaseView`] |
//! | `GET /v1/releases` | person | → [`Releases`] |
//! | `POST /v1/runs` | person | [`StartRun`] → [`RunView`] |
//! | `GET /v1/runs` | person | → [`Runs`] |
//! | `GET /v1/runs/{id}?after=N&wait_ms=M` | person | → [`RunView`]; waits until its `version` is above N |
//! | `POST /v1/runs/{id}/cancel` | person | → [`RunView`] |
//! | `GET /v1/executors` | person | → [`Executors`] |
//!
//! Errors are [`ApiError`] with a matching HTTP status.

use cofferdam_bundle::statement::{Argument, LedgerHead, ReportState};
use cofferdam_ids::{
    AttemptNo, ClusterName, Code, EnvironmentName, ExecutorId, Fence, JobName, LeaseId, PoolName, ProjectId,
    ReleaseSeq, Role, RunId, Sha256Digest, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// Bytes of a request or answer, blobs apart.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of one blob.
pub const BLOB_BYTES_MAX: usize = 64 << 20;
/// Dispatches in one answer.
pub const DISPATCHES_MAX: usize = 64;
/// Reports in one call.
pub const REPORTS_MAX: usize = 256;
/// Leases renewed in one call.
pub const RENEWALS_MAX: usize = 256;
/// Milliseconds a poll or a watch may wait.
pub const WAIT_MS_MAX: u32 = 30_000;

/// An OAuth 2.0 access token (RFC 6749 §4.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Opaque.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds it is good for.
    pub expires_in: u64,
}

/// What an error answer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The stable code.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Answer of `/v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The scheduler's version.
    pub version: String,
    /// Its clock.
    pub now: Timestamp,
    /// The key it signs dispatches with: 32 bytes in base64.
    pub dispatch_key: String,
}

/// An executor makes itself known. The client it is authenticated as must be of kind `executor`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrol {
    /// Its public key: 32 bytes in base64.
    pub public: String,
    /// A name for people, e.g. the host's role.
    pub name: String,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its pool.
    pub pool: PoolName,
    /// Its role.
    pub role: Role,
    /// Its version.
    pub version: String,
    /// Attempts it runs at once.
    pub slots: u32,
}

/// The executor is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// Its id, derived from its key.
    pub executor: ExecutorId,
}

/// Answer of a poll.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PollAnswer {
    /// Envelopes of `dispatch.v1`, each signed on its own.
    pub dispatches: Vec<serde_json::Value>,
}

/// Renews leases; sent at a third of their term.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renew {
    /// The leases held.
    pub leases: Vec<HeldLease>,
}

/// A lease an executor holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLease {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its fence.
    pub fence: Fence,
}

/// What became of each lease, in the order asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renewed {
    /// One for each.
    pub leases: Vec<LeaseAnswer>,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseAnswer {
    /// Renewed for another term.
    Renewed,
    /// The run was cancelled: stop the attempt and report it.
    Cancel,
    /// Not held any more: stop the attempt, its report will be refused.
    Lost,
}

/// Reports of ended attempts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reports {
    /// Envelopes of `report.v1`.
    pub reports: Vec<serde_json::Value>,
}

/// What became of each report, in the order sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportsTaken {
    /// One for each.
    pub answers: Vec<ReportAnswer>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportAnswer {
    /// Taken, or taken before.
    Taken,
    /// The lease is not the executor's any more, or the fence is old.
    Stale,
    /// Not a valid report.
    Invalid,
}

/// A list of digests, at most 20,000.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Digests {
    /// The digests.
    pub digests: Vec<Sha256Digest>,
}

/// A project the scheduler knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectView {
    /// Its label.
    pub project: ProjectId,
    /// Digest of its trust root's body.
    pub root_sha256: Sha256Digest,
}

/// A release the scheduler has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseView {
    /// The project.
    pub project: ProjectId,
    /// Digest of its body.
    pub sha256: Sha256Digest,
    /// Its number.
    pub release_seq: ReleaseSeq,
    /// When it was built.
    pub issued_at: Timestamp,
    /// Number of tasks.
    pub tasks: u32,
    /// Names of its jobs.
    pub jobs: Vec<JobName>,
}

/// Releases, newest first, at most 200.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Releases {
    /// The releases.
    pub releases: Vec<ReleaseView>,
}

/// Starts a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StartRun {
    /// The project; may be left out where the scheduler has one.
    #[serde(default)]
    pub project: Option<ProjectId>,
    /// The release; the newest unless given.
    #[serde(default)]
    pub release: Option<Sha256Digest>,
    /// A job of the release, or `select`; everything where neither is given.
    #[serde(default)]
    pub job: Option<JobName>,
    /// Selectors.
    #[serde(default)]
    pub select: Vec<String>,
    /// The environment, `prod` unless given.
    #[serde(default)]
    pub environment: Option<EnvironmentName>,
    /// The role of executors to run on, `run` unless given.
    #[serde(default)]
    pub role: Option<Role>,
    /// Parameter values; a task takes those its schema names.
    #[serde(default)]
    pub params: Vec<Argument>,
    /// Makes the call safe to repeat: the same key gives the same run.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Tasks wait or run.
    Running,
    /// Every task succeeded.
    Succeeded,
    /// A task failed, was refused or was skipped.
    Failed,
    /// Stopped on request.
    Cancelled,
}

/// State of a task in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits for what it needs.
    Waiting,
    /// May be leased (from `ready_at`).
    Ready,
    /// An executor holds it.
    Leased,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Refused by the executor.
    Refused,
    /// Not run, because something it needs did not succeed.
    Skipped,
    /// Stopped on request.
    Cancelled,
}

impl TaskState {
    /// Whether nothing more will happen to it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Ready | Self::Leased)
    }
}

/// A run and its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub run: RunId,
    /// Rises with every change; for `after`.
    pub version: u64,
    /// The project.
    pub project: ProjectId,
    /// The release.
    pub release_seq: ReleaseSeq,
    /// Digest of the release's body.
    pub release_sha256: Sha256Digest,
    /// The job, if one was named.
    pub job: Option<JobName>,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its state.
    pub state: RunState,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When its last task ended.
    pub ended_at: Option<Timestamp>,
    /// Who asked.
    pub requested_by: String,
    /// Its tasks, in the order of the release; empty in lists, those that changed in answers to
    /// watches that ask for changes.
    pub tasks: Vec<TaskView>,
    /// Number of tasks by state, for lists.
    pub counts: Vec<(TaskState, u32)>,
}

impl RunView {
    /// This view with what changed since: `changes` holds, in the same order, the tasks that did.
    #[must_use]
    pub fn with(mut self, changes: Self) -> Self {
        let mut changed = changes.tasks.into_iter().peekable();
        for task in &mut self.tasks {
            if let Some(newer) = changed.next_if(|newer| newer.task == task.task) {
                *task = newer;
            }
        }
        Self { tasks: self.tasks, ..changes }
    }
}

/// A task in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task.
    pub task: TaskId,
    /// Its state.
    pub state: TaskState,
    /// The last attempt, 0 before the first.
    pub attempt: AttemptNo,
    /// Who ran it last.
    pub executor: Option<ExecutorId>,
    /// The host's code where it did not succeed.
    pub code: Option<Code>,
    /// For a skipped task: the task that stood in its way.
    pub because: Option<TaskId>,
    /// When the last attempt was leased.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Seconds the executor reported.
    pub duration_s: Option<u64>,
    /// Rows the executor reported.
    pub rows_affected: Option<u64>,
}

/// Runs, newest first, at most 200.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Runs {
    /// The runs.
    pub runs: Vec<RunView>,
}

/// An executor the scheduler knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutorView {
    /// Its id.
    pub executor: ExecutorId,
    /// Its name.
    pub name: String,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its pool.
    pub pool: PoolName,
    /// Its role.
    pub role: Role,
    /// Its version.
    pub version: String,
    /// Attempts it runs at once.
    pub slots: u32,
    /// Attempts it holds now.
    pub held: u32,
    /// Its last poll.
    pub last_poll_at: Option<Timestamp>,
    /// What it last did.
    pub last_report: Option<LastReport>,
    /// Where its ledger stood at the last poll.
    pub ledger: Option<LedgerHead>,
}

/// What an executor last did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReport {
    /// The task.
    pub task: TaskId,
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub state: ReportState,
    /// When.
    pub at: Timestamp,
}

/// All executors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Executors {
    /// The executors.
    pub executors: Vec<ExecutorView>,
}

//! What is recorded. Field names are the ledger's format; they are read back for years.

use cofferdam_ids::{
    AttemptNo, BootId, ClusterName, Code, DispatchId, EnvironmentName, ExecutorId, Fence, GatewayName,
    GrantId, PluginName, PoolName, ProjectId, ReleaseSeq, Role, RunId, Sha256Digest, TaskId,
};
use serde::{Deserialize, Serialize};

/// The number of a record, from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// An executor is up and has not yet asked for work.
    #[serde(rename = "executor.started")]
    ExecutorStarted(ExecutorStarted),
    /// It stopped in good order.
    #[serde(rename = "executor.stopped")]
    ExecutorStopped(ExecutorStopped),
    /// Something that should have been recorded may be missing.
    #[serde(rename = "audit.gap")]
    AuditGap(AuditGap),
    /// Something that must never happen was seen, e.g. two releases under one number.
    #[serde(rename = "trust.alarm")]
    Alarm(Alarm),
    /// A dispatch was not accepted.
    #[serde(rename = "dispatch.refused")]
    DispatchRefused(DispatchRefused),
    /// An attempt may run; written before the first guest instruction.
    #[serde(rename = "task.admitted")]
    TaskAdmitted(Box<TaskAdmitted>),
    /// A call was allowed and is about to be performed.
    #[serde(rename = "cap.intent")]
    CapIntent(Box<CapIntent>),
    /// What came of the call of the same attempt and number.
    #[serde(rename = "cap.result")]
    CapResult(CapResult),
    /// A call was refused and not performed.
    #[serde(rename = "cap.denied")]
    CapDenied(Box<CapDenied>),
    /// An attempt is over.
    #[serde(rename = "task.ended")]
    TaskEnded(TaskEnded),
    /// The scheduler was told how an attempt ended.
    #[serde(rename = "report.sent")]
    ReportSent(ReportSent),
    /// Something an earlier process left running in a warehouse was ended.
    #[serde(rename = "gateway.swept")]
    GatewaySwept(GatewaySwept),
}

/// Which attempt a record is about. `task.admitted` of the same dispatch says the rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttemptRef {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Which try.
    pub attempt: AttemptNo,
    /// The order it was started by.
    pub dispatch: DispatchId,
}

/// The rule that allowed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRef {
    /// The grant's id.
    pub id: GrantId,
    /// Digest of the grant file as it was read.
    pub sha256: Sha256Digest,
    /// The line of the rule in it.
    pub line: u32,
}

/// A plugin that takes part in an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name in the release.
    pub name: PluginName,
    /// Digest of the component.
    pub sha256: Sha256Digest,
}

/// `executor.started`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutorStarted {
    /// Who.
    pub executor: ExecutorId,
    /// This start.
    pub boot: BootId,
    /// Its version.
    pub version: String,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its pool.
    pub pool: PoolName,
    /// Its role.
    pub role: Role,
    /// Digest of the pinned trust root.
    pub root_sha256: Sha256Digest,
    /// Digest of all grant files together.
    pub grants_sha256: Sha256Digest,
    /// What the kernel gives runners, e.g. `landlock 4`, `seccomp`.
    pub confinement: Vec<String>,
}

/// `executor.stopped`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutorStopped {
    /// Which start ended.
    pub boot: BootId,
    /// Why, e.g. `SIGTERM`.
    pub reason: String,
}

/// `audit.gap`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditGap {
    /// Bytes of a torn last line that were cut off when the ledger was opened.
    pub bytes_cut: u64,
    /// What may be missing.
    pub note: String,
}

/// `trust.alarm`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The stable code.
    pub code: Code,
    /// What was seen.
    pub reason: String,
}

/// `dispatch.refused`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchRefused {
    /// The order, where it could be read and its signature held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<DispatchId>,
    /// Its run, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Its task, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Where it was refused: `verify` or `admit`.
    pub phase: String,
    /// The stable code.
    pub code: Code,
    /// Why.
    pub reason: String,
}

/// `task.admitted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAdmitted {
    /// Which attempt.
    pub at: AttemptRef,
    /// The executor.
    pub executor: ExecutorId,
    /// The project.
    pub project: ProjectId,
    /// The environment the dispatch names.
    pub environment: EnvironmentName,
    /// The attempt's fence.
    pub fence: Fence,
    /// Digest of the release's body.
    pub release_sha256: Sha256Digest,
    /// Its number.
    pub release_seq: ReleaseSeq,
    /// Who asked for the run, as the scheduler claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The task's plugin first, then its adapters.
    pub plugins: Vec<PluginRef>,
    /// The rules that cover what the task requests.
    pub grants: Vec<GrantRef>,
}

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A gateway.
    Gateway {
        /// Its name.
        name: GatewayName,
        /// `read`, `write` or `admin`.
        access: String,
    },
    /// A file of the release, or the start of several paths.
    File(String),
    /// A file kept beside the attempt's log. Its size is the call's `bytes_in`.
    Kept {
        /// Its name.
        name: String,
        /// Its digest; none where the call was refused before its bytes were looked at.
        sha256: Option<Sha256Digest>,
    },
}

/// What is kept of a statement: never its text, never its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementFacts {
    /// Digest of its text.
    pub sha256: Sha256Digest,
    /// What it does, e.g. `select`, `create_table`.
    pub kind: String,
    /// Relations it reads.
    pub reads: Vec<String>,
    /// Relations it writes.
    pub writes: Vec<String>,
    /// How they were found: `parsed`, `signed`, `none`.
    pub found: String,
    /// Number of values bound to it.
    pub values: u32,
}

/// `cap.intent`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapIntent {
    /// Which attempt.
    pub at: AttemptRef,
    /// The number of the call in its attempt, from 1.
    pub call: u64,
    /// Which call, e.g. `sql_execute`.
    pub capability: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The statement, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementFacts>,
    /// The rule that allows it.
    pub grant: GrantRef,
    /// Bytes that came with it.
    pub bytes_in: u64,
}

/// How a performed call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Done,
    /// Tried, and failed: nothing of it lasts.
    Failed,
    /// Stopped, or the executor cannot tell whether it took effect.
    Unknown,
}

/// `cap.result`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapResult {
    /// Which attempt.
    pub at: AttemptRef,
    /// The number of the call.
    pub call: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The stable code, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Rows read out or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes that went back to the guest.
    pub bytes_out: u64,
    /// Microseconds it took.
    pub took_us: u64,
    /// Whom a session that was opened speaks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Box<PeerFacts>>,
    /// Where it was stopped: `confirmed` where the warehouse stopped too, `unconfirmed` where
    /// nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// What a commit of a named step came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Box<PublishFacts>>,
}

/// Whom a session speaks to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFacts {
    /// The warehouse's own name for the role that is logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// SHA-256 of the certificate the server showed, in hex; none without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

/// A commit of a named step, which is done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishFacts {
    /// The step.
    pub step: String,
    /// Whether this commit made it last; false where an earlier attempt of the run had.
    pub published: bool,
}

/// `gateway.swept`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySwept {
    /// The gateway.
    pub gateway: GatewayName,
    /// What was ended there, left running by an earlier process of this executor.
    pub what: String,
}

/// `cap.denied`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapDenied {
    /// Which attempt.
    pub at: AttemptRef,
    /// The number of the call in its attempt.
    pub call: u64,
    /// Which call.
    pub capability: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The statement, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementFacts>,
    /// The stable code.
    pub code: Code,
    /// Why, as the guest was told.
    pub reason: String,
    /// The grant file and line that came closest, `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// `task.ended`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnded {
    /// Which attempt.
    pub at: AttemptRef,
    /// `succeeded`, `failed`, `stopped`, `cancelled`, `lost`.
    pub state: String,
    /// The host's code, where it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Milliseconds it took.
    pub wall_ms: u64,
    /// Calls of the guest, telemetry included.
    pub calls: u64,
    /// Calls that were refused.
    pub denied: u64,
    /// Of those, refusals past the limit of records, counted only here.
    pub denied_unrecorded: u64,
    /// Rows the guest read out of warehouses.
    pub rows_out: u64,
    /// Bytes the guest read out.
    pub bytes_out: u64,
    /// Log lines kept, and counted only.
    pub log_lines: u64,
    /// Log lines past the limit.
    pub log_lines_dropped: u64,
}

/// `report.sent`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSent {
    /// The order it answers.
    pub dispatch: DispatchId,
    /// The state told.
    pub state: String,
    /// The code told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Every field that left.
    pub fields: Vec<String>,
}

impl Event {
    /// Its name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExecutorStarted(_) => "executor.started",
            Self::ExecutorStopped(_) => "executor.stopped",
            Self::AuditGap(_) => "audit.gap",
            Self::Alarm(_) => "trust.alarm",
            Self::DispatchRefused(_) => "dispatch.refused",
            Self::TaskAdmitted(_) => "task.admitted",
            Self::CapIntent(_) => "cap.intent",
            Self::CapResult(_) => "cap.result",
            Self::CapDenied(_) => "cap.denied",
            Self::TaskEnded(_) => "task.ended",
            Self::ReportSent(_) => "report.sent",
            Self::GatewaySwept(_) => "gateway.swept",
        }
    }

    /// The attempt it is about, if it is about one.
    pub fn at(&self) -> Option<&AttemptRef> {
        match self {
            Self::TaskAdmitted(e) => Some(&e.at),
            Self::CapIntent(e) => Some(&e.at),
            Self::CapResult(e) => Some(&e.at),
            Self::CapDenied(e) => Some(&e.at),
            Self::TaskEnded(e) => Some(&e.at),
            _ => None,
        }
    }
}

//! What the writer is asked to do.

use std::sync::Arc;

use cofferdam_bundle::statement::{Argument, LedgerHead, Release, Report, RunReason};
use cofferdam_ids::{
    BootId, EnvironmentName, ExecutorId, JobName, ProjectId, ReleaseSeq, Role, RunId, Sha256Digest, Timestamp,
};
use cofferdam_protocol::{
    api::{Enrol, HeldLease, LeaseAnswer, ReportAnswer},
    queue::{Ask, Grant, RunPlan},
};
use tokio::sync::oneshot;

use crate::Problem;

/// Where an answer goes once it is durable.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What the writer is asked to do.
pub(crate) enum Command {
    /// Keeps a token by its digest.
    Token { sha256: Sha256Digest, client: String, reply: Reply<()> },
    /// Makes an executor known.
    Enrol { client: String, keys_max: u32, executor: ExecutorId, enrol: Enrol, reply: Reply<()> },
    /// Makes a project known.
    Project { project: ProjectId, root_sha256: Sha256Digest, envelope: Vec<u8>, reply: Reply<()> },
    /// Keeps a verified release.
    Release { release: Arc<Release>, sha256: Sha256Digest, envelope: Vec<u8>, reply: Reply<()> },
    /// Starts a run, or finds the one with the same key.
    Start { start: Box<Start>, reply: Reply<RunId> },
    /// Cancels a run.
    Cancel { run: RunId, reply: Reply<()> },
    /// Leases tasks; with facts when the poll came, without when it is asked again.
    Poll { client: String, facts: Option<PollFacts>, ask: Ask, reply: Reply<Vec<Order>> },
    /// Renews leases that executors of one client hold.
    Renew { executors: Vec<ExecutorId>, leases: Vec<HeldLease>, reply: Reply<Vec<LeaseAnswer>> },
    /// Takes verified reports.
    Report { reports: Vec<Report>, reply: Reply<Vec<ReportAnswer>> },
    /// Ends the writer after this batch.
    Close { reply: Reply<()> },
}

/// What a poll says of its executor.
#[derive(Clone)]
pub(crate) struct PollFacts {
    pub(crate) boot: BootId,
    pub(crate) poll_seq: u64,
    pub(crate) version: String,
    pub(crate) ledger: LedgerHead,
}

/// A run to start.
pub(crate) struct Start {
    pub(crate) meta: RunMeta,
    pub(crate) plan: RunPlan,
    pub(crate) client: String,
    pub(crate) idempotency_key: Option<String>,
}

/// What every dispatch of a run has in common.
#[derive(Clone)]
pub(crate) struct RunMeta {
    pub(crate) run: RunId,
    pub(crate) project: ProjectId,
    pub(crate) release: Arc<Release>,
    pub(crate) release_sha256: Sha256Digest,
    pub(crate) release_seq: ReleaseSeq,
    /// Position in the release of each task of the run.
    pub(crate) places: Vec<usize>,
    pub(crate) job: Option<JobName>,
    pub(crate) environment: EnvironmentName,
    pub(crate) role: Role,
    pub(crate) params: Vec<Argument>,
    pub(crate) reason: RunReason,
    pub(crate) requested_by: String,
    /// Set by the writer, on the database's clock.
    pub(crate) started_at: Timestamp,
}

/// One attempt given away, with all its dispatch needs.
pub(crate) struct Order {
    pub(crate) grant: Grant,
    pub(crate) meta: Arc<RunMeta>,
    pub(crate) issued_at: Timestamp,
}

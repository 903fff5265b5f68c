//! A dispatch: the scheduler's order for one attempt, on one executor, now, once.

use cofferdam_ids::{
    AttemptNo, ClusterName, DispatchId, EnvironmentName, ExecutorId, Fence, LeaseId, Nonce, PoolName,
    ProjectId, ReleaseSeq, Role, RunId, Sha256Digest, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// Body of `dispatch.v1`, signed by role `dispatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// Always `dispatch`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub spec: u32,
    /// The project.
    pub project: ProjectId,
    /// This order.
    pub dispatch_id: DispatchId,
    /// The run it belongs to.
    pub run_id: RunId,
    /// When the run was started.
    pub run_started_at: Timestamp,
    /// The task.
    pub task: TaskId,
    /// Digest of the release's body.
    pub release_sha256: Sha256Digest,
    /// Its sequence number.
    pub release_seq: ReleaseSeq,
    /// The one executor it is for.
    pub audience: ExecutorId,
    /// That executor's cluster.
    pub cluster: ClusterName,
    /// That executor's pool.
    pub pool: PoolName,
    /// The role it is to run in.
    pub role: Role,
    /// The lease.
    pub lease_id: LeaseId,
    /// Which try.
    pub attempt: AttemptNo,
    /// Rises with every lease of the task.
    pub fence: Fence,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Not to be started from then on.
    pub not_after: Timestamp,
    /// Seconds until the lease ends, unless renewed.
    pub lease_ttl_s: u32,
    /// Echoed from the poll it answers.
    pub poll_nonce: Nonce,
    /// Values of parameters.
    pub params: Vec<Argument>,
    /// The environment.
    pub environment: EnvironmentName,
    /// Why the run was started.
    pub reason: RunReason,
    /// Who asked, as the scheduler claims; never trusted.
    pub requested_by: String,
}

/// Why a run was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunReason {
    /// Somebody asked for it.
    Manual,
    /// A schedule did.
    Schedule,
}

/// A name and a value as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// The name.
    pub name: String,
    /// The value, a JSON text.
    pub json: String,
}

//! A poll: an executor asks for work. Signed with the executor's own key.

use cofferdam_ids::{BootId, ClusterName, ExecutorId, Nonce, PoolName, Role, Sha256Digest};
use serde::{Deserialize, Serialize};

/// Body of `poll.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// Always `poll`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub spec: u32,
    /// Who asks.
    pub executor: ExecutorId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its pool.
    pub pool: PoolName,
    /// Its role.
    pub role: Role,
    /// Fresh random bytes; every dispatch of the answer echoes them.
    pub nonce: Nonce,
    /// This start of the executor.
    pub boot: BootId,
    /// Counts polls of this boot, from 1.
    pub poll_seq: u64,
    /// The executor's version.
    pub version: String,
    /// What it can take now.
    pub wanted: Wanted,
    /// Where its ledger stands.
    pub ledger: LedgerHead,
}

/// What an executor can take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Free slots, 0 to 64.
    pub slots_free: u32,
    /// Milliseconds it will wait for an answer, 0 to 30,000.
    pub wait_ms: u32,
}

/// Where a ledger stands: all the scheduler learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHead {
    /// Records so far.
    pub size: u64,
    /// Hash of the last one; zeroes where there is none.
    pub head: Sha256Digest,
}

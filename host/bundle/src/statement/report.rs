//! A report: the closed list of what may leave the customer's network about an attempt.

use cofferdam_ids::{Code, DispatchId, ExecutorId, Fence, LeaseId};
use serde::{Deserialize, Serialize};

/// Body of `report.v1`, signed with the executor's own key. A field that is not here cannot leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always `report`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub spec: u32,
    /// Who reports.
    pub executor: ExecutorId,
    /// The order.
    pub dispatch_id: DispatchId,
    /// The lease.
    pub lease_id: LeaseId,
    /// The attempt's fence.
    pub fence: Fence,
    /// What came of it.
    pub state: ReportState,
    /// The host's code, where it did not succeed. A guest's own code never leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Where it ended.
    pub phase: Phase,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// Seconds, rounded up; only where release and grant allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// Rows changed or checked; only where release and grant allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_affected: Option<u64>,
    /// The ledger's record of this report.
    pub ledger_seq: u64,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    /// Done.
    Succeeded,
    /// Tried, and failed.
    Failed,
    /// Not started: verification, grants or policy said no.
    Refused,
    /// Stopped on request.
    Cancelled,
}

/// Where an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Signatures, time, replay, policy.
    Verify,
    /// Grants, blobs, compilation.
    Admit,
    /// The guest.
    Run,
    /// Making its work visible.
    Publish,
}

//! What a door is made of, and what it counts.

use std::sync::Arc;

use cofferdam_call::Limits;
use cofferdam_cap_files::ReleaseFiles;
use cofferdam_cap_sql::{Gateways, Holder};
use cofferdam_ids::{AttemptNo, Code, DispatchId, Fence, ProjectId, RunId, TaskId};
use cofferdam_ledger::{AttemptRef, Clock, Event, Ledger, TaskEnded};

use crate::{earlier::Earlier, log::LogSink, rights::Rights};

/// Which attempt it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptIds {
    /// The project, as a warehouse tells it from others: its label and its trust root's digest.
    pub project: ProjectId,
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Which try.
    pub attempt: AttemptNo,
    /// The order it was started by.
    pub dispatch: DispatchId,
    /// The number of its lease, which a publishing transaction checks.
    pub fence: Fence,
}

impl AttemptIds {
    /// As a warehouse is told whose session it is.
    pub(crate) fn holder(&self) -> Holder {
        Holder {
            project: self.project.clone(),
            run: self.run.clone(),
            task: self.task.clone(),
            attempt: self.attempt,
            dispatch: self.dispatch.clone(),
            fence: self.fence,
        }
    }

    /// As the ledger names it.
    pub fn at(&self) -> AttemptRef {
        AttemptRef {
            run: self.run.clone(),
            task: self.task.clone(),
            attempt: self.attempt,
            dispatch: self.dispatch.clone(),
        }
    }
}

/// All a door needs to know of its attempt.
pub struct AttemptContext {
    /// Which attempt.
    pub ids: AttemptIds,
    /// What it may do.
    pub rights: Arc<dyn Rights>,
    /// The files of its release.
    pub files: Arc<ReleaseFiles>,
    /// The executor's gateways.
    pub gateways: Arc<Gateways>,
    /// The executor's ledger.
    pub ledger: Arc<Ledger>,
    /// Where its log goes.
    pub log: Box<dyn LogSink>,
    /// What attempts of its run left.
    pub earlier: Box<dyn Earlier>,
    /// What it may use. The wall clock starts when the door is made; past it every call answers
    /// `CD0410`, and SQL under way is stopped.
    pub limits: Limits,
    /// Says what time it is, for log lines.
    pub clock: Clock,
}

/// What went through a door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls, telemetry included.
    pub calls: u64,
    /// Calls that were refused.
    pub denied: u64,
    /// Of those, refusals past [`crate::RECORDS_MAX`], which have no record of their own.
    pub denied_unrecorded: u64,
    /// Rows read out of warehouses.
    pub rows_out: u64,
    /// Bytes that went to the guest.
    pub bytes_out: u64,
    /// Log lines kept.
    pub log_lines: u64,
    /// Log lines past the attempt's limit.
    pub log_lines_dropped: u64,
}

impl Counts {
    /// The record of the attempt's end. `state` is `succeeded`, `failed`, `stopped`, `cancelled`
    /// or `lost`.
    pub fn ended(&self, ids: &AttemptIds, state: &str, code: Option<Code>, wall_ms: u64) -> Event {
        Event::TaskEnded(TaskEnded {
            at: ids.at(),
            state: state.to_owned(),
            code,
            wall_ms,
            calls: self.calls,
            denied: self.denied,
            denied_unrecorded: self.denied_unrecorded,
            rows_out: self.rows_out,
            bytes_out: self.bytes_out,
            log_lines: self.log_lines,
            log_lines_dropped: self.log_lines_dropped,
        })
    }
}

//! One line of the journal.

use cofferdam_ids::{DispatchId, Fence, ProjectId, ReleaseSeq, RunId, Sha256Digest, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// What is remembered so that nothing runs twice, too often, or from an older release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A dispatch was taken and will not be taken again.
    Consumed {
        /// When.
        at: Timestamp,
        /// Which.
        dispatch: DispatchId,
        /// From then on its own time refuses it.
        not_after: Timestamp,
        /// The project.
        project: ProjectId,
        /// The task.
        task: TaskId,
        /// No lower or equal fence of the task is accepted any more.
        fence: Fence,
    },
    /// A release was accepted: no older one is, nor another of the same number.
    Release {
        /// When.
        at: Timestamp,
        /// The project.
        project: ProjectId,
        /// Its number.
        seq: ReleaseSeq,
        /// Its digest.
        sha256: Sha256Digest,
    },
    /// An attempt was admitted.
    Attempt {
        /// When.
        at: Timestamp,
        /// The project.
        project: ProjectId,
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
    },
    /// Compacted: a dispatch that was taken.
    Spent {
        /// The clock's floor.
        at: Timestamp,
        /// Which.
        dispatch: DispatchId,
        /// From then on its own time refuses it.
        not_after: Timestamp,
    },
    /// Compacted: the highest fence of a task.
    Fence {
        /// The clock's floor.
        at: Timestamp,
        /// The project.
        project: ProjectId,
        /// The task.
        task: TaskId,
        /// Its highest fence.
        fence: Fence,
    },
    /// Compacted: how often a task was tried in a run.
    Attempts {
        /// The clock's floor.
        at: Timestamp,
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// So often.
        count: u32,
    },
    /// Compacted: when a task was first tried in its last run.
    Start {
        /// The clock's floor.
        at: Timestamp,
        /// The project.
        project: ProjectId,
        /// The task.
        task: TaskId,
        /// The run.
        run: RunId,
        /// When.
        started: Timestamp,
    },
}

impl Entry {
    /// When it was written.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Consumed { at, .. }
            | Self::Release { at, .. }
            | Self::Attempt { at, .. }
            | Self::Spent { at, .. }
            | Self::Fence { at, .. }
            | Self::Attempts { at, .. }
            | Self::Start { at, .. } => *at,
        }
    }
}

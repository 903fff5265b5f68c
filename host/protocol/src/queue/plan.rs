//! What a run is made of, and what is known of each of its tasks.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cofferdam_bundle::statement::{Audience, Release, ReleasedTask, Retry};
use cofferdam_ids::{
    AttemptNo, Code, DispatchId, ExecutorId, Fence, LeaseId, ProjectId, Role, RunId, TaskId, Timestamp,
};

use crate::api::TaskState;

/// What a run is made of. Does not change while it runs.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The run.
    pub run: RunId,
    /// Its project.
    pub project: ProjectId,
    /// Where its release may run.
    pub audience: Audience,
    /// The role of executors it runs on.
    pub role: Role,
    /// Its tasks, in the order of the release.
    pub tasks: Vec<PlannedTask>,
}

/// One task of a run.
#[derive(Clone, Debug)]
pub struct PlannedTask {
    /// Its id.
    pub id: TaskId,
    /// Positions of the tasks of this run that must have succeeded before.
    pub needs: Vec<usize>,
    /// How often it is tried.
    pub retry: Retry,
}

impl RunPlan {
    /// The plan of a run of these tasks of a release; what they need outside of the selection
    /// counts as done, and what that needs inside of it is waited for all the same. Attempts are
    /// bounded by the release's schedule policy too.
    pub fn of_release(run: RunId, release: &Release, role: Role, selected: &[usize]) -> Self {
        let place: HashMap<usize, usize> = selected.iter().enumerate().map(|(i, at)| (*at, i)).collect();
        let index: HashMap<&TaskId, usize> =
            release.tasks.iter().enumerate().map(|(i, t)| (&t.id, i)).collect();
        let most = release.schedule_policy.max_attempts;
        let planned = selected.iter().filter_map(|at| release.tasks.get(*at)).map(|task| PlannedTask {
            id: task.id.clone(),
            needs: needs(release, &index, &place, task),
            retry: Retry { attempts: task.retry.attempts.min(most).max(1), ..task.retry },
        });
        Self {
            run,
            project: release.project.clone(),
            audience: release.audience.clone(),
            role,
            tasks: planned.collect(),
        }
    }
}

/// The nearest tasks of the selection that a task needs, through those outside of it.
fn needs(
    release: &Release,
    index: &HashMap<&TaskId, usize>,
    place: &HashMap<usize, usize>,
    task: &ReleasedTask,
) -> Vec<usize> {
    let of = |task: &ReleasedTask| -> Vec<usize> {
        task.needs.iter().filter_map(|id| index.get(id).copied()).collect()
    };
    let mut open = of(task);
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        match (place.get(&at), release.tasks.get(at)) {
            (Some(i), _) => found.push(*i),
            (None, Some(outside)) => open.extend(of(outside)),
            (None, None) => {}
        }
    }
    found.sort_unstable();
    found
}

/// What is known of a task in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its state.
    pub state: TaskState,
    /// The last attempt, 0 before the first.
    pub attempt: AttemptNo,
    /// The last attempt's fence, 0 before the first.
    pub fence: Fence,
    /// Not to be leased before.
    pub ready_at: Timestamp,
    /// The lease, while it is leased.
    pub lease: Option<Lease>,
    /// Who ran it last.
    pub executor: Option<ExecutorId>,
    /// The last attempt's code, where it did not succeed.
    pub code: Option<Code>,
    /// For a skipped task, the position of the task that stood in its way.
    pub because: Option<usize>,
    /// When the last attempt was leased.
    pub started_at: Option<Timestamp>,
    /// When it reached its final state.
    pub ended_at: Option<Timestamp>,
    /// Seconds the last attempt took, as reported.
    pub duration_s: Option<u64>,
    /// Rows the last attempt changed, as reported.
    pub rows_affected: Option<u64>,
}

impl TaskStatus {
    /// A task nobody has touched.
    pub const fn new(state: TaskState, ready_at: Timestamp) -> Self {
        Self {
            state,
            attempt: AttemptNo(0),
            fence: Fence(0),
            ready_at,
            lease: None,
            executor: None,
            code: None,
            because: None,
            started_at: None,
            ended_at: None,
            duration_s: None,
            rows_affected: None,
        }
    }
}

/// The right of one executor to one attempt, until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The order that goes with it.
    pub dispatch_id: DispatchId,
    /// When it ends, unless renewed.
    pub expires_at: Timestamp,
}

/// The pause before the next attempt: `min` after the first, doubled each time, at most `max`.
pub fn backoff(retry: &Retry, attempt: AttemptNo) -> Duration {
    let doublings = attempt.0.saturating_sub(1).min(31);
    let seconds = u64::from(retry.backoff_min_s) << doublings;
    Duration::from_secs(seconds.min(u64::from(retry.backoff_max_s.max(retry.backoff_min_s))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_min_to_max() {
        let retry = Retry { attempts: 9, backoff_min_s: 2, backoff_max_s: 10 };
        let pauses: Vec<u64> = (1..=5).map(|n| backoff(&retry, AttemptNo(n)).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 10, 10]);
        assert_eq!(backoff(&retry, AttemptNo(u32::MAX)).as_secs(), 10);
    }
}

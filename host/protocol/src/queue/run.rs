//! One run: its tasks and how they move from state to state.

use std::collections::BTreeSet;

use cofferdam_bundle::statement::{Report, ReportState};
use cofferdam_ids::{AttemptNo, Code, ExecutorId, Fence, Timestamp};

use super::{
    LEASE_LOST,
    plan::{Lease, RunPlan, TaskStatus, backoff},
};
use crate::api::{RunState, TaskState};

/// A run under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: RunPlan,
    pub(super) tasks: Vec<TaskStatus>,
    pub(super) version: u64,
    pub(super) cancelled: bool,
    pub(super) ready: BTreeSet<(Timestamp, usize)>,
    pub(super) changed: BTreeSet<usize>,
    /// Needs of each task that have not succeeded yet.
    open_needs: Vec<usize>,
    needed_by: Vec<Vec<usize>>,
    not_final: usize,
}

impl Run {
    pub(super) fn new(plan: RunPlan, now: Timestamp) -> Self {
        let fresh = |needs: &Vec<usize>| {
            let state = if needs.is_empty() { TaskState::Ready } else { TaskState::Waiting };
            TaskStatus::new(state, now)
        };
        let tasks = plan.tasks.iter().map(|t| fresh(&t.needs)).collect();
        let mut run = Self::restore(plan, tasks, 1, false);
        run.changed = (0..run.tasks.len()).collect();
        run
    }

    pub(super) fn restore(plan: RunPlan, tasks: Vec<TaskStatus>, version: u64, cancelled: bool) -> Self {
        let mut needed_by = vec![Vec::new(); tasks.len()];
        let mut open_needs = vec![0; tasks.len()];
        for (i, task) in plan.tasks.iter().enumerate() {
            for &need in &task.needs {
                needed_by[need].push(i);
                open_needs[i] += usize::from(tasks[need].state != TaskState::Succeeded);
            }
        }
        let is_ready =
            |(i, t): (usize, &TaskStatus)| (t.state == TaskState::Ready).then_some((t.ready_at, i));
        let ready = tasks.iter().enumerate().filter_map(is_ready).collect();
        let not_final = tasks.iter().filter(|t| !t.state.is_final()).count();
        let changed = BTreeSet::new();
        Self { plan, tasks, version, cancelled, ready, changed, open_needs, needed_by, not_final }
    }

    pub(super) fn state(&self) -> RunState {
        if self.not_final > 0 {
            return RunState::Running;
        }
        let any = |state| self.tasks.iter().any(|t| t.state == state);
        if self.cancelled && any(TaskState::Cancelled) {
            RunState::Cancelled
        } else if self.tasks.iter().all(|t| t.state == TaskState::Succeeded) {
            RunState::Succeeded
        } else {
            RunState::Failed
        }
    }

    pub(super) fn lease(
        &mut self,
        i: usize,
        lease: Lease,
        executor: &ExecutorId,
        fence: Fence,
        now: Timestamp,
    ) {
        let task = &mut self.tasks[i];
        self.ready.remove(&(task.ready_at, i));
        *task = TaskStatus {
            attempt: AttemptNo(task.attempt.0 + 1),
            fence,
            lease: Some(lease),
            executor: Some(executor.clone()),
            started_at: Some(now),
            ..TaskStatus::new(TaskState::Leased, task.ready_at)
        };
        self.touch(i);
    }

    /// The attempt ended as the report says.
    pub(super) fn reported(&mut self, i: usize, report: &Report, now: Timestamp) {
        let task = &mut self.tasks[i];
        task.lease = None;
        task.code = report.code.filter(|_| report.state != ReportState::Succeeded);
        task.duration_s = report.duration_s;
        task.rows_affected = report.rows_affected;
        let state = match report.state {
            ReportState::Succeeded => TaskState::Succeeded,
            ReportState::Failed => TaskState::Failed,
            ReportState::Refused => TaskState::Refused,
            ReportState::Cancelled => TaskState::Cancelled,
        };
        if state != TaskState::Succeeded && report.retryable && self.may_retry(i) {
            let pause = backoff(&self.plan.tasks[i].retry, self.tasks[i].attempt);
            self.again(i, now.plus(pause));
        } else {
            self.end(i, state, now);
        }
    }

    /// The lease ended without a report.
    pub(super) fn lost(&mut self, i: usize, now: Timestamp) {
        let task = &mut self.tasks[i];
        task.lease = None;
        task.code = Some(LEASE_LOST);
        if self.cancelled {
            self.end(i, TaskState::Cancelled, now);
        } else if self.may_retry(i) {
            self.again(i, now);
        } else {
            self.end(i, TaskState::Failed, now);
        }
    }

    /// Nothing more is started; what is leased ends by itself.
    pub(super) fn cancel(&mut self, now: Timestamp) {
        self.cancelled = true;
        self.version += 1;
        for i in 0..self.tasks.len() {
            if matches!(self.tasks[i].state, TaskState::Waiting | TaskState::Ready) {
                self.end(i, TaskState::Cancelled, now);
            }
        }
    }

    fn may_retry(&self, i: usize) -> bool {
        !self.cancelled && self.tasks[i].attempt.0 < self.plan.tasks[i].retry.attempts
    }

    fn again(&mut self, i: usize, ready_at: Timestamp) {
        let task = &mut self.tasks[i];
        task.state = TaskState::Ready;
        task.ready_at = ready_at;
        self.ready.insert((ready_at, i));
        self.touch(i);
    }

    fn end(&mut self, i: usize, state: TaskState, now: Timestamp) {
        let task = &mut self.tasks[i];
        self.ready.remove(&(task.ready_at, i));
        task.state = state;
        task.ended_at = Some(now);
        task.code = task.code.filter(|_| state != TaskState::Succeeded);
        self.not_final -= 1;
        self.touch(i);
        if state == TaskState::Succeeded {
            self.release_dependants(i, now);
        } else if !self.cancelled {
            self.skip_dependants(i, now);
        }
    }

    fn release_dependants(&mut self, i: usize, now: Timestamp) {
        for k in 0..self.needed_by[i].len() {
            let next = self.needed_by[i][k];
            self.open_needs[next] -= 1;
            if self.open_needs[next] == 0 && self.tasks[next].state == TaskState::Waiting {
                self.again(next, now);
            }
        }
    }

    fn skip_dependants(&mut self, because: usize, now: Timestamp) {
        let mut open = vec![because];
        while let Some(i) = open.pop() {
            for k in 0..self.needed_by[i].len() {
                let next = self.needed_by[i][k];
                let task = &mut self.tasks[next];
                if task.state != TaskState::Waiting {
                    continue;
                }
                task.state = TaskState::Skipped;
                task.because = Some(because);
                task.ended_at = Some(now);
                self.not_final -= 1;
                self.touch(next);
                open.push(next);
            }
        }
    }

    fn touch(&mut self, i: usize) {
        self.version += 1;
        self.changed.insert(i);
    }
}

/// The code of a task whose last lease ended without a report.
pub(super) const fn lease_lost() -> Code {
    Code(618)
}

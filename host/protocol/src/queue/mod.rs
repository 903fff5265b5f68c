//! The lease queue: which task may run, who holds it until when, and what comes of it.
//!
//! In: runs, polls, renewals, reports, the database's time. Out: leases, answers, and the rows that
//! changed ([`Queue::take_changes`]). Never: does IO, reads a clock, or draws an id.
//! Holds always: a task of a project is held by one live lease at most, over all runs; fences only
//! rise; a run ends when all its tasks are final; a skipped task names the task that stood in its way.
//! Fails: not at all; what is late, unknown or another's is answered as such.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`.

mod plan;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use cofferdam_bundle::statement::{Report, ReportState};
use cofferdam_ids::{
    AttemptNo, ClusterName, Code, DispatchId, ExecutorId, Fence, LeaseId, PoolName, ProjectId, Role, RunId,
    TaskId, Timestamp,
};

pub use plan::{Lease, PlannedTask, RunPlan, TaskStatus, backoff};
use run::Run;

use crate::api::{DISPATCHES_MAX, HeldLease, LeaseAnswer, RunState};

/// The code of a task whose last lease ended without a report.
pub const LEASE_LOST: Code = run::lease_lost();

/// Who asks for leases and how many.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who.
    pub executor: ExecutorId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its pool.
    pub pool: PoolName,
    /// Its role.
    pub role: Role,
    /// How many at most; [`DISPATCHES_MAX`] bounds it too.
    pub slots: u32,
}

/// One attempt that was given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The run.
    pub run: RunId,
    /// Position of the task in the run's plan.
    pub place: usize,
    /// The task.
    pub task: TaskId,
    /// The lease.
    pub lease: Lease,
    /// Which try.
    pub attempt: AttemptNo,
    /// Its fence.
    pub fence: Fence,
}

/// What became of a report.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Taken now.
    Fresh,
    /// Taken before.
    Repeated,
    /// The lease has ended, or is not this executor's.
    Stale,
    /// No run under way has had this lease.
    Unknown,
}

/// An attempt that is over, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAttempt {
    /// Its lease.
    pub lease_id: LeaseId,
    /// The run.
    pub run: RunId,
    /// Position of the task in the run's plan.
    pub place: usize,
    /// The task.
    pub task: TaskId,
    /// Who held it.
    pub executor: ExecutorId,
    /// Which try.
    pub attempt: AttemptNo,
    /// Its fence.
    pub fence: Fence,
    /// What was reported; none where the lease was lost.
    pub state: Option<ReportState>,
    /// The code, where it did not succeed.
    pub code: Option<Code>,
    /// When it ended.
    pub at: Timestamp,
}

/// What changed since it was last asked.
#[derive(Debug, Default)]
pub struct Changes {
    /// Runs with positions of the tasks that changed. A run may have changed without any.
    pub runs: BTreeMap<RunId, BTreeSet<usize>>,
    /// Attempts that ended.
    pub attempts: Vec<EndedAttempt>,
}

/// The queue of all runs under way.
#[derive(Debug, Default)]
pub struct Queue {
    runs: BTreeMap<RunId, Run>,
    leases: HashMap<LeaseId, (RunId, usize)>,
    expiries: BTreeSet<(Timestamp, LeaseId)>,
    /// Leases that ended, of runs under way: fence and executor of those whose report was taken.
    ended: HashMap<LeaseId, Option<(Fence, ExecutorId)>>,
    ended_of_run: HashMap<RunId, Vec<LeaseId>>,
    /// Tasks held by a live lease, over all runs.
    busy: HashSet<(ProjectId, TaskId)>,
    last_fence: Fence,
    dirty: BTreeSet<RunId>,
    attempts: Vec<EndedAttempt>,
}

impl Queue {
    /// An empty queue whose next fence is above `last_fence`.
    pub fn new(last_fence: Fence) -> Self {
        Self { last_fence, ..Self::default() }
    }

    /// The highest fence given so far.
    pub fn last_fence(&self) -> Fence {
        self.last_fence
    }

    /// Adds a new run.
    pub fn add(&mut self, plan: RunPlan, now: Timestamp) {
        self.dirty.insert(plan.run.clone());
        self.runs.insert(plan.run.clone(), Run::new(plan, now));
    }

    /// Adds a run as it was kept.
    pub fn restore(&mut self, plan: RunPlan, tasks: Vec<TaskStatus>, version: u64, cancelled: bool) {
        let id = plan.run.clone();
        for (i, task) in tasks.iter().enumerate() {
            self.last_fence = self.last_fence.max(task.fence);
            if let Some(lease) = &task.lease {
                self.leases.insert(lease.id.clone(), (id.clone(), i));
                self.expiries.insert((lease.expires_at, lease.id.clone()));
                self.busy.insert((plan.project.clone(), plan.tasks[i].id.clone()));
            }
        }
        self.runs.insert(id, Run::restore(plan, tasks, version, cancelled));
    }

    /// Gives every live lease one more term, because nobody could renew while the scheduler was away.
    pub fn forgive(&mut self, now: Timestamp, term: Duration) {
        let leases: Vec<LeaseId> = self.leases.keys().cloned().collect();
        for lease in leases {
            self.extend(&lease, now, term);
        }
    }

    /// Leases ready tasks to an executor: older runs first, then as they became ready.
    pub fn lease(
        &mut self,
        ask: &Ask,
        now: Timestamp,
        term: Duration,
        fresh_ids: &mut dyn FnMut() -> (LeaseId, DispatchId),
    ) -> Vec<Grant> {
        let most = (ask.slots as usize).min(DISPATCHES_MAX);
        let mut grants = Vec::new();
        for (id, run) in &mut self.runs {
            let audience = &run.plan.audience;
            let fits = run.plan.role == ask.role
                && audience.clusters.contains(&ask.cluster)
                && audience.pools.contains(&ask.pool);
            if !fits || run.ready.is_empty() {
                continue;
            }
            let due = run.ready.iter().take_while(|(at, _)| *at <= now).map(|(_, i)| *i);
            let is_free =
                |i: &usize| !self.busy.contains(&(run.plan.project.clone(), run.plan.tasks[*i].id.clone()));
            let chosen: Vec<usize> = due.filter(is_free).take(most - grants.len()).collect();
            for i in chosen {
                let (lease_id, dispatch_id) = fresh_ids();
                let lease = Lease { id: lease_id.clone(), dispatch_id, expires_at: now.plus(term) };
                self.last_fence = Fence(self.last_fence.0 + 1);
                run.lease(i, lease.clone(), &ask.executor, self.last_fence, now);
                self.dirty.insert(id.clone());
                self.busy.insert((run.plan.project.clone(), run.plan.tasks[i].id.clone()));
                self.expiries.insert((lease.expires_at, lease_id.clone()));
                self.leases.insert(lease_id, (id.clone(), i));
                let (attempt, task) = (run.tasks[i].attempt, run.plan.tasks[i].id.clone());
                grants.push(Grant {
                    run: id.clone(),
                    place: i,
                    task,
                    lease,
                    attempt,
                    fence: self.last_fence,
                });
            }
            if grants.len() == most {
                break;
            }
        }
        grants
    }

    /// Renews a lease for another term.
    pub fn renew(
        &mut self,
        executor: &ExecutorId,
        held: &HeldLease,
        now: Timestamp,
        term: Duration,
    ) -> LeaseAnswer {
        let Some((run, i)) = self.leases.get(&held.lease_id) else { return LeaseAnswer::Lost };
        let Some(run) = self.runs.get(run) else { return LeaseAnswer::Lost };
        let task = &run.tasks[*i];
        let live = task.lease.as_ref().is_some_and(|l| now < l.expires_at);
        if !live || task.executor.as_ref() != Some(executor) || task.fence != held.fence {
            return LeaseAnswer::Lost;
        }
        let answer = if run.cancelled { LeaseAnswer::Cancel } else { LeaseAnswer::Renewed };
        self.extend(&held.lease_id, now, term);
        answer
    }

    /// Who holds a live lease.
    pub fn holder(&self, lease: &LeaseId) -> Option<&ExecutorId> {
        let (run, i) = self.leases.get(lease)?;
        self.runs.get(run)?.tasks[*i].executor.as_ref()
    }

    /// Takes the report of an ended attempt. The caller has verified its signature.
    pub fn report(&mut self, executor: &ExecutorId, report: &Report, now: Timestamp) -> Taken {
        let Some((id, i)) = self.leases.get(&report.lease_id).cloned() else {
            return match self.ended.get(&report.lease_id) {
                Some(Some((fence, who))) if (*fence, who) == (report.fence, executor) => Taken::Repeated,
                Some(_) => Taken::Stale,
                None => Taken::Unknown,
            };
        };
        let Some(run) = self.runs.get_mut(&id) else { return Taken::Unknown };
        let task = &run.tasks[i];
        let is_current = task.lease.as_ref().is_some_and(|l| {
            l.id == report.lease_id && l.dispatch_id == report.dispatch_id && now < l.expires_at
        });
        if !is_current || task.executor.as_ref() != Some(executor) || task.fence != report.fence {
            return Taken::Stale;
        }
        let expiry = task.lease.as_ref().map(|l| (l.expires_at, l.id.clone()));
        if let Some(expiry) = expiry {
            self.expiries.remove(&expiry);
        }
        let ended = Self::attempt(run, i, &report.lease_id, Some(report.state), report.code, now);
        let kept = Some((report.fence, executor.clone()));
        run.reported(i, report, now);
        self.close(&report.lease_id, kept, ended);
        Taken::Fresh
    }

    /// Ends every lease whose term is over; says how many.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let mut count = 0;
        while let Some((at, lease)) = self.expiries.first().cloned() {
            if at > now {
                break;
            }
            self.expiries.remove(&(at, lease.clone()));
            let Some((id, i)) = self.leases.get(&lease).cloned() else { continue };
            let Some(run) = self.runs.get_mut(&id) else { continue };
            let ended = Self::attempt(run, i, &lease, None, Some(LEASE_LOST), now);
            run.lost(i, now);
            self.close(&lease, None, ended);
            count += 1;
        }
        count
    }

    /// Cancels a run: what waits is cancelled now, what is leased is told at its next renewal.
    /// Whether the run was under way.
    pub fn cancel(&mut self, run: &RunId, now: Timestamp) -> bool {
        let Some(it) = self.runs.get_mut(run) else { return false };
        if !it.cancelled && it.state() == RunState::Running {
            it.cancel(now);
            self.dirty.insert(run.clone());
        }
        true
    }

    /// When something happens by itself: a lease ends or a pause is over.
    pub fn next_event(&self, now: Timestamp) -> Option<Timestamp> {
        let expiry = self.expiries.first().map(|(at, _)| *at);
        let later =
            |run: &Run| run.ready.range((now.plus(Duration::from_millis(1)), 0)..).next().map(|(at, _)| *at);
        self.runs.values().filter_map(later).chain(expiry).min()
    }

    /// Whether any task could be leased now by the right executor of this role.
    pub fn has_ready(&self, role: Role, now: Timestamp) -> bool {
        let mut runs = self.runs.values().filter(|run| run.plan.role == role);
        runs.any(|run| run.ready.first().is_some_and(|(at, _)| *at <= now))
    }

    /// What changed since it was last asked.
    pub fn take_changes(&mut self) -> Changes {
        let mut changes = Changes { attempts: std::mem::take(&mut self.attempts), ..Changes::default() };
        for id in std::mem::take(&mut self.dirty) {
            if let Some(run) = self.runs.get_mut(&id) {
                changes.runs.insert(id, std::mem::take(&mut run.changed));
            }
        }
        changes
    }

    /// Forgets a run that has ended.
    pub fn remove(&mut self, run: &RunId) {
        self.runs.remove(run);
        for lease in self.ended_of_run.remove(run).unwrap_or_default() {
            self.ended.remove(&lease);
        }
    }

    /// A run under way: its state.
    pub fn state(&self, run: &RunId) -> Option<RunState> {
        self.runs.get(run).map(Run::state)
    }

    /// A run under way: its version, which rises with every change.
    pub fn version(&self, run: &RunId) -> Option<u64> {
        self.runs.get(run).map(|r| r.version)
    }

    /// A run under way: whether it was cancelled.
    pub fn is_cancelled(&self, run: &RunId) -> bool {
        self.runs.get(run).is_some_and(|r| r.cancelled)
    }

    /// A run under way: its plan.
    pub fn plan(&self, run: &RunId) -> Option<&RunPlan> {
        self.runs.get(run).map(|r| &r.plan)
    }

    /// A run under way: its tasks.
    pub fn tasks(&self, run: &RunId) -> Option<&[TaskStatus]> {
        self.runs.get(run).map(|r| r.tasks.as_slice())
    }

    /// Ids of the runs under way, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.runs.keys()
    }

    fn extend(&mut self, lease_id: &LeaseId, now: Timestamp, term: Duration) {
        let Some((id, i)) = self.leases.get(lease_id) else { return };
        let Some(run) = self.runs.get_mut(id) else { return };
        let Some(lease) = &mut run.tasks[*i].lease else { return };
        self.expiries.remove(&(lease.expires_at, lease_id.clone()));
        lease.expires_at = now.plus(term);
        self.expiries.insert((lease.expires_at, lease_id.clone()));
        run.changed.insert(*i);
        self.dirty.insert(id.clone());
    }

    fn attempt(
        run: &Run,
        i: usize,
        lease: &LeaseId,
        state: Option<ReportState>,
        code: Option<Code>,
        at: Timestamp,
    ) -> Option<EndedAttempt> {
        let task = &run.tasks[i];
        Some(EndedAttempt {
            lease_id: lease.clone(),
            run: run.plan.run.clone(),
            place: i,
            task: run.plan.tasks[i].id.clone(),
            executor: task.executor.clone()?,
            attempt: task.attempt,
            fence: task.fence,
            state,
            code: code.filter(|_| state != Some(ReportState::Succeeded)),
            at,
        })
    }

    /// A lease is over: forgets it as live, remembers what came of it.
    fn close(&mut self, lease: &LeaseId, taken: Option<(Fence, ExecutorId)>, ended: Option<EndedAttempt>) {
        let Some((id, i)) = self.leases.remove(lease) else { return };
        if let Some(run) = self.runs.get(&id) {
            self.busy.remove(&(run.plan.project.clone(), run.plan.tasks[i].id.clone()));
        }
        self.ended.insert(lease.clone(), taken);
        self.ended_of_run.entry(id.clone()).or_default().push(lease.clone());
        self.attempts.extend(ended);
        self.dirty.insert(id);
    }
}

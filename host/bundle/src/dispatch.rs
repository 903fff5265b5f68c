//! Verifying a dispatch: the scheduler's order for one attempt, here, now, once.

use std::time::Duration;

use cofferdam_ids::{
    ClusterName, DispatchId, ExecutorId, Fence, Nonce, PoolName, ProjectId, ReleaseSeq, Role, RunId,
    Sha256Digest, TaskId, Timestamp,
};

use crate::{
    PinnedRoot, Refused, Verified,
    envelope::open,
    limits::{ATTEMPTS_MAX, CLOCK_SKEW_MAX, DISPATCH_LIFE_MAX, LEASE_TTL_S_MAX, POLL_AGE_MAX},
    statement::Dispatch,
};

/// What the executor's journal remembers. Everything it gives was durable before it is asked.
pub trait JournalView {
    /// Whether a dispatch was consumed before.
    fn dispatch_seen(&self, dispatch: &DispatchId) -> bool;
    /// The highest fence consumed for a task.
    fn fence(&self, project: &ProjectId, task: &TaskId) -> Option<Fence>;
    /// The highest release run here, and the digest of its body.
    fn release_mark(&self, project: &ProjectId) -> Option<(ReleaseSeq, Sha256Digest)>;
    /// Attempts of a task started in a run.
    fn attempts(&self, run: &RunId, task: &TaskId) -> u32;
    /// The last run in which a task was attempted, and when its first attempt started.
    fn last_run_start(&self, project: &ProjectId, task: &TaskId) -> Option<(RunId, Timestamp)>;
    /// The latest time ever written down; the clock may not be before it.
    fn clock_floor(&self) -> Timestamp;
}

/// The nonce of the poll that is being answered, and how long ago it was sent, on a clock that
/// nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutstandingNonce {
    /// The nonce.
    pub nonce: Nonce,
    /// Time since the poll was sent, by the monotonic clock.
    pub age: Duration,
}

/// What the executor knows of itself when a dispatch arrives.
#[derive(Clone, Copy)]
pub struct DispatchContext<'a> {
    /// The pinned root.
    pub root: &'a PinnedRoot,
    /// This executor.
    pub me: &'a ExecutorId,
    /// Its cluster.
    pub cluster: &'a ClusterName,
    /// Its pool.
    pub pool: &'a PoolName,
    /// Its role.
    pub role: Role,
    /// The nonce outstanding on this connection. The caller removes it on use: one answer, one
    /// batch of dispatches.
    pub nonce: Option<OutstandingNonce>,
    /// The wall clock.
    pub now: Timestamp,
    /// The journal.
    pub journal: &'a dyn JournalView,
}

/// Checks a dispatch: size, envelope and payload type; then signature, project, audience, nonce,
/// age of the poll, wall clock, replay, fence, attempt, role.
///
/// Does not remember it: the caller journals the dispatch before the first guest instruction.
pub fn verify_dispatch(
    envelope: &[u8],
    context: &DispatchContext<'_>,
) -> Result<Verified<Dispatch>, Refused> {
    context.root.check_expiry(context.now)?;
    let verified = open::<Dispatch>(envelope, context.root.dispatch_keys())?;
    let dispatch = verified.statement();
    check_address(dispatch, context)?;
    check_poll(dispatch, context.nonce)?;
    check_clock(dispatch, context.now, context.journal.clock_floor())?;
    check_once(dispatch, context.journal)?;
    if !(1..=ATTEMPTS_MAX).contains(&dispatch.attempt.0) {
        return Err(Refused::Attempt { attempt: dispatch.attempt.0, most: ATTEMPTS_MAX });
    }
    if dispatch.role != context.role {
        return Err(Refused::Role { asked: dispatch.role, mine: context.role });
    }
    Ok(verified)
}

fn check_address(dispatch: &Dispatch, context: &DispatchContext<'_>) -> Result<(), Refused> {
    if &dispatch.project != context.root.project() {
        return Err(Refused::Project {
            found: dispatch.project.clone(),
            mine: context.root.project().clone(),
        });
    }
    if &dispatch.audience != context.me {
        return Err(Refused::Audience { what: "executor", found: dispatch.audience.to_string() });
    }
    if &dispatch.cluster != context.cluster {
        return Err(Refused::Audience { what: "cluster", found: dispatch.cluster.to_string() });
    }
    if &dispatch.pool != context.pool {
        return Err(Refused::Audience { what: "pool", found: dispatch.pool.to_string() });
    }
    Ok(())
}

fn check_poll(dispatch: &Dispatch, nonce: Option<OutstandingNonce>) -> Result<(), Refused> {
    let Some(outstanding) = nonce.filter(|n| n.nonce == dispatch.poll_nonce) else {
        return Err(Refused::Nonce);
    };
    if outstanding.age > POLL_AGE_MAX {
        return Err(Refused::PollTooOld { age: outstanding.age });
    }
    Ok(())
}

fn check_clock(dispatch: &Dispatch, now: Timestamp, floor: Timestamp) -> Result<(), Refused> {
    if now < floor {
        return Err(Refused::ClockWentBack { now, floor });
    }
    let issued = dispatch.issued_at;
    let near = now.since(issued).max(issued.since(now)) <= CLOCK_SKEW_MAX;
    let short = dispatch.not_after.since(issued) <= DISPATCH_LIFE_MAX;
    let lease = (1..=LEASE_TTL_S_MAX).contains(&dispatch.lease_ttl_s);
    if !near || now >= dispatch.not_after || !short || !lease {
        return Err(Refused::DispatchTime { issued, not_after: dispatch.not_after, now });
    }
    Ok(())
}

fn check_once(dispatch: &Dispatch, journal: &dyn JournalView) -> Result<(), Refused> {
    if journal.dispatch_seen(&dispatch.dispatch_id) {
        return Err(Refused::DispatchSeen { dispatch: dispatch.dispatch_id.clone() });
    }
    match journal.fence(&dispatch.project, &dispatch.task) {
        Some(stored) if dispatch.fence <= stored => {
            Err(Refused::Fence { task: dispatch.task.clone(), found: dispatch.fence, stored })
        }
        _ => Ok(()),
    }
}

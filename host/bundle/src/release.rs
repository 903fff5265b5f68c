//! Verifying a release against the dispatch that names it.

use cofferdam_ids::{ClusterName, PoolName, Timestamp};

use crate::{
    JournalView, PinnedRoot, Refused, Verified,
    envelope::Envelope,
    statement::{Dispatch, Release, StatementKind},
    version::Version,
};

/// What the executor knows of itself when a release is to be run.
#[derive(Clone, Copy)]
pub struct ReleaseContext<'a> {
    /// The pinned root.
    pub root: &'a PinnedRoot,
    /// The wall clock.
    pub now: Timestamp,
    /// This executor's version, `major.minor.patch`.
    pub executor_version: &'a str,
    /// Its cluster.
    pub cluster: &'a ClusterName,
    /// Its pool.
    pub pool: &'a PoolName,
    /// The journal.
    pub journal: &'a dyn JournalView,
}

/// Checks a release: the digest the dispatch names, signature of role `release`, project and
/// sequence, time window, high-water mark, executor version, audience, a sound body, and that the
/// dispatched task is in it and may run in this role.
pub fn verify_release(
    envelope: &[u8],
    dispatch: &Verified<Dispatch>,
    context: &ReleaseContext<'_>,
) -> Result<Verified<Release>, Refused> {
    context.root.check_expiry(context.now)?;
    let envelope = Envelope::parse(envelope, StatementKind::Release)?;
    let (found, named) = (envelope.body_sha256(), dispatch.statement().release_sha256);
    if found != named {
        return Err(Refused::ReleaseDigest { found, named });
    }
    let release = envelope.verify::<Release>(context.root.release_keys())?;
    recheck_release(&release, dispatch, context)?;
    release.statement().check().map_err(Refused::ReleaseInvalid)?;
    Ok(release)
}

/// Checks a release verified before against a new dispatch: all that a dispatch, the clock or the
/// journal may have changed. Its signature and body stay as they were.
pub fn recheck_release(
    release: &Verified<Release>,
    dispatch: &Verified<Dispatch>,
    context: &ReleaseContext<'_>,
) -> Result<(), Refused> {
    context.root.check_expiry(context.now)?;
    let (body_sha256, release, dispatch) = (release.body_sha256(), release.statement(), dispatch.statement());
    if body_sha256 != dispatch.release_sha256 {
        return Err(Refused::ReleaseDigest { found: body_sha256, named: dispatch.release_sha256 });
    }
    if &release.project != context.root.project()
        || release.project != dispatch.project
        || release.release_seq != dispatch.release_seq
    {
        return Err(Refused::ReleaseDisagrees {
            release: release.release_seq,
            dispatch: dispatch.release_seq,
        });
    }
    if context.now < release.not_before || context.now >= release.not_after {
        return Err(Refused::ReleaseTime { from: release.not_before, until: release.not_after });
    }
    if let Some((mark, digest)) = context.journal.release_mark(&release.project) {
        if release.release_seq < mark {
            return Err(Refused::Rollback { found: release.release_seq, mark });
        }
        if release.release_seq == mark && body_sha256 != digest {
            return Err(Refused::Equivocation { seq: mark, found: body_sha256, first: digest });
        }
    }
    let own = Version::parse(context.executor_version);
    let least = Version::parse(&release.min_executor);
    if !matches!((own, least), (Some(own), Some(least)) if own >= least) {
        let (own, least) = (context.executor_version.to_owned(), release.min_executor.clone());
        return Err(Refused::ExecutorTooOld { own, least });
    }
    if !release.audience.clusters.contains(context.cluster) || !release.audience.pools.contains(context.pool)
    {
        let (cluster, pool) = (context.cluster.clone(), context.pool.clone());
        return Err(Refused::ReleaseAudience { cluster, pool });
    }
    check_task(release, dispatch)
}

fn check_task(release: &Release, dispatch: &Dispatch) -> Result<(), Refused> {
    let Some(task) = release.tasks.iter().find(|t| t.id == dispatch.task) else {
        return Err(Refused::UnknownTask { task: dispatch.task.clone() });
    };
    if !task.roles.contains(&dispatch.role) {
        return Err(Refused::TaskRole { task: task.id.clone(), role: dispatch.role });
    }
    Ok(())
}

//! Reading back what the writer keeps in memory: the runs under way.

use std::{collections::HashMap, sync::Arc};

use cofferdam_bundle::{open, pin_root, statement::Release};
use cofferdam_ids::{AttemptNo, Fence, ReleaseSeq, RunId, Sha256Digest, TaskId, Timestamp};
use cofferdam_protocol::queue::{Lease, Queue, RunPlan, TaskStatus};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    command::RunMeta,
    release_cache::ReleaseCache,
    words::{count, from_json, from_word},
};

/// What is kept in memory of the runs under way.
pub(crate) struct Book {
    pub(crate) queue: Queue,
    pub(crate) metas: HashMap<RunId, Arc<RunMeta>>,
}

/// Reads the runs under way.
pub(crate) async fn load(db: &mut SqliteConnection, releases: &ReleaseCache) -> Result<Book, sqlx::Error> {
    let last: i64 =
        sqlx::query_scalar("SELECT value FROM counters WHERE name = 'fence'").fetch_one(&mut *db).await?;
    let mut book = Book { queue: Queue::new(Fence(count(last))), metas: HashMap::new() };
    let runs =
        sqlx::query("SELECT * FROM runs WHERE state = 'running' ORDER BY id").fetch_all(&mut *db).await?;
    for row in &runs {
        let meta = run_meta(db, releases, row).await?;
        let sql = "SELECT * FROM run_tasks WHERE run = ? ORDER BY place";
        let tasks = sqlx::query(sql).bind(meta.run.as_str()).fetch_all(&mut *db).await?;
        let index: HashMap<&TaskId, usize> =
            meta.release.tasks.iter().enumerate().map(|(i, t)| (&t.id, i)).collect();
        let mut places = Vec::with_capacity(tasks.len());
        let mut statuses = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let id: TaskId = from_word(task.try_get("task")?)?;
            places.push(*index.get(&id).ok_or(sqlx::Error::RowNotFound)?);
            statuses.push(task_status(task)?);
        }
        let plan = RunPlan::of_release(meta.run.clone(), &meta.release, meta.role, &places);
        let (version, cancelled) = (count(row.try_get("version")?), row.try_get("cancelled")?);
        book.queue.restore(plan, statuses, version, cancelled);
        book.metas.insert(meta.run.clone(), Arc::new(RunMeta { places, ..meta }));
    }
    Ok(book)
}

async fn run_meta(
    db: &mut SqliteConnection,
    releases: &ReleaseCache,
    row: &SqliteRow,
) -> Result<RunMeta, sqlx::Error> {
    let release_sha256: Sha256Digest = from_word(row.try_get("release_sha256")?)?;
    Ok(RunMeta {
        run: from_word(row.try_get("id")?)?,
        project: from_word(row.try_get("project")?)?,
        release: release(db, releases, &release_sha256).await?.ok_or(sqlx::Error::RowNotFound)?,
        release_sha256,
        release_seq: ReleaseSeq(count(row.try_get("release_seq")?)),
        places: Vec::new(),
        job: row.try_get::<Option<&str>, _>("job")?.map(from_word).transpose()?,
        environment: from_word(row.try_get("environment")?)?,
        role: from_word(row.try_get("role")?)?,
        params: from_json(row.try_get("params")?)?,
        reason: from_word(row.try_get("reason")?)?,
        requested_by: row.try_get("requested_by")?,
        started_at: Timestamp::from_millis(row.try_get("started_at")?),
    })
}

/// A release, from memory or verified again.
pub(crate) async fn release(
    db: &mut SqliteConnection,
    releases: &ReleaseCache,
    sha256: &Sha256Digest,
) -> Result<Option<Arc<Release>>, sqlx::Error> {
    if let Some(release) = releases.get(sha256) {
        return Ok(Some(release));
    }
    let sql = "SELECT r.envelope, p.envelope AS root, p.root_sha256 FROM releases r
               JOIN projects p ON p.id = r.project WHERE r.sha256 = ?";
    let row = sqlx::query(sql).bind(sha256.to_string()).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    let damaged = |e: cofferdam_bundle::Refused| sqlx::Error::Decode(e.into());
    let pinned: Sha256Digest = from_word(row.try_get("root_sha256")?)?;
    // It was in time when it was pushed; what runs now is for executors to judge.
    let root = pin_root(row.try_get("root")?, pinned, Timestamp::from_millis(0)).map_err(damaged)?;
    let verified = open::<Release>(row.try_get("envelope")?, root.release_keys()).map_err(damaged)?;
    let release = Arc::new(verified.into_statement());
    releases.put(*sha256, Arc::clone(&release));
    Ok(Some(release))
}

fn task_status(row: &SqliteRow) -> Result<TaskStatus, sqlx::Error> {
    let time =
        |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(Timestamp::from_millis));
    let lease = match row.try_get::<Option<&str>, _>("lease_id")? {
        Some(id) => Some(Lease {
            id: from_word(id)?,
            dispatch_id: from_word(row.try_get("dispatch_id")?)?,
            expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        }),
        None => None,
    };
    Ok(TaskStatus {
        state: from_word(row.try_get("state")?)?,
        attempt: AttemptNo(row.try_get("attempt")?),
        fence: Fence(count(row.try_get("fence")?)),
        ready_at: Timestamp::from_millis(row.try_get("ready_at")?),
        lease,
        executor: row.try_get::<Option<&str>, _>("executor")?.map(from_word).transpose()?,
        code: row.try_get::<Option<&str>, _>("code")?.map(from_word).transpose()?,
        because: row.try_get::<Option<i64>, _>("because")?.and_then(|n| usize::try_from(n).ok()),
        started_at: time("started_at")?,
        ended_at: time("ended_at")?,
        duration_s: row.try_get::<Option<i64>, _>("duration_s")?.map(count),
        rows_affected: row.try_get::<Option<i64>, _>("rows_affected")?.map(count),
    })
}

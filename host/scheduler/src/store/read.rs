//! Questions that change nothing: views for people, keys and envelopes for executors.

use std::collections::HashMap;

use cofferdam_bundle::statement::LedgerHead;
use cofferdam_ids::{
    AttemptNo, ClusterName, ExecutorId, JobName, PoolName, ProjectId, ReleaseSeq, Role, RunId, Sha256Digest,
    Timestamp,
};
use cofferdam_protocol::api::{ExecutorView, ReleaseView, RunView, TaskState, TaskView};
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::words::{count, from_json, from_word, number};
use crate::limits::{EXECUTORS_MAX, LIST_MAX};

/// An executor's key and where it was enrolled.
pub(crate) struct EnrolledKey {
    pub(crate) public: String,
    pub(crate) cluster: ClusterName,
    pub(crate) pool: PoolName,
    pub(crate) role: Role,
}

/// The executors a client has enrolled, by id.
pub(crate) type Keys = HashMap<ExecutorId, EnrolledKey>;

/// A project's pinned root: envelope and digest.
pub(crate) async fn root(
    db: &SqlitePool,
    project: &ProjectId,
) -> Result<Option<(Vec<u8>, Sha256Digest)>, sqlx::Error> {
    let sql = "SELECT envelope, root_sha256 FROM projects WHERE id = ?";
    let row = sqlx::query(sql).bind(project.as_str()).fetch_optional(db).await?;
    row.map(|row| Ok((row.try_get("envelope")?, from_word(row.try_get("root_sha256")?)?))).transpose()
}

/// Ids of all projects.
pub(crate) async fn projects(db: &SqlitePool) -> Result<Vec<ProjectId>, sqlx::Error> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM projects ORDER BY id").fetch_all(db).await?;
    ids.iter().map(|id| from_word(id)).collect()
}

/// Digest of a project's newest release.
pub(crate) async fn newest(
    db: &SqlitePool,
    project: &ProjectId,
) -> Result<Option<Sha256Digest>, sqlx::Error> {
    let sql = "SELECT sha256 FROM releases WHERE project = ? ORDER BY seq DESC LIMIT 1";
    let text: Option<String> = sqlx::query_scalar(sql).bind(project.as_str()).fetch_optional(db).await?;
    text.map(|text| from_word(&text)).transpose()
}

/// A release's envelope.
pub(crate) async fn envelope(db: &SqlitePool, sha256: &Sha256Digest) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let sql = "SELECT envelope FROM releases WHERE sha256 = ?";
    sqlx::query_scalar(sql).bind(sha256.to_string()).fetch_optional(db).await
}

/// Releases, newest first.
pub(crate) async fn releases(db: &SqlitePool) -> Result<Vec<ReleaseView>, sqlx::Error> {
    let sql = "SELECT project, sha256, seq, issued_at, tasks, jobs FROM releases
               ORDER BY received_at DESC, seq DESC LIMIT ?";
    let rows = sqlx::query(sql).bind(LIST_MAX).fetch_all(db).await?;
    let view = |row: &SqliteRow| {
        Ok(ReleaseView {
            project: from_word(row.try_get("project")?)?,
            sha256: from_word(row.try_get("sha256")?)?,
            release_seq: ReleaseSeq(count(row.try_get("seq")?)),
            issued_at: Timestamp::from_millis(row.try_get("issued_at")?),
            tasks: row.try_get("tasks")?,
            jobs: from_json::<Vec<JobName>>(row.try_get("jobs")?)?,
        })
    };
    rows.iter().map(view).collect()
}

/// The version of a run and how many tasks it has.
pub(crate) async fn version(db: &SqlitePool, run: &RunId) -> Result<Option<(u64, u64)>, sqlx::Error> {
    let sql = "SELECT version, coalesce((SELECT max(place) + 1 FROM run_tasks WHERE run = runs.id), 0)
               FROM runs WHERE id = ?";
    let row: Option<(i64, i64)> = sqlx::query_as(sql).bind(run.as_str()).fetch_optional(db).await?;
    Ok(row.map(|(version, tasks)| (count(version), count(tasks))))
}

/// A run with its tasks that changed after a version; with all of them where none is given.
pub(crate) async fn run(
    db: &SqlitePool,
    run: &RunId,
    after: Option<u64>,
) -> Result<Option<RunView>, sqlx::Error> {
    // One transaction, so that the tasks are those of the version.
    let mut snapshot = db.begin().await?;
    let sql = "SELECT * FROM runs WHERE id = ?";
    let row = sqlx::query(sql).bind(run.as_str()).fetch_optional(&mut *snapshot).await?;
    let Some(row) = row else { return Ok(None) };
    let sql = "SELECT t.*, b.task AS because_task FROM run_tasks t
               LEFT JOIN run_tasks b ON b.run = t.run AND b.place = t.because
               WHERE t.run = ?1 AND t.version > ?2 ORDER BY t.place";
    let after = after.map_or(-1, number);
    let tasks = sqlx::query(sql).bind(run.as_str()).bind(after).fetch_all(&mut *snapshot).await?;
    let sql = "SELECT state, count(*) AS n FROM run_tasks WHERE run = ? GROUP BY state ORDER BY min(place)";
    let counted = sqlx::query(sql).bind(run.as_str()).fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    let tasks: Vec<TaskView> = tasks.iter().map(task_view).collect::<Result<_, sqlx::Error>>()?;
    let counts = counted.iter().map(state_count).collect::<Result<_, sqlx::Error>>()?;
    Ok(Some(RunView { tasks, counts, ..run_view(&row)? }))
}

/// Runs, newest first, with counts instead of tasks.
pub(crate) async fn runs(db: &SqlitePool) -> Result<Vec<RunView>, sqlx::Error> {
    let mut snapshot = db.begin().await?;
    let sql = "SELECT * FROM runs ORDER BY id DESC LIMIT ?";
    let rows = sqlx::query(sql).bind(LIST_MAX).fetch_all(&mut *snapshot).await?;
    let sql = "SELECT run, state, count(*) AS n FROM run_tasks
               WHERE run IN (SELECT id FROM runs ORDER BY id DESC LIMIT ?) GROUP BY run, state";
    let counted = sqlx::query(sql).bind(LIST_MAX).fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    let mut counts: HashMap<RunId, Vec<(TaskState, u32)>> = HashMap::new();
    for row in &counted {
        counts.entry(from_word(row.try_get("run")?)?).or_default().push(state_count(row)?);
    }
    let view = |row: &SqliteRow| {
        let view = run_view(row)?;
        let counts = counts.remove(&view.run).unwrap_or_default();
        Ok(RunView { counts, ..view })
    };
    rows.iter().map(view).collect()
}

/// Executors, by name.
pub(crate) async fn executors(db: &SqlitePool) -> Result<Vec<ExecutorView>, sqlx::Error> {
    let sql = "SELECT e.*, (SELECT count(*) FROM run_tasks t WHERE t.executor = e.id AND t.state = 'leased') AS held
               FROM executors e ORDER BY e.name, e.id LIMIT ?";
    let rows = sqlx::query(sql).bind(EXECUTORS_MAX).fetch_all(db).await?;
    let view = |row: &SqliteRow| {
        let size: Option<i64> = row.try_get("ledger_size")?;
        let head: Option<&str> = row.try_get("ledger_head")?;
        let ledger = match (size, head) {
            (Some(size), Some(head)) => Some(LedgerHead { size: count(size), head: from_word(head)? }),
            _ => None,
        };
        Ok(ExecutorView {
            executor: from_word(row.try_get("id")?)?,
            name: row.try_get("name")?,
            cluster: from_word(row.try_get("cluster")?)?,
            pool: from_word(row.try_get("pool")?)?,
            role: from_word(row.try_get("role")?)?,
            version: row.try_get("version")?,
            slots: row.try_get("slots")?,
            held: row.try_get("held")?,
            last_poll_at: row.try_get::<Option<i64>, _>("last_poll_at")?.map(Timestamp::from_millis),
            last_report: row.try_get::<Option<&str>, _>("last_report")?.map(from_json).transpose()?,
            ledger,
        })
    };
    rows.iter().map(view).collect()
}

fn run_view(row: &SqliteRow) -> Result<RunView, sqlx::Error> {
    Ok(RunView {
        run: from_word(row.try_get("id")?)?,
        version: count(row.try_get("version")?),
        project: from_word(row.try_get("project")?)?,
        release_seq: ReleaseSeq(count(row.try_get("release_seq")?)),
        release_sha256: from_word(row.try_get("release_sha256")?)?,
        job: row.try_get::<Option<&str>, _>("job")?.map(from_word).transpose()?,
        environment: from_word(row.try_get("environment")?)?,
        state: from_word(row.try_get("state")?)?,
        started_at: Timestamp::from_millis(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp::from_millis),
        requested_by: row.try_get("requested_by")?,
        tasks: Vec::new(),
        counts: Vec::new(),
    })
}

fn state_count(row: &SqliteRow) -> Result<(TaskState, u32), sqlx::Error> {
    Ok((from_word(row.try_get("state")?)?, row.try_get("n")?))
}

fn task_view(row: &SqliteRow) -> Result<TaskView, sqlx::Error> {
    let time =
        |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(Timestamp::from_millis));
    Ok(TaskView {
        task: from_word(row.try_get("task")?)?,
        state: from_word(row.try_get("state")?)?,
        attempt: AttemptNo(row.try_get("attempt")?),
        executor: row.try_get::<Option<&str>, _>("executor")?.map(from_word).transpose()?,
        code: row.try_get::<Option<&str>, _>("code")?.map(from_word).transpose()?,
        because: row.try_get::<Option<&str>, _>("because_task")?.map(from_word).transpose()?,
        started_at: time("started_at")?,
        ended_at: time("ended_at")?,
        duration_s: row.try_get::<Option<i64>, _>("duration_s")?.map(count),
        rows_affected: row.try_get::<Option<i64>, _>("rows_affected")?.map(count),
    })
}

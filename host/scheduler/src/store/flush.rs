//! Writing what changed in memory to the tables: a few statements for a whole batch.
//!
//! Rows travel as one JSON text per table, so that a batch costs one statement, not one per row.

use std::collections::HashMap;

use cofferdam_ids::{ExecutorId, RunId, Timestamp};
use cofferdam_protocol::{
    api::{LastReport, RunState},
    queue::{Changes, TaskStatus},
};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    load::Book,
    words::{number, to_json, word},
};

const UPSERT_TASKS: &str = "
    INSERT INTO run_tasks (run, place, task, state, attempt, fence, ready_at, lease_id, dispatch_id, expires_at,
                           executor, code, because, started_at, ended_at, duration_s, rows_affected, version)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
           value ->> 15, value ->> 16, value ->> 17
    FROM json_each(?1) WHERE true
    ON CONFLICT (run, place) DO UPDATE SET
        state = excluded.state, attempt = excluded.attempt, fence = excluded.fence, ready_at = excluded.ready_at,
        lease_id = excluded.lease_id, dispatch_id = excluded.dispatch_id, expires_at = excluded.expires_at,
        executor = excluded.executor, code = excluded.code, because = excluded.because,
        started_at = excluded.started_at, ended_at = excluded.ended_at, duration_s = excluded.duration_s,
        rows_affected = excluded.rows_affected, version = excluded.version";

const UPDATE_RUNS: &str = "
    UPDATE runs SET state = v.value ->> 1, version = v.value ->> 2, cancelled = v.value ->> 3,
                    ended_at = v.value ->> 4
    FROM json_each(?1) AS v WHERE runs.id = v.value ->> 0";

const INSERT_ATTEMPTS: &str = "
    INSERT INTO attempts (lease_id, run, place, executor, attempt, fence, state, code, at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8
    FROM json_each(?1) WHERE true
    ON CONFLICT (lease_id) DO NOTHING";

const UPDATE_REPORTERS: &str = "
    UPDATE executors SET last_report = v.value ->> 1
    FROM json_each(?1) AS v WHERE executors.id = v.value ->> 0";

/// Writes all changes of the queue; gives the runs that ended.
pub(crate) async fn flush(
    db: &mut SqliteConnection,
    book: &mut Book,
    now: Timestamp,
) -> Result<Vec<RunId>, sqlx::Error> {
    let queue = &mut book.queue;
    let changes = queue.take_changes();
    if changes.runs.is_empty() && changes.attempts.is_empty() {
        return Ok(Vec::new());
    }
    let (mut runs, mut tasks, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for (id, places) in &changes.runs {
        let (Some(state), Some(version)) = (queue.state(id), queue.version(id)) else { continue };
        let ended_at = (state != RunState::Running).then_some(now.as_millis());
        runs.push(json!([id, word(&state), number(version), i32::from(queue.is_cancelled(id)), ended_at]));
        if ended_at.is_some() {
            ended.push(id.clone());
        }
        let (Some(plan), Some(all)) = (queue.plan(id), queue.tasks(id)) else { continue };
        tasks
            .extend(places.iter().map(|i| task_row((id, version), *i, plan.tasks[*i].id.as_str(), &all[*i])));
    }
    write(db, UPSERT_TASKS, &tasks).await?;
    write(db, UPDATE_RUNS, &runs).await?;
    write(db, INSERT_ATTEMPTS, &attempt_rows(&changes)).await?;
    write(db, UPDATE_REPORTERS, &reporter_rows(&changes)?).await?;
    let fence = queue.last_fence();
    if fence != book.fence {
        sqlx::query("UPDATE counters SET value = ? WHERE name = 'fence' AND value < ?1")
            .bind(number(fence.0))
            .execute(db)
            .await?;
        book.fence = fence;
    }
    Ok(ended)
}

async fn write(db: &mut SqliteConnection, sql: &'static str, rows: &[Value]) -> Result<(), sqlx::Error> {
    if !rows.is_empty() {
        sqlx::query(sql).bind(to_json(&rows)?).execute(db).await?;
    }
    Ok(())
}

fn task_row((run, version): (&RunId, u64), place: usize, id: &str, task: &TaskStatus) -> Value {
    let lease = task.lease.as_ref();
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    json!([
        run,
        place,
        id,
        word(&task.state),
        task.attempt,
        number(task.fence.0),
        task.ready_at.as_millis(),
        lease.map(|l| &l.id),
        lease.map(|l| &l.dispatch_id),
        lease.map(|l| l.expires_at.as_millis()),
        task.executor,
        task.code,
        task.because,
        millis(task.started_at),
        millis(task.ended_at),
        task.duration_s.map(number),
        task.rows_affected.map(number),
        number(version),
    ])
}

fn attempt_rows(changes: &Changes) -> Vec<Value> {
    let row = |a: &cofferdam_protocol::queue::EndedAttempt| {
        let state = a.state.map(|s| word(&s));
        let at = a.at.as_millis();
        json!([a.lease_id, a.run, a.place, a.executor, a.attempt, number(a.fence.0), state, a.code, at])
    };
    changes.attempts.iter().map(row).collect()
}

/// The last report of each executor that sent one.
fn reporter_rows(changes: &Changes) -> Result<Vec<Value>, sqlx::Error> {
    let mut last: HashMap<&ExecutorId, LastReport> = HashMap::new();
    for attempt in &changes.attempts {
        if let Some(state) = attempt.state {
            let (task, run, at) = (attempt.task.clone(), attempt.run.clone(), attempt.at);
            last.insert(&attempt.executor, LastReport { task, run, state, at });
        }
    }
    last.into_iter().map(|(executor, report)| Ok(json!([executor, to_json(&report)?]))).collect()
}

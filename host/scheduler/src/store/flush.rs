//! Writing what changed in memory to the tables, and the commit: one question to the store for a whole
//! batch.
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
    command::PollFacts,
    load::Book,
    words::{number, to_json, word},
};

/// What a batch leaves behind, and its commit: one text, so that the store is asked once. What there
/// is none of is an empty list, which costs next to nothing.
const WRITE_AND_COMMIT: &str = "
    INSERT INTO run_tasks (run, place, task, state, attempt, fence, ready_at, lease_id, dispatch_id, expires_at,
                           executor, code, because, started_at, ended_at, duration_s, rows_affected, version)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
           value ->> 15, value ->> 16, value ->> 17
    FROM json_each(?) WHERE true
    ON CONFLICT (run, place) DO UPDATE SET
        state = excluded.state, attempt = excluded.attempt, fence = excluded.fence, ready_at = excluded.ready_at,
        lease_id = excluded.lease_id, dispatch_id = excluded.dispatch_id, expires_at = excluded.expires_at,
        executor = excluded.executor, code = excluded.code, because = excluded.because,
        started_at = excluded.started_at, ended_at = excluded.ended_at, duration_s = excluded.duration_s,
        rows_affected = excluded.rows_affected, version = excluded.version;
    UPDATE runs SET state = v.value ->> 1, version = v.value ->> 2, cancelled = v.value ->> 3,
                    ended_at = v.value ->> 4
    FROM json_each(?) AS v WHERE runs.id = v.value ->> 0;
    INSERT INTO attempts (lease_id, run, place, executor, attempt, fence, state, code, at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8
    FROM json_each(?) WHERE true
    ON CONFLICT (lease_id) DO NOTHING;
    UPDATE executors SET last_report = v.value ->> 1
    FROM json_each(?) AS v WHERE executors.id = v.value ->> 0;
    UPDATE executors SET boot = v.value ->> 1, poll_seq = v.value ->> 2, last_poll_at = v.value ->> 3,
                         version = v.value ->> 4, ledger_size = v.value ->> 5, ledger_head = v.value ->> 6
    FROM json_each(?) AS v WHERE executors.id = v.value ->> 0 AND executors.client = v.value ->> 7;
    UPDATE counters SET value = ? WHERE name = 'fence' AND value < ?;
    COMMIT";

/// The last poll of each executor in a batch.
pub(crate) type Polls = HashMap<ExecutorId, (String, PollFacts)>;

/// Writes all changes of the queue and the polls that came, and commits; gives the runs that ended.
pub(crate) async fn flush(
    db: &mut SqliteConnection,
    book: &mut Book,
    polls: &Polls,
    now: Timestamp,
) -> Result<Vec<RunId>, sqlx::Error> {
    let queue = &mut book.queue;
    let changes = queue.take_changes();
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
    let fence = number(queue.last_fence().0);
    sqlx::query(WRITE_AND_COMMIT)
        .bind(to_json(&tasks)?)
        .bind(to_json(&runs)?)
        .bind(to_json(&attempt_rows(&changes))?)
        .bind(to_json(&reporter_rows(&changes)?)?)
        .bind(to_json(&poll_rows(polls, now))?)
        .bind(fence)
        .bind(fence)
        .execute(db)
        .await?;
    Ok(ended)
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

fn poll_rows(polls: &Polls, now: Timestamp) -> Vec<Value> {
    let row = |(executor, (client, facts)): (&ExecutorId, &(String, PollFacts))| {
        let (seq, at, ledger) = (number(facts.poll_seq), now.as_millis(), facts.ledger);
        json!([executor, facts.boot, seq, at, facts.version, number(ledger.size), ledger.head, client])
    };
    polls.iter().map(row).collect()
}

//! The fence: what an attempt publishes, no earlier attempt publishes over.
//!
//! A transaction that changed something advances its task's row just before it commits, and is
//! undone where a later attempt was there first. MySQL commits by itself around statements that
//! change relations, so a row alone cannot hold those: whoever looks at the fence first takes a
//! named lock of the task on the same connection, and lets go of it after the effect.
//!
//! Source: `docs/adr/0016-mysql-driver.md`.

use std::fmt::Write as _;

use cofferdam_call::Refusal;
use sha2::{Digest as _, Sha256};

use super::{
    connection::{Client, Problem},
    errors,
};
use crate::{driver::Holder, net::Wait, refusals};

/// Bytes of a step's name.
const STEP_BYTES_MAX: usize = 255;

/// The fence of one task, as one attempt sees it.
pub(super) struct Fence {
    table: String,
    database: String,
    lock: String,
    /// `project = … AND task = …`
    of_task: String,
    project: String,
    task: String,
    run: String,
    number: i64,
}

impl Fence {
    /// None for the operator's own tools, which are never stale.
    pub(super) fn new(holder: &Holder, database: &str) -> Option<Self> {
        if *holder == Holder::operator() {
            return None;
        }
        let (project, task) = (holder.project.as_str(), holder.task.as_str());
        let mut digest = Sha256::new();
        digest.update(project);
        digest.update(b"/");
        digest.update(task);
        let (project, task) = (literal(project), literal(task));
        Some(Self {
            table: format!("{}.fence", quoted(database)),
            database: quoted(database),
            lock: format!("cofferdam/{}", &hex(&digest.finalize())[..48]),
            of_task: format!("project = {project} AND task = {task}"),
            project,
            task,
            run: literal(holder.run.as_str()),
            number: i64::try_from(holder.fence.0).unwrap_or(i64::MAX),
        })
    }

    /// Makes sure that the table is there. Commits what is open.
    pub(super) fn prepare(&self, client: &mut Client, wait: &Wait<'_>) -> Result<(), Refusal> {
        let look = format!("SELECT 1 FROM {} LIMIT 0", self.table);
        match client.ask(&look, wait) {
            Ok(_) => return Ok(()),
            Err(Problem::Server(error))
                if matches!(error.code, errors::NO_TABLE | errors::NO_DATABASE)
                    || errors::is_denied(&error) => {}
            Err(problem) => return Err(errors::of(problem)),
        }
        let [database, table] = self.statements();
        // The database may be there although the user may not make it.
        let first = client.ours(&database, wait);
        let made = match (first, client.ours(&table, wait)) {
            (_, Ok(_)) => client.ask(&look, wait).map(drop),
            (_, Err(problem)) => Err(problem),
        };
        made.map_err(|problem| match problem {
            Problem::Server(_) => refusals::no_fence(format!(
                "the fence's table is missing and the gateway's user may not make it; have an administrator run: \
                 {database}; {table}; and grant the user SELECT, INSERT, UPDATE, DELETE on it"
            )),
            broken @ Problem::Broken(_) => errors::of(broken),
        })
    }

    fn statements(&self) -> [String; 2] {
        [
            format!("CREATE DATABASE IF NOT EXISTS {}", self.database),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (project VARBINARY(255) NOT NULL, task VARBINARY(255) NOT NULL, step \
                 VARBINARY(255) NOT NULL, run VARBINARY(255) NOT NULL, fence BIGINT NOT NULL, `rows` BIGINT NOT NULL, \
                 at TIMESTAMP(6) NOT NULL, PRIMARY KEY (project, task, step)) ENGINE = InnoDB",
                self.table
            ),
        ]
    }

    /// Takes the task's lock, or fails where another attempt keeps it.
    pub(super) fn lock(&self, client: &mut Client, seconds: u64, wait: &Wait<'_>) -> Result<(), Problem> {
        let taken = client.ask(&format!("SELECT GET_LOCK('{}', {seconds})", self.lock), wait)?;
        if taken.first().and_then(|row| row.first()) == Some(&Some("1".to_owned())) {
            return Ok(());
        }
        let message = "the lock of the task is held".to_owned();
        Err(Problem::Server(super::read::ServerError { code: 1205, message }))
    }

    /// Lets go of it.
    pub(super) fn unlock(&self, client: &mut Client, wait: &Wait<'_>) -> Result<(), Problem> {
        client.ask(&format!("SELECT RELEASE_LOCK('{}')", self.lock), wait).map(drop)
    }

    /// Advances the fence in the open transaction; false where a later attempt has it.
    pub(super) fn advance(&self, client: &mut Client, rows: u64, wait: &Wait<'_>) -> Result<bool, Problem> {
        client.ours(&self.upsert("''", rows), wait)?;
        let held = client.ask(
            &format!("SELECT fence FROM {} WHERE {} AND step = '' FOR UPDATE", self.table, self.of_task),
            wait,
        )?;
        let held = held.first().and_then(|row| row.first().cloned().flatten());
        Ok(held.and_then(|held| held.parse::<i64>().ok()) == Some(self.number))
    }

    /// Writes a step down in the open transaction; false where an earlier attempt of the same run
    /// committed it.
    pub(super) fn step(
        &self,
        client: &mut Client,
        step: &str,
        rows: u64,
        wait: &Wait<'_>,
    ) -> Result<bool, Problem> {
        let step = literal(step);
        let found = client.ask(
            &format!(
                "SELECT 1 FROM {} WHERE {} AND step = {step} AND run = {} AND fence < {} FOR UPDATE",
                self.table, self.of_task, self.run, self.number
            ),
            wait,
        )?;
        if !found.is_empty() {
            return Ok(false);
        }
        client.ours(&self.upsert(&step, rows), wait)?;
        client.ours(
            &format!(
                "DELETE FROM {} WHERE {} AND step <> '' AND run <> {}",
                self.table, self.of_task, self.run
            ),
            wait,
        )?;
        Ok(true)
    }

    /// Sets a row to this attempt's, unless a later one has it. Assignments are done from left to
    /// right, so the fence comes last.
    fn upsert(&self, step: &str, rows: u64) -> String {
        let Self { table, project, task, run, number, .. } = self;
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        format!(
            "INSERT INTO {table} (project, task, step, run, fence, `rows`, at) VALUES ({project}, {task}, {step}, \
             {run}, {number}, {rows}, NOW(6)) ON DUPLICATE KEY UPDATE run = IF(fence <= {number}, {run}, run), \
             `rows` = IF(fence <= {number}, {rows}, `rows`), at = IF(fence <= {number}, NOW(6), at), \
             fence = GREATEST(fence, {number})"
        )
    }
}

/// Whether a step's name can be kept.
pub(super) fn check_step(step: &str) -> Result<(), Refusal> {
    if (1..=STEP_BYTES_MAX).contains(&step.len()) {
        return Ok(());
    }
    Err(refusals::invalid(format!("a step's name is 1 to {STEP_BYTES_MAX} bytes long")))
}

/// A later attempt has the fence.
pub(super) fn stale() -> Refusal {
    refusals::stale("a later attempt of this task has the fence; what this one changed was undone")
}

/// Text as hexadecimal digits: nothing of it can be read as anything else.
fn literal(text: &str) -> String {
    if text.is_empty() { "''".to_owned() } else { format!("x'{}'", hex(text.as_bytes())) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

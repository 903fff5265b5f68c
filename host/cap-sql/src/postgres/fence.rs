//! Lets the latest attempt of a task publish, and no other.
//!
//! In: a transaction that is about to be made to last, and whose it is. Out: it is committed, or
//! undone.
//! Never: commits where the fence's row holds a higher number. Both are one transaction.
//! Fails: with `CD0326` where a later attempt was here, `CD0327` where there is no table.
//! Source: `docs/adr/0015-postgresql-driver.md`.

use std::time::Duration;

use cofferdam_call::Refusal;
use cofferdam_ids::Fence;

use super::{
    conn::Conn,
    errors::{Fault, ServerError},
};
use crate::{cancel::CancelToken, driver::Holder, net::Wait, refusals};

/// A commit that was asked for is waited for, whoever loses patience: only its answer says what
/// happened.
const COMMIT_WITHIN: Duration = Duration::from_secs(60);

/// What the fence needs to know of a session.
pub(super) struct Fencing<'a> {
    pub(super) schema: &'a str,
    pub(super) holder: &'a Holder,
}

/// The two statements that make the table.
pub(super) fn statements(schema: &str, role: &str) -> [String; 2] {
    let name = |name: &str| super::quoted(name).unwrap_or_default();
    let (schema, role) = (name(schema), name(role));
    [
        format!("create schema if not exists {schema} authorization {role}"),
        format!("{}; alter table {schema}.fence owner to {role}", table(&schema)),
    ]
}

fn table(schema: &str) -> String {
    format!(
        "create table if not exists {schema}.fence (project text, task text, step text, run text not null, \
         fence bigint not null, rows bigint, at timestamptz not null default now(), \
         primary key (project, task, step))"
    )
}

impl Fencing<'_> {
    fn schema(&self) -> Result<String, Refusal> {
        super::quoted(self.schema)
    }

    /// Whether the holder is held by a fence at all.
    pub(super) fn applies(&self) -> bool {
        self.holder.fence != Holder::operator().fence
    }

    /// Makes the table where it is not there. Outside of any transaction. Where it cannot be made,
    /// a transaction that wrote finds out.
    pub(super) fn prepare(&self, conn: &mut Conn, wait: &Wait<'_>) -> Result<bool, Fault> {
        let schema = self.schema()?;
        let name = format!("{schema}.fence");
        // Two sessions that make it at once get in each other's way; the second try finds it.
        for _ in 0..3 {
            let seen = conn.ask("select to_regclass($1) is not null", &[Some(&name)], wait)?;
            if seen.first() == Some("t") {
                return Ok(true);
            }
            let exists = conn.ask("select to_regnamespace($1) is not null", &[Some(&schema)], wait)?;
            let made = if exists.first() == Some("t") {
                Ok(())
            } else {
                conn.ask(&format!("create schema if not exists {schema}"), &[], wait).map(drop)
            };
            match made.and_then(|()| conn.ask(&table(&schema), &[], wait).map(drop)) {
                Ok(()) | Err(Fault::Server(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(false)
    }

    /// Commits, if the fence lets it. Where no statement has said that it wrote the server is asked: a
    /// function in a query may have.
    pub(super) fn commit(&self, conn: &mut Conn, wrote: bool, wait: &Wait<'_>) -> Result<(), Fault> {
        if self.applies() {
            let asked = "select txid_current_if_assigned() is not null";
            if wrote || conn.ask(asked, &[], wait)?.first() == Some("t") {
                self.advance(conn, wait)?;
            }
        }
        commit(conn)
    }

    /// Raises the fence to the holder's. Its row is locked from here to the transaction's end.
    pub(super) fn advance(&self, conn: &mut Conn, wait: &Wait<'_>) -> Result<(), Fault> {
        let Holder { project, task, run, .. } = self.holder;
        let fence = number(self.holder.fence);
        let upsert = format!(
            "insert into {}.fence as kept (project, task, step, run, fence) values ($1, $2, '', $3, $4::bigint) \
             on conflict (project, task, step) do update set run = excluded.run, fence = excluded.fence, at = now() \
             where kept.fence <= excluded.fence",
            self.schema()?
        );
        let values = [Some(project.as_str()), Some(task.as_str()), Some(run.as_str()), Some(&*fence)];
        let advanced = conn.ask(&upsert, &values, wait).map_err(|fault| self.missing(fault, conn))?;
        if advanced.count() == 0 {
            rollback(conn)?;
            return Err(Fault::Here(refusals::stale(
                "a later attempt of this task has the fence; what this one did was rolled back",
            )));
        }
        Ok(())
    }

    /// Commits a step of the task, unless an earlier attempt of the run has: then rolls back.
    pub(super) fn commit_once(&self, conn: &mut Conn, step: &str, wait: &Wait<'_>) -> Result<bool, Fault> {
        if !self.applies() {
            return commit(conn).map(|()| true);
        }
        self.advance(conn, wait)?;
        let Holder { project, task, run, .. } = self.holder;
        let (schema, fence) = (self.schema()?, number(self.holder.fence));
        let values =
            [Some(project.as_str()), Some(task.as_str()), Some(step), Some(run.as_str()), Some(&*fence)];
        let done = format!(
            "select exists (select from {schema}.fence where project = $1 and task = $2 and step = $3 and run = $4 \
             and fence < $5::bigint)"
        );
        if conn.ask(&done, &values, wait)?.first() == Some("t") {
            rollback(conn)?;
            return Ok(false);
        }
        let keep = format!(
            "insert into {schema}.fence (project, task, step, run, fence) values ($1, $2, $3, $4, $5::bigint) \
             on conflict (project, task, step) do update set run = excluded.run, fence = excluded.fence, at = now()"
        );
        let forget = format!(
            "delete from {schema}.fence where project = $1 and task = $2 and step <> '' and run <> $3"
        );
        conn.ask(&keep, &values, wait)?;
        conn.ask(&forget, &[values[0], values[1], values[3]], wait)?;
        commit(conn).map(|()| true)
    }

    /// Says what a database administrator has to do, where that is what is wrong.
    fn missing(&self, fault: Fault, conn: &mut Conn) -> Fault {
        match fault {
            Fault::Server(ServerError { ref code, .. }) if ["42P01", "42501", "3F000"].contains(&&**code) => {
                if let Err(broken) = rollback(conn) {
                    return broken;
                }
                let [first, second] = statements(self.schema, &conn.login.role);
                Fault::Here(refusals::no_fence(format!(
                    "the fence has no table the gateway's role may write, so nothing is made to last. A database \
                     administrator runs once: {first}; {second}"
                )))
            }
            other => other,
        }
    }
}

fn number(fence: Fence) -> String {
    i64::try_from(fence.0).unwrap_or(i64::MAX).to_string()
}

fn commit(conn: &mut Conn) -> Result<(), Fault> {
    let never = CancelToken::default();
    let done = conn.ask("commit", &[], &Wait::at_most(&never, COMMIT_WITHIN))?;
    if done.tag == "COMMIT" {
        return Ok(());
    }
    Err(Fault::Here(refusals::invalid("a statement of the transaction had failed; it was rolled back")))
}

/// Undoes the transaction.
pub(super) fn rollback(conn: &mut Conn) -> Result<(), Fault> {
    let never = CancelToken::default();
    conn.ask("rollback", &[], &Wait::at_most(&never, COMMIT_WITHIN)).map(drop)
}

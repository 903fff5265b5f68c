//! A session as the broker holds it: one connection, one statement at a time.
//!
//! In: statements the broker has decided on. Out: counts and frames.
//! Never: leaves a statement running when it is stopped or dropped without having asked the server
//! to stop it; commits past the fence.
//! Fails: see `docs/adr/0015-postgresql-driver.md`; after a failure of the connection every later
//! call fails the same way.

use cofferdam_call::{Access, Column, Refusal, Value};

use super::{
    PostgresConnect, application_name,
    conn::{Conn, plain},
    errors::Fault,
    fence::{self, Fencing},
    load::Load,
    rows::{RowsOpen, Stream},
    stop,
};
use crate::{
    cancel::CancelToken,
    driver::{Holder, Opening, Peer, RowsId, SqlSession},
    net::{Stop, Wait},
    pool::Lent,
    refusals,
    settings::Key,
};

pub(super) struct Session {
    pub(super) lent: Option<Lent<PostgresConnect>>,
    key: Key,
    access: Access,
    pub(super) cancel: CancelToken,
    holder: Holder,
    peer: Peer,
    /// Whether the guest has begun a transaction.
    pub(super) explicit: bool,
    /// Whether a statement of the transaction that is open has said that it wrote.
    pub(super) wrote: bool,
    pub(super) rows: RowsOpen,
    pub(super) stream: Option<Stream>,
    pub(super) load: Option<Load>,
    /// Why nothing can be asked any more.
    dead: Option<Refusal>,
    /// What went wrong where nobody could be told.
    late: Option<Refusal>,
}

impl Session {
    pub(super) fn start(
        mut lent: Lent<PostgresConnect>,
        key: Key,
        opening: &Opening<'_>,
    ) -> Result<Self, Refusal> {
        let name = application_name(&lent.connector().settings.owner_tag, Some(&opening.holder.dispatch));
        let wait = lent.connector().wait(opening.cancel);
        lent.used = true;
        let text = "select backend_start, set_config('application_name', $1, false) \
                    from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";
        let named = lent.ask(text, &[Some(&name)], &wait).map_err(plain)?;
        lent.started = named.first().unwrap_or_default().to_owned();
        let peer = Peer { role: Some(lent.login.role.clone()), tls: lent.login.tls.clone() };
        Ok(Self {
            lent: Some(lent),
            key,
            access: opening.access,
            cancel: opening.cancel.clone(),
            holder: opening.holder.clone(),
            peer,
            explicit: false,
            wrote: false,
            rows: RowsOpen::default(),
            stream: None,
            load: None,
            dead: None,
            late: None,
        })
    }

    pub(super) fn conn(&mut self) -> Result<&mut Conn, Fault> {
        match (&mut self.lent, &self.dead) {
            (Some(lent), None) => Ok(lent),
            (_, Some(dead)) => Err(Fault::Here(dead.clone())),
            (None, None) => Err(Fault::Here(refusals::unavailable("the session has ended"))),
        }
    }

    /// Connection, and how long to wait for it.
    pub(super) fn ask<'c>(&mut self, cancel: &'c CancelToken) -> Result<(&mut Conn, Wait<'c>), Fault> {
        let wait = match &self.lent {
            Some(lent) => lent.connector().wait(cancel),
            None => Wait { cancel, until: None },
        };
        Ok((self.conn()?, wait))
    }

    /// Does something with the connection, and brings it back to rest where that failed.
    pub(super) fn run<T>(
        &mut self,
        statement: &str,
        act: impl FnOnce(&mut Self, &CancelToken) -> Result<T, Fault>,
    ) -> Result<T, Refusal> {
        if let Some(dead) = &self.dead {
            return Err(dead.clone());
        }
        let cancel = self.cancel.clone();
        if let Err(why) = cancel.check() {
            let runs = self.lent.as_ref().is_some_and(|lent| lent.owes());
            return Err(if runs { self.failed(Fault::Stop(Stop::Cancelled(why)), "") } else { why });
        }
        if let Some(late) = self.late.take() {
            return Err(late);
        }
        act(self, &cancel).map_err(|fault| self.failed(fault, statement))
    }

    /// What a fault is for the guest. Afterwards the connection is at rest, in the guest's own
    /// transaction, or given up.
    pub(super) fn failed(&mut self, fault: Fault, statement: &str) -> Refusal {
        self.stream = None;
        let refusal = match fault {
            Fault::Server(error) => error.refusal(statement),
            Fault::Here(refusal) => refusal,
            Fault::Broken(refusal) => {
                self.dead = Some(refusal.clone());
                refusal
            }
            Fault::Stop(why) => {
                let (access, credential) = (self.access, self.key.credential.clone());
                match &mut self.lent {
                    Some(lent) => {
                        let pool = lent.pool();
                        stop::stop(lent, pool.connector(), access, &credential, &why)
                    }
                    None => refusals::unavailable("the session has ended"),
                }
            }
        };
        let Some(lent) = &mut self.lent else { return refusal };
        let keeps = self.explicit && !lent.is_broken() && !lent.owes();
        let pool = lent.pool();
        if !keeps {
            let settled = if self.explicit && !lent.is_broken() {
                lent.forget();
                stop::stops_when_asked(lent, pool.connector())
            } else {
                stop::settle(lent, pool.connector())
            };
            if !settled {
                self.dead.get_or_insert_with(|| {
                    refusals::unavailable(
                        "the connection to the warehouse broke; what was not committed is undone",
                    )
                });
            }
        }
        refusal
    }

    pub(super) fn fenced<T>(
        &mut self,
        cancel: &CancelToken,
        act: impl FnOnce(&Fencing<'_>, &mut Conn, &Wait<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let holder = self.holder.clone();
        let schema = match &self.lent {
            Some(lent) => lent.connector().settings.fence_schema.clone(),
            None => String::new(),
        };
        let (conn, wait) = self.ask(cancel)?;
        act(&Fencing { schema: &schema, holder: &holder }, conn, &wait)
    }

    /// Sees to it that the fence has its table, before a transaction is begun that may need it.
    pub(super) fn prepare_fence(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
        let seen = self.lent.as_ref().is_some_and(|lent| lent.connector().fence_was_seen());
        if seen || self.access == Access::Read {
            return Ok(());
        }
        let made =
            self.fenced(
                cancel,
                |fence, conn, wait| {
                    if fence.applies() { fence.prepare(conn, wait) } else { Ok(false) }
                },
            )?;
        if let (true, Some(lent)) = (made, &self.lent) {
            lent.connector().see_fence();
        }
        Ok(())
    }

    /// Whether a statement outside of the guest's transactions gets one of its own.
    pub(super) fn wraps(&self) -> bool {
        self.access > Access::Read && !self.explicit
    }

    pub(super) fn commit_fenced(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
        let wrote = std::mem::take(&mut self.wrote);
        self.fenced(cancel, |fence, conn, wait| fence.commit(conn, wrote, wait))
    }

    fn end(
        &mut self,
        act: impl FnOnce(&mut Self, &CancelToken) -> Result<bool, Fault>,
    ) -> Result<bool, Refusal> {
        self.run("", |this, cancel| {
            if !this.explicit {
                return Err(Fault::Here(refusals::out_of_turn("no transaction is open")));
            }
            this.make_room(cancel)?;
            // Whatever comes of it, the transaction is over.
            let ended = act(this, cancel);
            this.explicit = false;
            this.wrote = false;
            ended
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        let pool = lent.pool();
        if self.dead.is_some() || !stop::settle(&mut lent, pool.connector()) {
            lent.discard();
        }
    }
}

impl SqlSession for Session {
    fn peer(&self) -> Peer {
        self.peer.clone()
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal> {
        self.run(statement, |this, cancel| this.start_query(statement, values, cancel))
    }

    fn next_frame(&mut self, rows: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        if let Some((bytes, count)) = self.rows.next(rows)? {
            if frame.is_empty() {
                *frame = bytes;
            } else {
                frame.extend_from_slice(&bytes);
            }
            return Ok(Some(count));
        }
        let Some(stream) = self.stream.as_ref().filter(|stream| stream.id == rows) else { return Ok(None) };
        let statement = stream.statement.clone();
        let filled = self.run(&statement, |this, cancel| this.fill(frame, cancel));
        match filled {
            Ok((count, _)) => Ok(Some(count)),
            Err(refusal) => {
                self.rows.of(rows).broken = Some(refusal.clone());
                Err(refusal)
            }
        }
    }

    fn close_rows(&mut self, rows: RowsId) {
        self.rows.close(rows);
        if self.stream.as_ref().is_some_and(|stream| stream.id == rows) {
            // Nobody listens here: what went wrong is told to the next call.
            if let Err(refusal) = self.run("", |this, cancel| this.skip(cancel)) {
                self.late = Some(refusal);
            }
        }
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, Refusal> {
        self.run(statement, |this, cancel| this.run_statement(statement, values, cancel))
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        self.run("", |this, cancel| {
            this.make_room(cancel)?;
            if this.explicit {
                return Err(Fault::Here(refusals::out_of_turn("a transaction is open already")));
            }
            this.prepare_fence(cancel)?;
            let (conn, wait) = this.ask(cancel)?;
            conn.ask("begin", &[], &wait)?;
            this.explicit = true;
            Ok(())
        })
    }

    fn commit(&mut self) -> Result<(), Refusal> {
        self.end(|this, cancel| this.commit_fenced(cancel).map(|()| true)).map(drop)
    }

    fn commit_once(&mut self, step: &str) -> Result<bool, Refusal> {
        if step.is_empty() || step.contains('\0') {
            return Err(refusals::invalid("a step has a name, without NUL"));
        }
        if self.access == Access::Read {
            return self.commit().map(|()| true);
        }
        self.end(|this, cancel| this.fenced(cancel, |fence, conn, wait| fence.commit_once(conn, step, wait)))
    }

    fn rollback(&mut self) -> Result<(), Refusal> {
        self.end(|this, cancel| {
            let (conn, _) = this.ask(cancel)?;
            fence::rollback(conn).map(|()| true)
        })
        .map(drop)
    }

    fn load(&mut self, table: &[String], columns: &[Column]) -> Result<(), Refusal> {
        self.run("", |this, cancel| this.start_load(table, columns, cancel))
    }

    fn load_write(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        self.write_load(frame)
    }

    fn load_finish(&mut self) -> Result<u64, Refusal> {
        self.finish_load()
    }

    fn load_abandon(&mut self) {
        self.abandon_load();
    }
}

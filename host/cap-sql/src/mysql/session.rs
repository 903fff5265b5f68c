//! One session: statements, transactions, and what they publish.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use cofferdam_call::{Access, Column, Refusal, Value};

use super::{
    connect::{Connector, Held},
    connection::{Client, Outcome, Prepared, Problem},
    encode::Values,
    errors,
    fence::{self, Fence},
    loading::Loading,
    read::{Done, IN_TRANSACTION},
    rows::{Active, Kept},
    sort::{Sort, has_word, sort},
    stop,
    wire::Broken,
};
use crate::{
    cancel::CancelToken,
    driver::{Opening, Peer, RowsId, SqlSession},
    net::{LinkError, Stop, Wait},
    pool::{Lent, Pool},
    refusals,
    settings::Key,
};

/// The server stops a statement by itself; so much later it is stopped from here.
const GRACE: Duration = Duration::from_secs(2);

/// How long undoing a transaction may take whose failure nobody waits for.
const UNDO: Duration = Duration::from_secs(30);

/// A transaction that is open.
#[derive(Default)]
struct Transaction {
    /// A statement in it may have changed something.
    wrote: bool,
    /// Rows they changed.
    rows: u64,
}

/// One session, on a connection of its own while it lasts.
pub(super) struct Session {
    pub(super) pool: Arc<Pool<Connector>>,
    pub(super) key: Key,
    lent: Option<Lent<Connector>>,
    peer: Peer,
    access: Access,
    cancel: CancelToken,
    fence: Option<Fence>,
    /// Stands before every statement of the guest's, and names its dispatch in the warehouse.
    mark: String,
    transaction: Option<Transaction>,
    pub(super) active: Option<Active>,
    pub(super) kept: HashMap<RowsId, Kept>,
    pub(super) rows_last: u64,
    pub(super) load: Option<Box<Loading>>,
}

impl Session {
    pub(super) fn open(pool: &Arc<Pool<Connector>>, key: Key, opening: Opening<'_>) -> Result<Self, Refusal> {
        let Opening { access, cancel, holder, .. } = opening;
        let lent = pool.lend(access, &key, cancel)?;
        let settings = &pool.connector().settings;
        let fence = if access == Access::Read { None } else { Fence::new(&holder, &settings.fence_schema) };
        Ok(Self {
            pool: Arc::clone(pool),
            key,
            peer: lent.peer.clone(),
            lent: Some(lent),
            access,
            cancel: cancel.clone(),
            fence,
            mark: format!("/* cofferdam/{}/{} */ ", settings.owner_tag, holder.dispatch),
            transaction: None,
            active: None,
            kept: HashMap::new(),
            rows_last: 0,
            load: None,
        })
    }

    pub(super) fn held(&mut self) -> Result<&mut Held, Problem> {
        let held = self.lent.as_deref_mut().filter(|held| held.client.is_open());
        held.ok_or(Problem::Broken(Broken::Link(LinkError::Closed)))
    }

    /// Runs one command, watched by the attempt's token and the gateway's time-out.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Client, &Wait<'_>) -> Result<T, Problem>,
    ) -> Result<T, Refusal> {
        self.cancel.check()?;
        let cancel = self.cancel.clone();
        let limit = self.pool.connector().settings.statement_timeout + GRACE;
        let wait = Wait { cancel: &cancel, until: Instant::now().checked_add(limit) };
        let done = self.held().and_then(|held| work(&mut held.client, &wait));
        done.map_err(|problem| self.failed(problem))
    }

    /// What a problem means for the session, and for the guest.
    fn failed(&mut self, problem: Problem) -> Refusal {
        match problem {
            Problem::Server(error) => {
                if error.code == errors::DEADLOCK && self.transaction.take().is_some() {
                    // Where rows stood in the way the server has undone all of it; where relations
                    // did, only the statement.
                    self.surely_undo();
                }
                if error.code == errors::NO_TABLE {
                    self.pool.connector().fence_seen.store(false, Ordering::Relaxed);
                }
                errors::refusal(&error)
            }
            Problem::Broken(Broken::Stop(stop)) => self.stopped(stop),
            Problem::Broken(broken) => {
                self.transaction = None;
                if let Some(lent) = self.lent.take() {
                    lent.discard();
                }
                broken.refusal()
            }
        }
    }

    fn stopped(&mut self, stop: Stop) -> Refusal {
        self.transaction = None;
        let mut confirmed = false;
        if let Some(mut lent) = self.lent.take() {
            let (connector, id) = (self.pool.connector(), lent.id);
            confirmed = stop::session(connector, &self.key.credential, &mut lent.client, id);
            lent.discard();
        }
        let why = match stop {
            Stop::Cancelled(why) => why.message,
            Stop::TimeUp => "it took longer than the gateway's `statement_timeout_s`".to_owned(),
        };
        if confirmed {
            return refusals::interrupted(format!("the statement was stopped: {why}; cancel confirmed"));
        }
        refusals::unconfirmed(format!(
            "the statement was given up: {why}; cancel not confirmed: it may still run in the warehouse"
        ))
    }

    /// Makes the connection ready for a command: no load under way, no rows left on the way.
    pub(super) fn settle(&mut self) -> Result<(), Refusal> {
        self.cancel.check()?;
        if self.load.is_some() {
            return Err(refusals::out_of_turn("a load is under way in this session; end it first"));
        }
        self.keep_rest();
        Ok(())
    }

    fn ours(&mut self, text: &str) -> Result<Done, Refusal> {
        self.run(|client, wait| client.ours(text, wait))
    }

    /// Has the server take a statement in, and checks it against its values.
    pub(super) fn prepare(&mut self, text: &str, values: &[Value]) -> Result<(Prepared, Vec<u8>), Refusal> {
        let text = format!("{}{text}", self.mark);
        let encoded = Values::of(values)?;
        let prepared = self.run(|client, wait| client.prepare(&text, wait))?;
        if usize::from(prepared.values) != values.len() {
            self.forget(prepared);
            let (given, wanted) = (values.len(), prepared.values);
            return Err(refusals::invalid(format!(
                "the statement takes {wanted} values; {given} were given"
            )));
        }
        Ok((prepared, encoded.command(prepared)))
    }

    pub(super) fn forget(&mut self, prepared: Prepared) {
        if let Ok(held) = self.held() {
            held.client.forget(prepared);
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Notes that the open transaction changed rows.
    pub(super) fn wrote(&mut self, rows: u64) {
        if let Some(transaction) = &mut self.transaction {
            transaction.wrote = true;
            transaction.rows += rows;
        }
    }

    /// Starts a transaction; the fence's table is there from then on.
    pub(super) fn start(&mut self) -> Result<(), Refusal> {
        self.ready_fence()?;
        self.ours("START TRANSACTION")?;
        self.transaction = Some(Transaction::default());
        Ok(())
    }

    pub(super) fn undo(&mut self) -> Result<(), Refusal> {
        if self.transaction.take().is_none() {
            return Ok(());
        }
        self.ours("ROLLBACK").map(drop)
    }

    /// A statement was done that was asked for in the wrong way: nothing of it may stay.
    pub(super) fn wrong_way(&mut self, why: &str) -> Refusal {
        if self.transaction.take().is_none() {
            return refusals::not_one(why);
        }
        self.surely_undo();
        refusals::not_one(format!("{why}; the transaction was undone"))
    }

    /// Leaves no transaction open in the server: the next one begun would commit it.
    fn surely_undo(&mut self) {
        let forever = CancelToken::default();
        let wait = Wait::at_most(&forever, UNDO);
        if let Ok(held) = self.held()
            && held.client.ours("ROLLBACK", &wait).is_err()
        {
            held.client.close();
        }
    }

    fn ready_fence(&mut self) -> Result<(), Refusal> {
        let pool = Arc::clone(&self.pool);
        let seen = &pool.connector().fence_seen;
        let Some(fence) = self.fence.take() else { return Ok(()) };
        if seen.load(Ordering::Relaxed) {
            self.fence = Some(fence);
            return Ok(());
        }
        let mut refused = None;
        let done = self.run(|client, wait| {
            refused = fence.prepare(client, wait).err();
            Ok(())
        });
        self.fence = Some(fence);
        done?;
        refused.map_or_else(
            || {
                seen.store(true, Ordering::Relaxed);
                Ok(())
            },
            Err,
        )
    }

    /// Ends the open transaction: makes it last where the fence lets it, and the step is new.
    pub(super) fn publish(&mut self, step: Option<&str>) -> Result<bool, Refusal> {
        let Some(transaction) = self.transaction.take() else {
            return Err(refusals::out_of_turn("no transaction is open"));
        };
        let Some(fence) = self.fence.take() else {
            return self.ours("COMMIT").map(|_| true);
        };
        let published = if transaction.wrote || step.is_some() {
            self.publish_behind(&fence, transaction.rows, step)
        } else {
            self.ours("COMMIT").map(|_| true)
        };
        self.fence = Some(fence);
        published
    }

    fn publish_behind(&mut self, fence: &Fence, rows: u64, step: Option<&str>) -> Result<bool, Refusal> {
        let seconds = self.lock_seconds();
        let decided = self.run(|client, wait| {
            fence.lock(client, seconds, wait)?;
            if !fence.advance(client, rows, wait)? {
                return Ok(None);
            }
            step.map_or(Ok(true), |step| fence.step(client, step, rows, wait)).map(Some)
        });
        let ended = match &decided {
            Ok(Some(true)) => self.ours("COMMIT"),
            // A connection that is gone has undone it.
            _ => self.ours("ROLLBACK"),
        };
        // So has one that is gone let go of the lock.
        let _ = self.run(|client, wait| fence.unlock(client, wait));
        match decided? {
            None => Err(fence::stale()),
            Some(published) => ended.map(|_| published),
        }
    }

    fn lock_seconds(&self) -> u64 {
        self.pool.connector().settings.lock_timeout.as_secs().max(1)
    }

    /// Runs a prepared statement that gives no rows.
    fn change(&mut self, prepared: Prepared, command: &[u8]) -> Result<u64, Refusal> {
        let expected = self.in_transaction();
        let outcome = self.run(|client, wait| client.execute(command, wait));
        if !matches!(outcome, Ok(Outcome::Rows(_))) {
            self.forget(prepared);
        }
        match outcome? {
            Outcome::Done(done) if (done.status & IN_TRANSACTION != 0) == expected => {
                self.wrote(done.rows);
                Ok(done.rows)
            }
            Outcome::Done(_) => {
                self.transaction = None;
                self.surely_undo();
                Err(refusals::walled("the statement began or ended a transaction by itself"))
            }
            Outcome::Rows(_) => {
                // Announced or not, MariaDB gives the rows of `RETURNING` now.
                self.skip(prepared);
                Err(self.wrong_way("the statement returns rows: query it"))
            }
        }
    }

    /// A statement that changes relations: the engine commits around it by itself, so the task's
    /// lock is kept from the look at the fence until it is done.
    fn shape(&mut self, prepared: Prepared, command: &[u8]) -> Result<u64, Refusal> {
        let Some(fence) = self.fence.take() else { return self.change(prepared, command) };
        let shaped = self.shape_behind(&fence, prepared, command);
        let _ = self.run(|client, wait| fence.unlock(client, wait));
        self.fence = Some(fence);
        shaped
    }

    fn shape_behind(&mut self, fence: &Fence, prepared: Prepared, command: &[u8]) -> Result<u64, Refusal> {
        let seconds = self.lock_seconds();
        let advanced = self.run(|client, wait| {
            fence.lock(client, seconds, wait)?;
            client.ours("START TRANSACTION", wait)?;
            let advanced = fence.advance(client, 0, wait)?;
            client.ours(if advanced { "COMMIT" } else { "ROLLBACK" }, wait)?;
            Ok(advanced)
        });
        match advanced {
            Ok(true) => self.change(prepared, command),
            Ok(false) => {
                self.forget(prepared);
                Err(fence::stale())
            }
            Err(refusal) => {
                self.forget(prepared);
                // Where the look at the fence failed in its middle.
                let _ = self.ours("ROLLBACK");
                Err(refusal)
            }
        }
    }
}

impl SqlSession for Session {
    fn peer(&self) -> Peer {
        self.peer.clone()
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal> {
        let sort = sort(statement, self.access)?;
        self.settle()?;
        self.room_for_rows()?;
        if matches!(sort, Sort::Changes | Sort::Shapes)
            && self.access > Access::Read
            && !self.in_transaction()
        {
            return Err(refusals::out_of_turn(
                "a statement that changes something and gives rows runs inside a transaction; begin one",
            ));
        }
        let (prepared, command) = self.prepare(statement, values)?;
        // MariaDB does not announce the rows of `RETURNING`.
        let gives = prepared.columns > 0 || (sort == Sort::Changes && has_word(statement, "returning"));
        if !gives || sort == Sort::Shapes {
            self.forget(prepared);
            return Err(refusals::not_one("the statement returns no rows: execute it"));
        }
        if sort == Sort::Changes {
            self.wrote(0);
        }
        self.rows(prepared, &command)
    }

    fn next_frame(&mut self, rows: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        self.cancel.check()?;
        self.frame(rows, frame)
    }

    fn close_rows(&mut self, rows: RowsId) {
        self.kept.remove(&rows);
        if self.active.as_ref().is_some_and(|active| active.id == rows) {
            self.skip_rest();
        }
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, Refusal> {
        let sort = sort(statement, self.access)?;
        self.settle()?;
        if sort == Sort::Shapes && self.in_transaction() {
            return Err(refusals::out_of_turn(
                "MySQL commits a transaction by itself where a statement changes relations; commit it first",
            ));
        }
        if self.access > Access::Read && !self.in_transaction() {
            self.ready_fence()?;
        }
        let (prepared, command) = self.prepare(statement, values)?;
        if prepared.columns > 0 || sort == Sort::Reads {
            self.forget(prepared);
            return Err(match prepared.columns {
                0 => refusals::walled("a statement that reads gives its rows to nobody but the session"),
                _ => refusals::not_one("the statement returns rows: query it"),
            });
        }
        if sort == Sort::Shapes {
            return self.shape(prepared, &command);
        }
        if self.in_transaction() || self.access == Access::Read {
            return self.change(prepared, &command);
        }
        self.start()?;
        match self.change(prepared, &command) {
            Ok(rows) => self.publish(None).map(|_| rows),
            Err(refusal) => {
                // A connection that is gone has undone it.
                let _ = self.undo();
                Err(refusal)
            }
        }
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        self.settle()?;
        if self.in_transaction() {
            return Err(refusals::out_of_turn("a transaction is open already"));
        }
        self.start()
    }

    fn commit(&mut self) -> Result<(), Refusal> {
        self.settle()?;
        self.publish(None).map(drop)
    }

    fn commit_once(&mut self, step: &str) -> Result<bool, Refusal> {
        fence::check_step(step)?;
        self.settle()?;
        self.publish(Some(step))
    }

    fn rollback(&mut self) -> Result<(), Refusal> {
        self.settle()?;
        if !self.in_transaction() {
            return Err(refusals::out_of_turn("no transaction is open"));
        }
        self.undo()
    }

    fn load(&mut self, table: &[String], columns: &[Column]) -> Result<(), Refusal> {
        self.settle()?;
        self.start_load(table, columns)
    }

    fn load_write(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        self.add_to_load(frame)
    }

    fn load_finish(&mut self) -> Result<u64, Refusal> {
        self.finish_load()
    }

    fn load_abandon(&mut self) {
        self.abandon_load();
    }
}

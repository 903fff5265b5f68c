//! The thread that owns a session's connection.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
};

use cofferdam_call::{Access, Column, FailureKind, Refusal, Value};
use rusqlite::{Connection, Statement, ToSql, types::ToSqlOutput, types::ValueRef};

use super::{
    errors,
    fence::{self, Fence},
    one::{has_word, only_statement},
    wall::Wall,
};
use crate::{
    cancel::CancelToken,
    driver::RowsId,
    refusals,
    turn::{Turn, WriteTurn},
};

/// Bytes of frames that are kept for rows nobody has read yet, per session.
pub(super) const KEPT_BYTES_MAX: usize = 16 << 20;

pub(super) enum Command {
    Query { statement: String, values: Vec<Value> },
    Next(RowsId),
    CloseRows(RowsId),
    Execute { statement: String, values: Vec<Value> },
    Begin,
    Commit,
    CommitOnce(String),
    Rollback,
    Load { table: Vec<String>, columns: Vec<Column> },
    LoadWrite(Vec<u8>),
    LoadFinish,
    LoadAbandon,
}

pub(super) enum Answer {
    Rows(RowsId, Vec<Column>),
    Frame(Vec<u8>, u64),
    NoFrame,
    Count(u64),
    Committed(bool),
    Done,
    Failed(Refusal),
}

/// Frames of one query that are ready.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) frames: VecDeque<(Vec<u8>, u64)>,
    /// Why there are no more, where that is not because there are none.
    pub(super) broken: Option<Refusal>,
}

/// A transaction begun by `begin`.
struct Transaction {
    /// None in sessions that only read.
    _turn: Option<Turn>,
    /// Whether anything was written in it.
    wrote: bool,
}

pub(super) struct Actor {
    pub(super) wall: Arc<Wall>,
    access: Access,
    cancel: CancelToken,
    turn: Arc<WriteTurn>,
    fence: Option<Fence>,
    transaction: Option<Transaction>,
    pub(super) kept: HashMap<RowsId, Kept>,
    rows_last: u64,
}

impl Actor {
    pub(super) fn new(
        wall: Arc<Wall>,
        access: Access,
        cancel: CancelToken,
        turn: Arc<WriteTurn>,
        fence: Option<Fence>,
    ) -> Self {
        Self { wall, access, cancel, turn, fence, transaction: None, kept: HashMap::new(), rows_last: 0 }
    }

    /// Answers commands until nobody is left to ask.
    pub(super) fn run(
        mut self,
        connection: &Connection,
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) {
        // A query or load that is under way answers commands itself, and hands back the first one
        // that is not about it.
        let mut next = None;
        loop {
            let Some(command) = next.take().or_else(|| commands.recv().ok()) else { return };
            let answer = match command {
                Command::Query { statement, values } => {
                    next = self.stream(connection, &statement, &values, commands, answers);
                    continue;
                }
                Command::Load { table, columns } => {
                    next = self.load(connection, &table, &columns, commands, answers);
                    continue;
                }
                Command::Next(_) | Command::CloseRows(_) => self.kept_answer(&command),
                Command::Execute { statement, values } => {
                    self.execute(connection, &statement, &values).map(Answer::Count)
                }
                Command::Begin => self.begin(connection),
                Command::Commit => self.commit(connection, None).map(|_| Answer::Done),
                Command::CommitOnce(step) => self.commit(connection, Some(&step)).map(Answer::Committed),
                Command::Rollback => self.rollback(connection),
                Command::LoadAbandon => Ok(Answer::Done),
                Command::LoadWrite(_) | Command::LoadFinish => {
                    Err(refusals::out_of_turn("no load is under way"))
                }
            };
            self.notice_rollback(connection);
            if answers.send(answer.unwrap_or_else(Answer::Failed)).is_err() {
                return;
            }
        }
    }

    /// Answers for rows whose statement has ended.
    pub(super) fn kept_answer(&mut self, command: &Command) -> Result<Answer, Refusal> {
        match command {
            Command::CloseRows(rows) => {
                self.kept.remove(rows);
                Ok(Answer::Done)
            }
            Command::Next(rows) => {
                let Some(kept) = self.kept.get_mut(rows) else {
                    return Err(refusals::out_of_turn("these rows are closed"));
                };
                match (kept.frames.pop_front(), &kept.broken) {
                    (Some((frame, count)), _) => Ok(Answer::Frame(frame, count)),
                    (None, Some(refusal)) => Err(refusal.clone()),
                    (None, None) => Ok(Answer::NoFrame),
                }
            }
            _ => Err(refusals::out_of_turn("nothing of that sort is open")),
        }
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.values().flat_map(|kept| &kept.frames).map(|(frame, _)| frame.len()).sum()
    }

    pub(super) fn new_rows(&mut self) -> RowsId {
        self.rows_last += 1;
        RowsId(self.rows_last)
    }

    fn execute(&mut self, connection: &Connection, text: &str, values: &[Value]) -> Result<u64, Refusal> {
        let mut statement = self.prepare(connection, text, values)?;
        if statement.column_count() > 0 {
            return Err(refusals::not_one("the statement returns rows: query it"));
        }
        let _turn = self.turn_for(&statement)?;
        let fenced = self.begin_fenced(connection, &statement)?;
        let before = connection.total_changes();
        let done = statement.raw_execute().map_err(|e| errors::refusal(&e, &self.wall));
        // `changes` speaks of the last statement that changed rows, which may be an earlier one.
        let changed = connection.total_changes() != before;
        let count = if changed { connection.changes() } else { 0 };
        drop(statement);
        self.end_fenced(connection, fenced, done.map(|_| count))
    }

    /// Puts a statement that writes and stands alone into a transaction with the fence. Gives
    /// whether there is one to end.
    pub(super) fn begin_fenced(
        &mut self,
        connection: &Connection,
        statement: &Statement<'_>,
    ) -> Result<bool, Refusal> {
        if statement.readonly() || self.access == Access::Read {
            return Ok(false);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.wrote = true;
            return Ok(false);
        }
        if self.fence.is_none() {
            return Ok(false);
        }
        self.ours(connection, "BEGIN IMMEDIATE")?;
        Ok(true)
    }

    /// Ends what `begin_fenced` began: commits what was done, behind the fence.
    pub(super) fn end_fenced<T>(
        &self,
        connection: &Connection,
        fenced: bool,
        done: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if !fenced {
            return done;
        }
        let ended = done.and_then(|done| self.commit_fenced(connection, None).map(|_| done));
        if ended.is_err() && !connection.is_autocommit() {
            self.ours(connection, "ROLLBACK")?;
        }
        ended
    }

    /// Commits the transaction that is open, if the fence lets it. Where it does not, the
    /// transaction stays open. False where the step was committed before.
    pub(super) fn commit_fenced(&self, connection: &Connection, step: Option<&str>) -> Result<bool, Refusal> {
        if let Some(fence) = &self.fence {
            let kept = self.wall.without(|| {
                Ok((fence.advance(connection)?, step.map_or(Ok(true), |step| fence.step(connection, step))?))
            });
            match kept.map_err(|error| fence_refusal(&error, &self.wall))? {
                (false, _) => return Err(fence::lost()),
                (_, false) => return Ok(false),
                (true, true) => {}
            }
        }
        self.ours(connection, "COMMIT").map(|()| true)
    }

    fn begin(&mut self, connection: &Connection) -> Result<Answer, Refusal> {
        if self.transaction.is_some() {
            return Err(refusals::out_of_turn("a transaction is open already"));
        }
        let (turn, text) = match self.access {
            Access::Read => (None, "BEGIN"),
            // A transaction that starts by reading and then writes would have to start anew when
            // another one has written in between.
            Access::Write | Access::Admin => (Some(self.turn.take(&self.cancel)?), "BEGIN IMMEDIATE"),
        };
        self.ours(connection, text)?;
        self.transaction = Some(Transaction { _turn: turn, wrote: false });
        Ok(Answer::Done)
    }

    /// Makes the transaction last; false where the step was committed before, and all is undone.
    fn commit(&mut self, connection: &Connection, step: Option<&str>) -> Result<bool, Refusal> {
        let Some(transaction) = &self.transaction else {
            return Err(refusals::out_of_turn("no transaction is open"));
        };
        if self.access == Access::Read || (!transaction.wrote && step.is_none()) {
            self.ours(connection, "COMMIT")?;
            self.transaction = None;
            return Ok(true);
        }
        let committed = self.commit_fenced(connection, step);
        let undo = match &committed {
            Ok(published) => !published,
            Err(refusal) => [fence::lost().code, fence::broken().code].contains(&refusal.code),
        };
        if undo && !connection.is_autocommit() {
            self.ours(connection, "ROLLBACK")?;
            if committed.is_ok() {
                // Whoever committed the step before may still run: the fence is this attempt's now.
                self.ours(connection, "BEGIN IMMEDIATE")?;
                self.end_fenced(connection, true, Ok(()))?;
            }
        }
        if connection.is_autocommit() {
            self.transaction = None;
        }
        committed
    }

    fn rollback(&mut self, connection: &Connection) -> Result<Answer, Refusal> {
        if self.transaction.is_none() {
            return Err(refusals::out_of_turn("no transaction is open"));
        }
        self.ours(connection, "ROLLBACK")?;
        self.transaction = None;
        Ok(Answer::Done)
    }

    /// Runs the broker's own statement.
    pub(super) fn ours(&self, connection: &Connection, text: &str) -> Result<(), Refusal> {
        let done = self.wall.without(|| connection.execute_batch(text));
        done.map_err(|e| errors::refusal(&e, &self.wall))
    }

    /// Something is written in the transaction that is open.
    pub(super) fn writes(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.wrote = true;
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// After some errors the engine rolls back by itself; the transaction is over then.
    pub(super) fn notice_rollback(&mut self, connection: &Connection) {
        if self.transaction.is_some() && connection.is_autocommit() {
            self.transaction = None;
        }
    }

    /// The turn to write, where the statement needs one of its own.
    pub(super) fn turn_for(&self, statement: &Statement<'_>) -> Result<Option<Turn>, Refusal> {
        if statement.readonly() || self.in_transaction() || self.access == Access::Read {
            return Ok(None);
        }
        self.turn_to_write().map(Some)
    }

    pub(super) fn turn_to_write(&self) -> Result<Turn, Refusal> {
        self.turn.take(&self.cancel)
    }

    /// Compiles the guest's statement behind the wall and binds its values.
    pub(super) fn prepare<'c>(
        &self,
        connection: &'c Connection,
        text: &str,
        values: &[Value],
    ) -> Result<Statement<'c>, Refusal> {
        self.cancel.check()?;
        let text = only_statement(text)?;
        let (compiled, unresolved) = self.wall.compile(|| connection.prepare(text));
        let mut statement = compiled.map_err(|e| errors::refusal(&e, &self.wall))?;
        if self.wall.meddles() {
            return Err(refusals::walled("the statement changes the catalog itself"));
        }
        self.check_transfer(connection, text)?;
        for name in unresolved {
            self.look_up(connection, &name)?;
        }
        if statement.parameter_count() != values.len() {
            let (given, wanted) = (values.len(), statement.parameter_count());
            return Err(refusals::invalid(format!(
                "the statement takes {wanted} values; {given} were given"
            )));
        }
        for (n, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(n + 1, Bound(value)).map_err(|e| errors::refusal(&e, &self.wall))?;
        }
        Ok(statement)
    }

    /// SQLite copies a whole table with `INSERT INTO a SELECT * FROM b` without asking whether `b`
    /// may be read (`xferOptimization`, seen in 3.51). The same statement with a condition that
    /// always holds is not copied that way, so it is compiled, and asked about, in its place; what
    /// runs is the statement as it was given.
    fn check_transfer(&self, connection: &Connection, text: &str) -> Result<(), Refusal> {
        if !self.wall.inserts_unseen() || !has_word(text, "select") {
            return Ok(());
        }
        let (asked, unresolved) =
            self.wall.compile(|| connection.prepare(&format!("{text}\nWHERE 1")).map(drop));
        asked.map_err(|error| match errors::refusal(&error, &self.wall) {
            refusal if refusal.code == refusals::walled("").code => refusal,
            _ => refusals::walled(
                "the warehouse's own wall cannot tell what the statement reads; name the columns instead of `*`",
            ),
        })?;
        if self.wall.inserts_unseen() {
            return Err(refusals::walled("the warehouse's own wall cannot tell what the statement reads"));
        }
        unresolved.iter().try_for_each(|name| self.look_up(connection, name))
    }

    /// A name without a schema may be that of a relation in any of them. Where one of them may
    /// not be read, the statement has to say which it means.
    fn look_up(&self, connection: &Connection, name: &str) -> Result<(), Refusal> {
        let found = self.wall.without(|| {
            let mut list = connection
                .prepare_cached("SELECT schema FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE")?;
            let schemas = list.query_map([name], |row| row.get::<_, String>(0))?;
            schemas.collect::<Result<Vec<_>, _>>()
        });
        let schemas = found.map_err(|e| errors::refusal(&e, &self.wall))?;
        match schemas.iter().find(|schema| !self.wall.may_read(schema, name)) {
            None => Ok(()),
            Some(schema) => Err(refusals::walled(format!(
                "the warehouse's own wall refuses the statement: `{name}` may mean `{schema}.{name}`, which \
                 is not granted; name its schema"
            ))),
        }
    }
}

/// Why the fence was not kept: a table that is not as it was made is told apart from a warehouse
/// that is busy or full.
fn fence_refusal(error: &rusqlite::Error, wall: &Wall) -> Refusal {
    let refusal = errors::refusal(error, wall);
    if refusal.kind == FailureKind::Invalid { fence::broken() } else { refusal }
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Integer((*value).into()),
            Value::Int64(value) => ValueRef::Integer(*value),
            Value::Float64(value) => ValueRef::Real(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

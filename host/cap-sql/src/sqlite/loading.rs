//! A bulk load into one table: all of it or nothing.

use std::sync::mpsc::{Receiver, SyncSender};

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType as Arrow, TimeUnit};
use cofferdam_call::{Column, Refusal};
use rusqlite::{Connection, Statement, types::Value as Owned};

use super::{
    actor::{Actor, Answer, Command},
    errors,
};
use crate::{calendar, load::FrameDecoder, refusals, turn::Turn};

impl Actor {
    /// Runs a load until it ends. Meanwhile the session takes nothing else, except that rows read
    /// before can still be asked for.
    pub(super) fn load(
        &mut self,
        connection: &Connection,
        table: &[String],
        columns: &[Column],
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) -> Option<Command> {
        let started = self.start_load(connection, table, columns);
        let Ok((mut load, _turn)) = started.map_err(|refusal| answers.send(Answer::Failed(refusal))) else {
            return None;
        };
        let finished =
            answers.send(Answer::Done).ok().and_then(|()| self.serve_load(&mut load, commands, answers));
        let Load { statement, rows, .. } = load;
        drop(statement);
        let nested = self.in_transaction();
        let answer = match finished {
            Some(Ending::Finished) => {
                let ended = if nested {
                    self.ours(connection, "RELEASE cofferdam_load")
                } else {
                    self.commit_fenced(connection, None).map(drop)
                };
                ended.map(|()| Answer::Count(rows))
            }
            Some(Ending::Abandoned) => self.undo_load(connection, nested).map(|()| Answer::Done),
            Some(Ending::Broken(refusal)) => self.undo_load(connection, nested).and(Err(refusal)),
            None => self.undo_load(connection, nested).map(|()| Answer::Done),
        };
        if answer.is_err() && !connection.is_autocommit() && !nested {
            // A commit that failed leaves the transaction open; nobody could end it any more.
            let _ = self.undo_load(connection, nested);
        }
        self.notice_rollback(connection);
        // Where nobody listens, the next command is never sent either.
        let _ = answers.send(answer.unwrap_or_else(Answer::Failed));
        None
    }

    fn undo_load(&self, connection: &Connection, nested: bool) -> Result<(), Refusal> {
        if connection.is_autocommit() {
            return Ok(());
        }
        let undo = if nested { "ROLLBACK TO cofferdam_load; RELEASE cofferdam_load" } else { "ROLLBACK" };
        self.ours(connection, undo)
    }

    fn start_load<'c>(
        &mut self,
        connection: &'c Connection,
        table: &[String],
        columns: &[Column],
    ) -> Result<(Load<'c>, Option<Turn>), Refusal> {
        let decoder = FrameDecoder::new(columns)?;
        let insert = insert_statement(table, columns)?;
        let mut turn = None;
        if self.in_transaction() {
            self.ours(connection, "SAVEPOINT cofferdam_load")?;
            self.writes();
        } else {
            turn = Some(self.turn_to_write()?);
            self.ours(connection, "BEGIN IMMEDIATE")?;
        }
        let nested = turn.is_none();
        // Compiled behind the wall like any statement of the guest. Its values come later.
        let (compiled, _) = self.wall.compile(|| connection.prepare(&insert));
        match compiled {
            Ok(statement) => Ok((Load { statement, decoder, rows: 0 }, turn)),
            Err(error) => {
                let refusal = errors::refusal(&error, &self.wall);
                self.undo_load(connection, nested)?;
                Err(refusal)
            }
        }
    }

    fn serve_load(
        &mut self,
        load: &mut Load<'_>,
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) -> Option<Ending> {
        loop {
            let answer = match commands.recv().ok()? {
                Command::LoadWrite(frame) => match load.write(&frame) {
                    Ok(()) => Answer::Done,
                    Err(Broken::Frame(refusal)) => return Some(Ending::Broken(refusal)),
                    Err(Broken::Engine(error)) => {
                        return Some(Ending::Broken(errors::refusal(&error, &self.wall)));
                    }
                },
                Command::LoadFinish => return Some(Ending::Finished),
                Command::LoadAbandon => return Some(Ending::Abandoned),
                command @ (Command::Next(_) | Command::CloseRows(_)) => {
                    self.kept_answer(&command).unwrap_or_else(Answer::Failed)
                }
                _ => {
                    Answer::Failed(refusals::out_of_turn("a load is under way in this session; end it first"))
                }
            };
            answers.send(answer).ok()?;
        }
    }
}

enum Ending {
    Finished,
    Abandoned,
    Broken(Refusal),
}

enum Broken {
    Frame(Refusal),
    Engine(rusqlite::Error),
}

struct Load<'c> {
    statement: Statement<'c>,
    decoder: FrameDecoder,
    rows: u64,
}

impl Load<'_> {
    fn write(&mut self, frame: &[u8]) -> Result<(), Broken> {
        let mut failure = None;
        let Self { statement, decoder, rows } = self;
        let decoded = decoder.decode(frame, |batch| {
            insert_batch(statement, &batch).map_err(|broken| match broken {
                Broken::Frame(refusal) => refusal,
                Broken::Engine(error) => {
                    failure = Some(error);
                    refusals::bad_frame("the engine refused a row")
                }
            })?;
            *rows += batch.num_rows() as u64;
            Ok(())
        });
        match (failure, decoded) {
            (Some(error), _) => Err(Broken::Engine(error)),
            (None, Err(refusal)) => Err(Broken::Frame(refusal)),
            (None, Ok(())) => Ok(()),
        }
    }
}

fn insert_batch(statement: &mut Statement<'_>, batch: &RecordBatch) -> Result<(), Broken> {
    for row in 0..batch.num_rows() {
        for (n, array) in batch.columns().iter().enumerate() {
            let value = value(array, row).map_err(Broken::Frame)?;
            statement.raw_bind_parameter(n + 1, value).map_err(Broken::Engine)?;
        }
        statement.raw_execute().map_err(Broken::Engine)?;
    }
    Ok(())
}

/// One value as SQLite keeps it: dates and times as text, so that its own functions read them.
fn value(array: &ArrayRef, row: usize) -> Result<Owned, Refusal> {
    fn at<T: 'static>(array: &ArrayRef) -> Result<&T, Refusal> {
        array.as_any().downcast_ref().ok_or_else(|| refusals::bad_frame("a column is not of its type"))
    }
    let text = |text: Option<String>| {
        text.map(Owned::Text)
            .ok_or_else(|| refusals::misfit("a date or time is outside of the years 0000 to 9999"))
    };
    if array.is_null(row) {
        return Ok(Owned::Null);
    }
    Ok(match array.data_type() {
        Arrow::Boolean => Owned::Integer(at::<BooleanArray>(array)?.value(row).into()),
        Arrow::Int64 => Owned::Integer(at::<Int64Array>(array)?.value(row)),
        Arrow::Float64 => Owned::Real(at::<Float64Array>(array)?.value(row)),
        Arrow::Utf8 => Owned::Text(at::<StringArray>(array)?.value(row).to_owned()),
        Arrow::Binary => Owned::Blob(at::<BinaryArray>(array)?.value(row).to_vec()),
        Arrow::Date32 => text(calendar::write_date(at::<Date32Array>(array)?.value(row)))?,
        Arrow::Time64(TimeUnit::Microsecond) => {
            text(calendar::write_time(at::<Time64MicrosecondArray>(array)?.value(row)))?
        }
        Arrow::Timestamp(TimeUnit::Microsecond, _) => {
            text(calendar::write_timestamp(at::<TimestampMicrosecondArray>(array)?.value(row)))?
        }
        Arrow::Decimal128(..) => Owned::Text(at::<Decimal128Array>(array)?.value_as_string(row)),
        Arrow::Decimal256(..) => Owned::Text(at::<Decimal256Array>(array)?.value_as_string(row)),
        _ => return Err(refusals::bad_frame("a column is of a type that is not taken")),
    })
}

fn insert_statement(table: &[String], columns: &[Column]) -> Result<String, Refusal> {
    let (schema, name) = match table {
        [name] => ("main", name.as_str()),
        [schema, name] => (schema.as_str(), name.as_str()),
        _ => return Err(refusals::invalid("a SQLite table is named by its schema and its name")),
    };
    let mut names = Vec::with_capacity(columns.len());
    let mut marks = Vec::with_capacity(columns.len());
    for column in columns {
        names.push(quoted(&column.name)?);
        marks.push("?");
    }
    let (schema, name) = (quoted(schema)?, quoted(name)?);
    Ok(format!("INSERT INTO {schema}.{name} ({}) VALUES ({})", names.join(", "), marks.join(", ")))
}

fn quoted(name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > 255 || name.contains('\0') {
        return Err(refusals::invalid("a name is 1 to 255 bytes long, without NUL"));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

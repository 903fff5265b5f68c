//! Rows of a query, read as they are asked for.

use std::sync::mpsc::{Receiver, SyncSender};

use cofferdam_call::{COLUMNS_MAX, Column, DataType, Refusal, VALUE_BYTES_MAX, Value};
use rusqlite::{
    Connection, Row, Rows, Statement,
    types::{Value as Owned, ValueRef},
};

use super::{
    actor::{Actor, Answer, Command, KEPT_BYTES_MAX, Kept},
    errors,
    wall::Wall,
};
use crate::{
    driver::RowsId,
    frames::{Cell, FrameWriter, cell_bytes_max, fits, infer},
    refusals,
};

impl Actor {
    /// Runs a query. A result of one frame is ready at once; a longer one is read on as long as
    /// its frames are asked for. Any other command has it read into memory first, within
    /// [`KEPT_BYTES_MAX`], and is handed back.
    pub(super) fn stream(
        &mut self,
        connection: &Connection,
        text: &str,
        values: &[Value],
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) -> Option<Command> {
        let handed_back = match self.try_stream(connection, text, values, commands, answers) {
            Ok(handed_back) => handed_back,
            Err(refusal) => {
                // Where nobody listens, the next command is never sent either.
                let _ = answers.send(Answer::Failed(refusal));
                None
            }
        };
        self.notice_rollback(connection);
        handed_back
    }

    fn try_stream(
        &mut self,
        connection: &Connection,
        text: &str,
        values: &[Value],
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) -> Result<Option<Command>, Refusal> {
        if self.kept_bytes() > KEPT_BYTES_MAX {
            return Err(refusals::unread(
                "too many rows are open and not read yet; read or close them first",
            ));
        }
        let mut statement = self.prepare(connection, text, values)?;
        let _turn = self.turn_for(&statement)?;
        let declared = declared(&statement)?;
        if self.begin_fenced(connection, &statement)? {
            let read = self.read_whole(&mut statement, &declared);
            drop(statement);
            let (id, columns) = self.end_fenced(connection, true, read)?;
            // The frames are whole; whoever asked may be gone.
            let _ = answers.send(Answer::Rows(id, columns));
            return Ok(None);
        }
        let wall = std::sync::Arc::clone(&self.wall);
        let mut reader = Reader { rows: statement.raw_query(), wall: &wall };
        let sample = reader.sample(declared.len())?;
        let columns = decide_types(&declared, &sample)?;
        let (mut writer, first) = FrameWriter::new(columns.clone())?;
        let id = self.new_rows();
        let mut kept = Kept::default();
        kept.frames.push_back((first, 0));
        let done = write_sample(&mut writer, &sample, &mut kept)?;
        drop(sample);
        self.kept.insert(id, kept);
        if done {
            drop(reader);
            // The frames are whole; whoever asked may be gone.
            let _ = answers.send(Answer::Rows(id, columns));
            return Ok(None);
        }
        if answers.send(Answer::Rows(id, columns)).is_err() {
            return Ok(None);
        }
        Ok(self.read_on(id, &mut reader, &mut writer, commands, answers))
    }

    /// Reads all rows of a statement that writes: it is made to last before the first is shown.
    fn read_whole(
        &mut self,
        statement: &mut Statement<'_>,
        declared: &[Declared],
    ) -> Result<(RowsId, Vec<Column>), Refusal> {
        let wall = std::sync::Arc::clone(&self.wall);
        let mut reader = Reader { rows: statement.raw_query(), wall: &wall };
        let sample = reader.sample(declared.len())?;
        let columns = decide_types(declared, &sample)?;
        let (mut writer, first) = FrameWriter::new(columns.clone())?;
        let mut kept = Kept::default();
        kept.frames.push_back((first, 0));
        let mut done = write_sample(&mut writer, &sample, &mut kept)?;
        while !done {
            let mut frame = Vec::new();
            let (count, last) = reader.fill(&mut writer, &mut frame)?;
            kept.frames.push_back((frame, count));
            done = last;
            if kept.frames.iter().map(|(frame, _)| frame.len()).sum::<usize>() > KEPT_BYTES_MAX {
                return Err(refusals::limit(
                    "the statement returns more rows than are kept; return fewer columns",
                ));
            }
        }
        let id = self.new_rows();
        self.kept.insert(id, kept);
        Ok((id, columns))
    }

    /// Reads as frames are asked for.
    fn read_on(
        &mut self,
        id: RowsId,
        reader: &mut Reader<'_, '_>,
        writer: &mut FrameWriter,
        commands: &Receiver<Command>,
        answers: &SyncSender<Answer>,
    ) -> Option<Command> {
        loop {
            let command = commands.recv().ok()?;
            let is_ours = matches!(&command, Command::Next(rows) | Command::CloseRows(rows) if *rows == id);
            match command {
                Command::Next(rows) if is_ours => {
                    let waiting = self.kept.get(&id).is_some_and(|kept| !kept.frames.is_empty());
                    let filled = if waiting { Ok(false) } else { self.fill(id, reader, writer) };
                    let answer = self.kept_answer(&Command::Next(rows)).unwrap_or_else(Answer::Failed);
                    answers.send(answer).ok()?;
                    if !matches!(filled, Ok(false)) {
                        return None;
                    }
                }
                Command::CloseRows(rows) if is_ours => {
                    self.kept.remove(&rows);
                    answers.send(Answer::Done).ok()?;
                    return None;
                }
                Command::Next(_) | Command::CloseRows(_) => {
                    let answer = self.kept_answer(&command).unwrap_or_else(Answer::Failed);
                    answers.send(answer).ok()?;
                }
                other => {
                    self.drain(id, reader, writer);
                    return Some(other);
                }
            }
        }
    }

    /// Reads one more frame into what is kept; true after the last, an error where it broke.
    fn fill(
        &mut self,
        id: RowsId,
        reader: &mut Reader<'_, '_>,
        writer: &mut FrameWriter,
    ) -> Result<bool, ()> {
        let mut frame = Vec::new();
        let filled = reader.fill(writer, &mut frame);
        let kept = self.kept.entry(id).or_default();
        match filled {
            Ok((count, last)) => {
                kept.frames.push_back((frame, count));
                Ok(last)
            }
            Err(refusal) => {
                kept.broken = Some(refusal);
                Err(())
            }
        }
    }

    fn drain(&mut self, id: RowsId, reader: &mut Reader<'_, '_>, writer: &mut FrameWriter) {
        while self.kept_bytes() < KEPT_BYTES_MAX {
            if !matches!(self.fill(id, reader, writer), Ok(false)) {
                return;
            }
        }
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.frames.clear();
            kept.broken = Some(refusals::unread(
                "the rows were not read before the next statement, and there are more than are kept",
            ));
        }
    }
}

/// A column's name and declared type, lower case, empty where it has none.
struct Declared {
    name: String,
    of: String,
}

fn declared(statement: &Statement<'_>) -> Result<Vec<Declared>, Refusal> {
    let columns = statement.columns();
    if columns.is_empty() {
        return Err(refusals::not_one("the statement returns no rows: execute it"));
    }
    if columns.len() > COLUMNS_MAX {
        return Err(refusals::limit(format!("a result has at most {COLUMNS_MAX} columns")));
    }
    let described = |column: &rusqlite::Column<'_>| Declared {
        name: cofferdam_call::shorten(column.name(), 255),
        of: column.decl_type().unwrap_or_default().to_ascii_lowercase(),
    };
    Ok(columns.iter().map(described).collect())
}

/// The first rows: as many as fit a frame, and the one that no longer did.
struct Sample {
    rows: Vec<Vec<Owned>>,
    /// Whether the last row is the one that did not fit; without it these are all.
    more: bool,
}

struct Reader<'s, 'w> {
    rows: Rows<'s>,
    wall: &'w Wall,
}

impl Reader<'_, '_> {
    fn sample(&mut self, columns: usize) -> Result<Sample, Refusal> {
        let bytes_max = cell_bytes_max(columns);
        let mut sample = Sample { rows: Vec::new(), more: false };
        let mut bytes = 0;
        while !sample.more {
            let Some(row) = self.rows.next().map_err(|e| errors::refusal(&e, self.wall))? else { break };
            let mut owned = Vec::with_capacity(columns);
            for n in 0..columns {
                let cell = cell(row, n)?;
                bytes += cell.bytes();
                owned.push(match cell {
                    Cell::Null => Owned::Null,
                    Cell::Int(n) => Owned::Integer(n),
                    Cell::Float(n) => Owned::Real(n),
                    Cell::Text(text) => Owned::Text(text.to_owned()),
                    Cell::Bytes(bytes) => Owned::Blob(bytes.to_vec()),
                    other => {
                        return Err(refusals::misfit(format!("column {} holds {}", n + 1, other.sort())));
                    }
                });
            }
            sample.more = bytes > bytes_max;
            sample.rows.push(owned);
        }
        Ok(sample)
    }

    /// Fills one frame; gives the number of rows in it and whether it is the last. The row that
    /// does not fit any more starts the next one.
    fn fill(&mut self, writer: &mut FrameWriter, frame: &mut Vec<u8>) -> Result<(u64, bool), Refusal> {
        loop {
            let row = self.rows.next().map_err(|e| errors::refusal(&e, self.wall))?;
            let Some(row) = row else {
                let count = writer.rows() as u64;
                writer.finish_frame(true, frame)?;
                return Ok((count, true));
            };
            let columns = row.as_ref().column_count();
            let mut bytes = 0;
            for n in 0..columns {
                bytes += cell(row, n)?.bytes();
            }
            let mut full = None;
            if !writer.has_room(bytes)? {
                full = Some(writer.rows() as u64);
                writer.finish_frame(false, frame)?;
            }
            for n in 0..columns {
                writer.push(n, cell(row, n)?)?;
            }
            writer.end_row();
            if let Some(count) = full {
                return Ok((count, false));
            }
        }
    }
}

/// Moves the sample into frames; true where that was all.
fn write_sample(writer: &mut FrameWriter, sample: &Sample, kept: &mut Kept) -> Result<bool, Refusal> {
    for row in &sample.rows {
        let bytes = row.iter().map(|value| of(value).bytes()).sum();
        if !writer.has_room(bytes)? {
            let (mut frame, count) = (Vec::new(), writer.rows() as u64);
            writer.finish_frame(false, &mut frame)?;
            kept.frames.push_back((frame, count));
        }
        for (n, value) in row.iter().enumerate() {
            writer.push(n, of(value))?;
        }
        writer.end_row();
    }
    if sample.more {
        return Ok(false);
    }
    if sample.rows.is_empty() {
        // The schema's frame is the only one; it ends the stream too.
        if let Some((first, _)) = kept.frames.front_mut() {
            writer.finish_empty(first)?;
        }
        return Ok(true);
    }
    let (mut frame, count) = (Vec::new(), writer.rows() as u64);
    writer.finish_frame(true, &mut frame)?;
    kept.frames.push_back((frame, count));
    Ok(true)
}

fn cell<'r>(row: &'r Row<'_>, n: usize) -> Result<Cell<'r>, Refusal> {
    let value = row.get_ref(n).map_err(|e| refusals::invalid(e.to_string()))?;
    let too_long = || refusals::limit(format!("column {} holds a value over {VALUE_BYTES_MAX} bytes", n + 1));
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Int(n),
        ValueRef::Real(n) => Cell::Float(n),
        ValueRef::Text(text) if text.len() > VALUE_BYTES_MAX => return Err(too_long()),
        ValueRef::Blob(bytes) if bytes.len() > VALUE_BYTES_MAX => return Err(too_long()),
        ValueRef::Text(text) => Cell::Text(std::str::from_utf8(text).map_err(|_| {
            refusals::misfit(format!("column {} holds text that is not UTF-8; CAST it AS BLOB", n + 1))
        })?),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes),
    })
}

fn of(value: &Owned) -> Cell<'_> {
    match value {
        Owned::Null => Cell::Null,
        Owned::Integer(n) => Cell::Int(*n),
        Owned::Real(n) => Cell::Float(*n),
        Owned::Text(text) => Cell::Text(text),
        Owned::Blob(bytes) => Cell::Bytes(bytes),
    }
}

/// SQLite keeps any value in any column, so a declared type is a hint: it holds where the first
/// rows agree with it, and otherwise their values say what the column is.
fn decide_types(declared: &[Declared], sample: &Sample) -> Result<Vec<Column>, Refusal> {
    let decide = |(n, column): (usize, &Declared)| {
        let cells = || sample.rows.iter().map(|row| of(&row[n]));
        let hint = by_declaration(&column.of).filter(|hint| cells().all(|cell| fits(hint, cell)));
        let data_type = hint.or_else(|| infer(cells())).ok_or_else(|| {
            let name = &column.name;
            refusals::misfit(format!(
                "column `{name}` mixes values of several types; CAST it in the statement"
            ))
        })?;
        Ok(Column { name: column.name.clone(), data_type, nullable: true })
    };
    declared.iter().enumerate().map(decide).collect()
}

/// What a declared type means, where it says more than the values do. `NUMERIC` and `DECIMAL` do
/// not: SQLite keeps whole numbers and doubles in them.
fn by_declaration(declared: &str) -> Option<DataType> {
    let base = declared.split('(').next().unwrap_or_default().trim();
    Some(match base {
        "" | "any" => return None,
        "boolean" | "bool" => DataType::Boolean,
        "date" => DataType::Date,
        "time" => DataType::Time,
        "datetime" | "timestamp" => DataType::Timestamp,
        "json" => DataType::Json,
        _ if base.contains("int") => DataType::Int64,
        _ if ["char", "clob", "text", "string", "uuid"].iter().any(|t| base.contains(t)) => DataType::Text,
        _ if ["blob", "binary", "bytea"].iter().any(|t| base.contains(t)) => DataType::Bytes,
        _ if ["real", "floa", "doub"].iter().any(|t| base.contains(t)) => DataType::Float64,
        _ => return None,
    })
}

//! A bulk load into one table, all of it or nothing: prepared INSERTs of many rows each.

use arrow_array::RecordBatch;
use cofferdam_call::{Column, Refusal};

use super::{
    connection::{Outcome, Prepared, Problem},
    encode::Values,
    fence::quoted,
    session::Session,
    wire::Broken,
};
use crate::{load::FrameDecoder, refusals};

/// Values one statement takes: the protocol counts them in 16 bits.
const VALUES_MAX: usize = 65_535;
/// Rows of one statement.
const ROWS_MAX: usize = 1_000;
/// Bytes of one statement's values, where the server takes as many.
const BYTES_MAX: usize = 1 << 20;

/// A load that is under way.
pub(super) struct Loading {
    decoder: FrameDecoder,
    columns: usize,
    /// `INSERT INTO t (a, b) VALUES`
    insert: String,
    /// The statement for as many rows as one takes; taken in when first needed.
    full: Option<Prepared>,
    rows_max: usize,
    bytes_max: usize,
    values: Values,
    rows: u64,
    /// The transaction is the load's own.
    own: bool,
}

impl Session {
    pub(super) fn start_load(&mut self, table: &[String], columns: &[Column]) -> Result<(), Refusal> {
        let decoder = FrameDecoder::new(columns)?;
        let database = &self.pool.connector().settings.database;
        let insert = insert_statement(database, table, columns)?;
        let packet_bytes = self.held().map_or(BYTES_MAX, |held| held.packet_bytes);
        // What is wrong with the table or its columns is said at once.
        let (probe, _) = self.prepare_load(&insert, columns.len(), 1)?;
        self.forget(probe);
        let own = !self.in_transaction();
        if own {
            self.start()?;
        } else {
            self.run(|client, wait| client.ours("SAVEPOINT cofferdam_load", wait))?;
        }
        self.load = Some(Box::new(Loading {
            decoder,
            columns: columns.len(),
            insert,
            full: None,
            rows_max: (VALUES_MAX / columns.len()).clamp(1, ROWS_MAX),
            bytes_max: BYTES_MAX.min(packet_bytes / 2),
            values: Values::default(),
            rows: 0,
            own,
        }));
        Ok(())
    }

    pub(super) fn add_to_load(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        let Some(mut load) = self.load.take() else {
            return Err(refusals::out_of_turn("no load is under way"));
        };
        let mut batches = Vec::new();
        let decoded = load.decoder.decode(frame, |batch| {
            batches.push(batch);
            Ok(())
        });
        let added =
            decoded.and_then(|()| batches.iter().try_for_each(|batch| self.add_batch(&mut load, batch)));
        match added {
            Ok(()) => {
                self.load = Some(load);
                Ok(())
            }
            Err(refusal) => {
                self.undo_load(&load);
                Err(refusal)
            }
        }
    }

    fn add_batch(&mut self, load: &mut Loading, batch: &RecordBatch) -> Result<(), Refusal> {
        for row in 0..batch.num_rows() {
            for array in batch.columns() {
                load.values.cell(array, row)?;
            }
            let rows = load.values.len() / load.columns;
            if rows == load.rows_max || load.values.bytes() >= load.bytes_max {
                self.flush_load(load)?;
            }
        }
        Ok(())
    }

    fn flush_load(&mut self, load: &mut Loading) -> Result<(), Refusal> {
        let rows = load.values.len() / load.columns;
        if rows == 0 {
            return Ok(());
        }
        let is_full = rows == load.rows_max;
        let prepared = match load.full.filter(|_| is_full) {
            Some(prepared) => prepared,
            None => self.prepare_load(&load.insert, load.columns, rows)?.0,
        };
        let command = load.values.command(prepared);
        load.values.clear();
        let outcome = self.run(|client, wait| client.execute(&command, wait));
        if is_full && outcome.is_ok() {
            load.full = Some(prepared);
        } else {
            self.forget(prepared);
        }
        match outcome? {
            Outcome::Done(done) => {
                load.rows += rows as u64;
                self.wrote(done.rows);
                Ok(())
            }
            Outcome::Rows(_) => {
                let problem = Problem::Broken(Broken::Protocol("rows come where none were announced"));
                self.run(|client, _| {
                    client.close();
                    Err(problem)
                })
            }
        }
    }

    fn prepare_load(
        &mut self,
        insert: &str,
        columns: usize,
        rows: usize,
    ) -> Result<(Prepared, usize), Refusal> {
        let row = format!("({})", vec!["?"; columns].join(","));
        let text = format!("{insert} {}", vec![row.as_str(); rows].join(","));
        let prepared = self.run(|client, wait| client.prepare(&text, wait))?;
        if usize::from(prepared.values) != columns * rows || prepared.columns > 0 {
            self.forget(prepared);
            return Err(Broken::Protocol("it counts a statement's values wrongly").refusal());
        }
        Ok((prepared, rows))
    }

    pub(super) fn finish_load(&mut self) -> Result<u64, Refusal> {
        let Some(mut load) = self.load.take() else {
            return Err(refusals::out_of_turn("no load is under way"));
        };
        if let Err(refusal) = self.flush_load(&mut load) {
            self.undo_load(&load);
            return Err(refusal);
        }
        if let Some(full) = load.full {
            self.forget(full);
        }
        if load.own {
            self.publish(None)?;
        } else {
            self.run(|client, wait| client.ours("RELEASE SAVEPOINT cofferdam_load", wait))?;
        }
        Ok(load.rows)
    }

    pub(super) fn abandon_load(&mut self) {
        if let Some(load) = self.load.take() {
            self.undo_load(&load);
        }
    }

    fn undo_load(&mut self, load: &Loading) {
        if let Some(full) = load.full {
            self.forget(full);
        }
        if load.own {
            // A connection that is gone has undone it.
            let _ = self.undo();
        } else if self.in_transaction() {
            let undone = self.run(|client, wait| {
                client.ours("ROLLBACK TO SAVEPOINT cofferdam_load", wait)?;
                client.ours("RELEASE SAVEPOINT cofferdam_load", wait)
            });
            if undone.is_err() {
                // Part of the load may be left: nothing of the transaction can last.
                let _ = self.undo();
            }
        }
    }
}

fn insert_statement(database: &str, table: &[String], columns: &[Column]) -> Result<String, Refusal> {
    let (database, name) = match table {
        [name] => (database, name.as_str()),
        [database, name] => (database.as_str(), name.as_str()),
        _ => return Err(refusals::invalid("a MySQL table is named by its database and its name")),
    };
    let names = columns.iter().map(|column| checked(&column.name)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("INSERT INTO {}.{} ({}) VALUES", checked(database)?, checked(name)?, names.join(", ")))
}

fn checked(name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > 255 || name.contains('\0') {
        return Err(refusals::invalid("a name is 1 to 255 bytes long, without NUL"));
    }
    Ok(quoted(name))
}

//! A bulk load into one table: all of it or nothing.
//!
//! In: frames of Arrow. Out: one `COPY … FROM STDIN`, in the transaction that is open or in one of
//! its own.
//! Never: commits a part; takes the columns' order from anybody but the guest.
//! Fails: with `CD0312` for a bad frame, `CD0311` for a value that does not fit, or as the server
//! says; what was loaded is undone.

use arrow_array::RecordBatch;
use cofferdam_call::{Column, Refusal};
use postgres_protocol::message::frontend;

use super::{
    conn::{Conn, count},
    encode::{Encoder, HEADER, TRAILER, encoding},
    errors::Fault,
    quoted,
    session::Session,
    wire::OUT_BYTES,
};
use crate::{cancel::CancelToken, load::FrameDecoder, net::Wait, refusals};

/// A load that is under way.
pub(super) struct Load {
    decoder: FrameDecoder,
    encoder: Encoder,
    /// Whether it is part of the guest's transaction.
    nested: bool,
    /// What is sent next: a message's head, and rows behind it.
    out: Vec<u8>,
    /// Whether the form's header was written.
    headed: bool,
}

/// The columns of a table: name, type or the type behind a domain, and whether that is an enum.
const COLUMNS: &str = "
select a.attname, b.oid, b.typtype = 'e'
from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped";

impl Session {
    pub(super) fn start_load(
        &mut self,
        table: &[String],
        columns: &[Column],
        cancel: &CancelToken,
    ) -> Result<(), Fault> {
        self.make_room(cancel)?;
        let decoder = FrameDecoder::new(columns)?;
        let table = self.table(table)?;
        let nested = self.explicit;
        if !nested {
            self.prepare_fence(cancel)?;
        }
        let (conn, wait) = self.ask(cancel)?;
        conn.ask(if nested { "savepoint cofferdam_load" } else { "begin" }, &[], &wait)?;
        let started = start_copy(conn, &table, columns, &wait);
        match started {
            Ok(encoder) => {
                let out = Vec::with_capacity(OUT_BYTES * 2);
                self.load = Some(Load { decoder, encoder, nested, out, headed: false });
                Ok(())
            }
            Err(fault) => {
                let refusal = self.failed(fault, "");
                Err(Fault::Here(self.undo_load(nested).err().unwrap_or(refusal)))
            }
        }
    }

    fn table(&self, parts: &[String]) -> Result<String, Refusal> {
        let settings = self.lent.as_ref().map(|lent| &lent.connector().settings);
        let (schema, name) = match parts {
            [name] => (settings.map_or("public", |settings| settings.schema.as_str()), name),
            [schema, name] => (schema.as_str(), name),
            [database, schema, name] if settings.is_some_and(|s| s.database == *database) => {
                (schema.as_str(), name)
            }
            _ => return Err(refusals::invalid("a table of PostgreSQL is named by its schema and its name")),
        };
        Ok(format!("{}.{}", quoted(schema)?, quoted(name)?))
    }

    pub(super) fn write_load(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        let written = self.run("", |this, cancel| {
            let mut load = this.load.take().ok_or_else(no_load)?;
            let (conn, wait) = this.ask(cancel)?;
            let written = load.write(frame, conn, &wait);
            // Where it failed, it is undone below.
            this.load = Some(load);
            written
        });
        self.or_undo(written)
    }

    pub(super) fn finish_load(&mut self) -> Result<u64, Refusal> {
        let finished = self.run("", |this, cancel| {
            let mut load = this.load.take().ok_or_else(no_load)?;
            let nested = load.nested;
            let (conn, wait) = this.ask(cancel)?;
            let finished = load.finish(conn, &wait);
            this.load = Some(load);
            let rows = finished?;
            if nested {
                let (conn, wait) = this.ask(cancel)?;
                conn.ask("release savepoint cofferdam_load", &[], &wait)?;
            } else {
                this.commit_fenced(cancel)?;
            }
            this.load = None;
            Ok(rows)
        });
        self.or_undo(finished)
    }

    pub(super) fn abandon_load(&mut self) {
        if self.load.is_some() {
            let refusal = self.failed(Fault::Here(refusals::interrupted("the load was abandoned")), "");
            let _ = self.or_undo::<()>(Err(refusal));
        }
    }

    fn or_undo<T>(&mut self, done: Result<T, Refusal>) -> Result<T, Refusal> {
        let refusal = match done {
            Ok(done) => return Ok(done),
            Err(refusal) => refusal,
        };
        match self.load.take() {
            Some(load) => Err(self.undo_load(load.nested).err().unwrap_or(refusal)),
            None => Err(refusal),
        }
    }

    /// Brings the guest's transaction back to where the load began. A transaction of the load's own
    /// was rolled back when it failed.
    fn undo_load(&mut self, nested: bool) -> Result<(), Refusal> {
        if !nested {
            return Ok(());
        }
        // What the attempt's cancel asks for is done anyway: the session is dropped.
        let never = CancelToken::default();
        let undone = self.ask(&never).and_then(|(conn, wait)| {
            conn.put("rollback to savepoint cofferdam_load", &[])?;
            conn.put("release savepoint cofferdam_load", &[])?;
            conn.put_sync();
            conn.send(&wait)?;
            conn.get(&wait)?;
            conn.get(&wait)?;
            conn.ready(&wait)
        });
        undone.map_err(|fault| self.failed(fault, ""))
    }
}

fn no_load() -> Fault {
    Fault::Here(refusals::out_of_turn("no load is under way"))
}

fn start_copy(conn: &mut Conn, table: &str, columns: &[Column], wait: &Wait<'_>) -> Result<Encoder, Fault> {
    let known = conn.ask(COLUMNS, &[Some(table)], wait)?;
    let mut encodings = Some(Vec::with_capacity(columns.len()));
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        names.push(quoted(&column.name)?);
        let target = known.rows.iter().find(|row| row[0].as_deref() == Some(&*column.name));
        let one = target.and_then(|row| {
            let oid = row[1].as_deref()?.parse().ok()?;
            encoding(&column.data_type, oid, row[2].as_deref() == Some("t"))
        });
        encodings = encodings.zip(one).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    let form = if encodings.is_some() { "binary" } else { "text" };
    let copy = format!("copy {table} ({}) from stdin (format {form})", names.join(", "));
    conn.put(&copy, &[])?;
    // The server reads past this one once it takes rows; where it refuses, it takes up again here.
    conn.put_sync();
    conn.send(wait)?;
    conn.expect(b'1', wait)?;
    conn.expect(b'2', wait)?;
    conn.expect(b'G', wait)?;
    conn.copying = true;
    Ok(Encoder::new(columns.to_vec(), encodings))
}

impl Load {
    fn write(&mut self, frame: &[u8], conn: &mut Conn, wait: &Wait<'_>) -> Result<(), Fault> {
        let Self { decoder, encoder, out, headed, .. } = self;
        let mut fault = None;
        let decoded = decoder.decode(frame, |batch| {
            write_batch(encoder, (&mut *out, &mut *headed), &batch, conn, wait).map_err(|broken| {
                fault = Some(broken);
                refusals::bad_frame("the server refused the rows")
            })
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        decoded?;
        // An error of the server is found here, not after the last row.
        match conn.wire.peek(wait.cancel) {
            Ok(Some(b'E')) => Err(conn.next(wait).err().unwrap_or_else(no_load)),
            Ok(_) => Ok(()),
            Err(error) => Err(conn.lost(error)),
        }
    }

    fn finish(&mut self, conn: &mut Conn, wait: &Wait<'_>) -> Result<u64, Fault> {
        if self.encoder.is_binary() {
            begin(&mut self.out, &self.encoder, &mut self.headed);
            self.out.extend_from_slice(&TRAILER);
        }
        send(&mut self.out, conn, wait)?;
        frontend::copy_done(&mut conn.wire.out);
        frontend::sync(&mut conn.wire.out);
        conn.copying = false;
        conn.send(wait)?;
        let body = conn.expect(b'C', wait)?;
        let body = conn.wire.body(&body);
        let rows = count(&String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body)));
        conn.ready(wait)?;
        Ok(rows)
    }
}

fn write_batch(
    encoder: &Encoder,
    (out, headed): (&mut Vec<u8>, &mut bool),
    batch: &RecordBatch,
    conn: &mut Conn,
    wait: &Wait<'_>,
) -> Result<(), Fault> {
    let mut row = 0;
    while row < batch.num_rows() {
        begin(out, encoder, headed);
        row = encoder.write(batch, row, OUT_BYTES, out)?;
        if out.len() >= OUT_BYTES {
            send(out, conn, wait)?;
        }
    }
    Ok(())
}

/// Starts a message where none is begun; the first one starts with the form's header.
fn begin(out: &mut Vec<u8>, encoder: &Encoder, headed: &mut bool) {
    if out.is_empty() {
        out.extend_from_slice(&[b'd', 0, 0, 0, 0]);
        if encoder.is_binary() && !std::mem::replace(headed, true) {
            out.extend_from_slice(HEADER);
        }
    }
}

fn send(out: &mut Vec<u8>, conn: &mut Conn, wait: &Wait<'_>) -> Result<(), Fault> {
    if out.is_empty() {
        return Ok(());
    }
    let length = u32::try_from(out.len() - 1).map_err(|_| refusals::limit("a row is too long to be sent"))?;
    out[1..5].copy_from_slice(&length.to_be_bytes());
    let sent = conn.wire.send(out, wait);
    out.clear();
    sent.map_err(|error| conn.lost(error))
}

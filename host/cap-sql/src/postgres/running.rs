//! How a session runs a guest's statements: described first, then bound and run, or at once where
//! they can give no rows; each in a transaction of its own where the guest has begun none and it may
//! write.
//!
//! In: one statement and its values. Out: its rows, or how many it changed.
//! Never: gives the server more than one statement at a time; guesses whether one wrote: its tag
//! says so, or the server is asked.
//! Source: PostgreSQL documentation, "Extended Query"; `docs/adr/0015-postgresql-driver.md`.

use cofferdam_call::{COLUMNS_MAX, Column, DataType, Value};
use postgres_protocol::message::frontend;

use super::{
    conn::count,
    decode::Frames,
    errors::Fault,
    fence, params,
    rows::{KEPT_BYTES_MAX, Stream},
    session::Session,
    statement::{gives_no_rows, is_out_of_turn, says_written},
    stop,
    types::{self, Field, Form},
};
use crate::{cancel::CancelToken, driver::RowsId, refusals};

/// The name the guest's statement has in the server; ours have none.
const NAME: &str = "guest";

/// What the server says of a statement before it is run.
struct Described {
    parameters: usize,
    /// None where it gives no rows.
    fields: Option<Vec<Field>>,
}

impl Session {
    /// Has the server read a statement, in a transaction of its own where it gets one.
    fn describe(
        &mut self,
        text: &str,
        values: &[Value],
        wrapped: bool,
        cancel: &CancelToken,
    ) -> Result<Described, Fault> {
        if let Some(why) = is_out_of_turn(text) {
            return Err(Fault::Here(refusals::not_one(why)));
        }
        params::check(values)?;
        let (conn, wait) = self.ask(cancel)?;
        if wrapped {
            conn.put("begin", &[])?;
        }
        let nul = |_| refusals::not_one("a statement holds no NUL character");
        let written = frontend::close(b'S', NAME, &mut conn.wire.out)
            .and_then(|()| frontend::parse(NAME, text, params::types(values), &mut conn.wire.out))
            .and_then(|()| frontend::describe(b'S', NAME, &mut conn.wire.out));
        if let Err(error) = written.map_err(nul) {
            conn.forget();
            return Err(error.into());
        }
        conn.put_sync();
        conn.send(&wait)?;
        if wrapped {
            conn.get(&wait)?;
        }
        conn.expect(b'3', &wait)?;
        conn.expect(b'1', &wait)?;
        let body = conn.expect(b't', &wait)?;
        let parameters = types::parameters(conn.wire.body(&body));
        let (tag, body) = conn.next(&wait)?;
        let fields = match tag {
            b'n' => Some(None),
            b'T' => types::fields(conn.wire.body(&body)).map(Some),
            _ => None,
        };
        let (Some(parameters), Some(fields)) = (parameters, fields) else {
            return Err(conn.breach("the server describes a statement in an unknown way"));
        };
        conn.ready(&wait)?;
        let (wanted, given) = (parameters.len(), values.len());
        if wanted != given {
            return Err(Fault::Here(refusals::invalid(format!(
                "the statement takes {wanted} values; {given} were given"
            ))));
        }
        Ok(Described { parameters: wanted, fields })
    }

    /// Has the server read and run a statement of no values at once, in a transaction of its own where
    /// it gets one.
    fn start_at_once(&mut self, text: &str, wrapped: bool, cancel: &CancelToken) -> Result<(), Fault> {
        let (conn, wait) = self.ask(cancel)?;
        if wrapped {
            conn.put("begin", &[])?;
        }
        if let Err(fault) = conn.put(text, &[]) {
            conn.forget();
            return Err(fault);
        }
        conn.put_sync();
        conn.send(&wait)?;
        if wrapped {
            conn.get(&wait)?;
        }
        conn.expect(b'1', &wait)?;
        conn.expect(b'2', &wait).map(drop)
    }

    /// Runs the statement that was described.
    fn start_running(&mut self, values: &[Value], forms: &[Form], cancel: &CancelToken) -> Result<(), Fault> {
        let (conn, wait) = self.ask(cancel)?;
        let forms = forms.iter().map(|form| form.number());
        params::bind(NAME, values, forms, &mut conn.wire.out)?;
        frontend::execute("", 0, &mut conn.wire.out)
            .map_err(|_| Fault::Here(refusals::invalid("the statement cannot be run")))?;
        conn.put_sync();
        conn.send(&wait)?;
        conn.expect(b'2', &wait).map(drop)
    }

    fn columns(&mut self, fields: &[Field], cancel: &CancelToken) -> Result<(Vec<Column>, Vec<Form>), Fault> {
        if fields.is_empty() {
            return Err(Fault::Here(refusals::not_one("the result has no columns; select at least one")));
        }
        if fields.len() > COLUMNS_MAX {
            let text = format!("a result has at most {COLUMNS_MAX} columns");
            return Err(Fault::Here(refusals::limit(text)));
        }
        let mut columns = Vec::with_capacity(fields.len());
        let mut forms = Vec::with_capacity(fields.len());
        for field in fields {
            let (form, data_type) = match types::known(field.oid, field.modifier) {
                Some(known) => known,
                None => (Form::Text, DataType::Other(self.type_name(field, cancel)?)),
            };
            let name = cofferdam_call::shorten(&field.name, 255);
            columns.push(Column { name, data_type, nullable: true });
            forms.push(form);
        }
        Ok((columns, forms))
    }

    fn type_name(&mut self, field: &Field, cancel: &CancelToken) -> Result<String, Fault> {
        let (conn, wait) = self.ask(cancel)?;
        let key = (field.oid, field.modifier);
        if let Some(name) = conn.type_names.get(&key) {
            return Ok(name.clone());
        }
        let (oid, modifier) = (field.oid.to_string(), field.modifier.to_string());
        let text = "select pg_catalog.format_type($1::oid, $2::int4)";
        let answer = conn.ask(text, &[Some(&oid), Some(&modifier)], &wait)?;
        let name = cofferdam_call::shorten(answer.first().unwrap_or("unknown"), 255);
        conn.type_names.insert(key, name.clone());
        Ok(name)
    }

    pub(super) fn start_query(
        &mut self,
        text: &str,
        values: &[Value],
        cancel: &CancelToken,
    ) -> Result<(RowsId, Vec<Column>), Fault> {
        self.make_room(cancel)?;
        let wrapped = self.wraps();
        if wrapped {
            self.prepare_fence(cancel)?;
        }
        let described = self.describe(text, values, wrapped, cancel)?;
        debug_assert_eq!(described.parameters, values.len());
        let Some(fields) = described.fields else {
            return Err(Fault::Here(refusals::not_one("the statement returns no rows: execute it")));
        };
        let (columns, forms) = self.columns(&fields, cancel)?;
        let (frames, first) = Frames::new(columns.clone(), &forms)?;
        self.start_running(values, &forms, cancel)?;
        let id = self.rows.new_id();
        let statement = text.to_owned();
        self.stream = Some(Stream { id, frames, wrapped, statement, has_rows: false });
        // A result of one frame is whole here, and its errors are found at once.
        let (mut frame, mut first) = (Vec::new(), first);
        let (count, last) = self.fill(&mut frame, cancel)?;
        let kept = self.rows.of(id);
        if last && count == 0 {
            first.append(&mut frame);
        }
        kept.frames.push_back((first, 0));
        if !frame.is_empty() {
            kept.frames.push_back((frame, count));
        }
        Ok((id, columns))
    }

    /// Reads one more frame of the query that is read from the connection; behind the last its own
    /// transaction is committed.
    pub(super) fn fill(&mut self, frame: &mut Vec<u8>, cancel: &CancelToken) -> Result<(u64, bool), Fault> {
        let Some(mut stream) = self.stream.take() else { return Ok((0, true)) };
        let (conn, wait) = self.ask(cancel)?;
        let (rows, last) = stream.fill(conn, frame, &wait)?;
        if !last {
            self.stream = Some(stream);
        } else if stream.wrapped {
            self.commit_fenced(cancel)?;
        }
        Ok((rows, last))
    }

    /// Reads what is left of the query that is under way into memory, or past it.
    pub(super) fn make_room(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
        if self.load.is_some() {
            return Err(Fault::Here(refusals::out_of_turn(
                "a load is under way in this session; end it first",
            )));
        }
        let Some(id) = self.stream.as_ref().map(|stream| stream.id) else {
            return if self.rows.bytes() > KEPT_BYTES_MAX {
                Err(Fault::Here(refusals::unread(
                    "too many rows are open and not read yet; read or close them first",
                )))
            } else {
                Ok(())
            };
        };
        while self.rows.bytes() < KEPT_BYTES_MAX {
            let mut frame = Vec::new();
            match self.fill(&mut frame, cancel) {
                Ok((rows, last)) => {
                    self.rows.of(id).frames.push_back((frame, rows));
                    if last {
                        return Ok(());
                    }
                }
                // The error is that query's; it is told to whoever reads on.
                Err(fault) => return self.broke(id, fault),
            }
        }
        let kept = self.rows.of(id);
        kept.frames.clear();
        kept.broken = Some(refusals::unread(
            "the rows were not read before the next statement, and there are more than are kept",
        ));
        self.skip(cancel)
    }

    fn broke(&mut self, id: RowsId, fault: Fault) -> Result<(), Fault> {
        if matches!(fault, Fault::Stop(_)) {
            return Err(fault);
        }
        let refusal = self.failed(fault, "");
        self.rows.of(id).broken = Some(refusal);
        self.conn().map(drop)
    }

    /// Ends the query that is under way without reading it. Where it has no transaction the server
    /// is told to stop; stopping would undo a transaction, so there its rows are read past.
    pub(super) fn skip(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
        let Some(stream) = self.stream.take() else { return Ok(()) };
        if !stream.wrapped && !self.explicit {
            if let Some(lent) = &mut self.lent {
                let pool = lent.pool();
                if !stop::stops_when_asked(lent, pool.connector()) {
                    return Err(Fault::Broken(refusals::unavailable(
                        "the connection to the warehouse broke",
                    )));
                }
            }
            return Ok(());
        }
        let (conn, wait) = self.ask(cancel)?;
        Stream::skip(conn, &wait)?;
        if stream.wrapped { self.commit_fenced(cancel) } else { Ok(()) }
    }

    pub(super) fn run_statement(
        &mut self,
        text: &str,
        values: &[Value],
        cancel: &CancelToken,
    ) -> Result<u64, Fault> {
        self.make_room(cancel)?;
        let wrapped = self.wraps();
        if wrapped {
            self.prepare_fence(cancel)?;
        }
        match self.run_once(text, values, wrapped, cancel) {
            // Not every statement can be part of a transaction: `vacuum` for one.
            Err(Fault::Server(error)) if wrapped && error.code == "25001" => {
                let (conn, _) = self.ask(cancel)?;
                fence::rollback(conn)?;
                self.advance_fence(cancel)?;
                self.run_once(text, values, false, cancel)
            }
            other => other,
        }
    }

    fn advance_fence(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
        self.fenced(cancel, |fence, conn, wait| {
            if !fence.applies() {
                return Ok(());
            }
            conn.ask("begin", &[], wait)?;
            fence.advance(conn, wait)?;
            conn.ask("commit", &[], wait).map(drop)
        })
    }

    fn run_once(
        &mut self,
        text: &str,
        values: &[Value],
        wrapped: bool,
        cancel: &CancelToken,
    ) -> Result<u64, Fault> {
        if values.is_empty() && gives_no_rows(text) {
            self.start_at_once(text, wrapped, cancel)?;
        } else {
            if self.describe(text, values, wrapped, cancel)?.fields.is_some() {
                return Err(Fault::Here(refusals::not_one("the statement returns rows: query it")));
            }
            self.start_running(values, &[], cancel)?;
        }
        let (conn, wait) = self.ask(cancel)?;
        let (tag, body) = conn.next(&wait)?;
        let (changed, wrote) = match tag {
            b'C' => {
                let body = conn.wire.body(&body);
                let tag = String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body));
                (count(&tag), says_written(&tag))
            }
            b'I' => (0, false),
            b'G' | b'H' => {
                return Err(Fault::Here(refusals::not_one("rows are copied by the session's own calls")));
            }
            _ => return Err(conn.breach("the server answers a statement in an unknown way")),
        };
        conn.ready(&wait)?;
        self.wrote |= wrote;
        if wrapped {
            self.commit_fenced(cancel)?;
        }
        Ok(changed)
    }
}

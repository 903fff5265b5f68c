//! A session as the broker holds it: one connection, one statement at a time.
//!
//! In: statements the broker has decided on. Out: counts and frames.
//! Never: leaves a statement running when it is stopped or dropped without having asked the server
//! to stop it; commits past the fence.
//! Fails: see `docs/adr/0015-postgresql-driver.md`; after a failure of the connection every later
//! call fails the same way.

use cofferdam_call::{Access, COLUMNS_MAX, Column, DataType, Refusal, Value};
use postgres_protocol::message::frontend;

use super::{
    PostgresConnect, application_name,
    conn::{Conn, count, plain},
    decode::Frames,
    errors::Fault,
    fence::{self, Fencing},
    load::Load,
    params,
    rows::{KEPT_BYTES_MAX, RowsOpen, Stream},
    statement::is_out_of_turn,
    stop,
    types::{self, Field, Form},
};
use crate::{
    cancel::CancelToken,
    driver::{Holder, Opening, Peer, RowsId, SqlSession},
    net::Wait,
    pool::Lent,
    refusals,
    settings::Key,
};

/// The name the guest's statement has in the server; ours have none.
const NAME: &str = "guest";

pub(super) struct Session {
    pub(super) lent: Option<Lent<PostgresConnect>>,
    key: Key,
    access: Access,
    pub(super) cancel: CancelToken,
    holder: Holder,
    peer: Peer,
    /// Whether the guest has begun a transaction.
    pub(super) explicit: bool,
    rows: RowsOpen,
    stream: Option<Stream>,
    pub(super) load: Option<Load>,
    /// Why nothing can be asked any more.
    dead: Option<Refusal>,
    /// What went wrong where nobody could be told.
    late: Option<Refusal>,
}

/// What the server says of a statement before it is run.
struct Described {
    parameters: usize,
    /// None where it gives no rows.
    fields: Option<Vec<Field>>,
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
        let named = lent.ask("select set_config('application_name', $1, false)", &[Some(&name)], &wait);
        named.map_err(plain)?;
        let peer = Peer { role: Some(lent.login.role.clone()), tls: lent.login.tls.clone() };
        Ok(Self {
            lent: Some(lent),
            key,
            access: opening.access,
            cancel: opening.cancel.clone(),
            holder: opening.holder.clone(),
            peer,
            explicit: false,
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
        cancel.check()?;
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

    fn fenced<T>(
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
        self.fenced(cancel, |fence, conn, wait| fence.commit(conn, wait))
    }

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

    fn start_query(
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
    fn fill(&mut self, frame: &mut Vec<u8>, cancel: &CancelToken) -> Result<(u64, bool), Fault> {
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
    fn skip(&mut self, cancel: &CancelToken) -> Result<(), Fault> {
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

    fn run_statement(&mut self, text: &str, values: &[Value], cancel: &CancelToken) -> Result<u64, Fault> {
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
        if self.describe(text, values, wrapped, cancel)?.fields.is_some() {
            return Err(Fault::Here(refusals::not_one("the statement returns rows: query it")));
        }
        self.start_running(values, &[], cancel)?;
        let (conn, wait) = self.ask(cancel)?;
        let (tag, body) = conn.next(&wait)?;
        let changed = match tag {
            b'C' => {
                let body = conn.wire.body(&body);
                count(&String::from_utf8_lossy(body.strip_suffix(&[0]).unwrap_or(body)))
            }
            b'I' => 0,
            b'G' | b'H' => {
                return Err(Fault::Here(refusals::not_one("rows are copied by the session's own calls")));
            }
            _ => return Err(conn.breach("the server answers a statement in an unknown way")),
        };
        conn.ready(&wait)?;
        if wrapped {
            self.commit_fenced(cancel)?;
        }
        Ok(changed)
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

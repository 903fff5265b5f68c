//! Performs a call that was decided on and recorded.

use cofferdam_call::{AHEAD_BYTES_MAX, Call, Handle, Refusal, Reply, Value};
use cofferdam_cap_sql::{Opening, Peer};
use cofferdam_ledger::{PeerFacts, PublishFacts};

use crate::{
    door::Door,
    earlier::KeptPage,
    handles::{Facts, Held, Session},
    log::check_kept_name,
    refusals,
    weigh::dialect,
};

/// What came of a call: the reply, the bytes beside it, the rows it read or changed, and what the
/// ledger keeps of it beside.
pub(crate) struct Performed {
    pub(crate) reply: Reply,
    pub(crate) payload: Vec<u8>,
    pub(crate) rows: Option<u64>,
    pub(crate) peer: Option<PeerFacts>,
    pub(crate) publish: Option<PublishFacts>,
}

impl From<Reply> for Performed {
    fn from(reply: Reply) -> Self {
        let rows = if let Reply::Count(rows) = reply { Some(rows) } else { None };
        Self { reply, payload: Vec::new(), rows, peer: None, publish: None }
    }
}

impl Door {
    pub(crate) fn perform(&mut self, call: Call, payload: &[u8]) -> Result<Performed, Refusal> {
        match call {
            Call::SqlOpen { .. }
            | Call::SqlQuery { .. }
            | Call::SqlNext { .. }
            | Call::SqlExecute { .. }
            | Call::SqlBegin { .. }
            | Call::SqlCommit { .. }
            | Call::SqlRollback { .. } => self.perform_sql(call),
            Call::SqlLoad { .. } | Call::SqlLoadWrite { .. } | Call::SqlLoadFinish { .. } => {
                self.perform_load(call, payload)
            }
            Call::Close { handle } => {
                self.handles.close(handle)?;
                Ok(Reply::Done.into())
            }
            Call::FileList { prefix } => {
                let rights = &self.context.rights;
                let files = self.context.files.list(&prefix, |path| rights.sees_file(path))?;
                Ok(Reply::Files(files).into())
            }
            Call::FileRead { path, offset, length } => {
                let payload = self.context.files.read(&path, offset, length)?;
                Ok(Performed { payload, ..Reply::Bytes.into() })
            }
            Call::Log { level, message } => {
                self.log.add((self.context.clock)(), level, &message);
                Ok(Reply::Done.into())
            }
            Call::Progress { done, total } => {
                self.log.progress(done, total);
                Ok(Reply::Done.into())
            }
            Call::Keep { name } => {
                self.log.keep(&name, payload)?;
                Ok(Reply::Done.into())
            }
            Call::ReadKept { name, start, after } => {
                check_kept_name(&name)?;
                let page = self.context.earlier.kept(&name, &start, after.as_deref());
                let KeptPage { attempts, bytes, more } = page.map_err(|_| refusals::unread_kept())?;
                Ok(Performed { payload: bytes, ..Reply::Kept { attempts, more }.into() })
            }
        }
    }

    fn perform_sql(&mut self, call: Call) -> Result<Performed, Refusal> {
        match call {
            Call::SqlOpen { gateway, access } => {
                self.handles.check_room()?;
                let driver = self.context.gateways.get(&gateway)?;
                let wall = self.context.rights.wall(&gateway, access);
                let holder = self.context.ids.holder();
                let opening = Opening { access, wall, cancel: &self.cancel, holder };
                let sql = driver.open(opening)?;
                let default_schema = driver.default_schema().into();
                let dialect = dialect(driver.engine());
                let facts = Facts { gateway, access, dialect, default_schema, in_transaction: false };
                let Peer { role, tls } = sql.peer();
                let peer = (role.is_some() || tls.is_some()).then_some(PeerFacts { role, tls });
                let handle = self.handles.add(Held::Session(Session { facts, sql }))?;
                Ok(Performed { peer, ..Reply::Opened(handle).into() })
            }
            Call::SqlQuery { session, statement, values, ahead } => {
                self.query(session, &statement, &values, ahead)
            }
            Call::SqlNext { rows } => {
                let mut payload = Vec::new();
                let rows = self.next_frame(rows, &mut payload)?;
                Ok(Performed { payload, rows, ..Reply::Frame { present: rows.is_some() }.into() })
            }
            Call::SqlExecute { session, statement, values } => {
                let count = self.handles.session(session)?.sql.execute(&statement, &values)?;
                Ok(Reply::Count(count).into())
            }
            Call::SqlBegin { session } => {
                let session = self.handles.session(session)?;
                session.sql.begin()?;
                session.facts.in_transaction = true;
                Ok(Reply::Done.into())
            }
            Call::SqlCommit { session, step } => {
                let session = self.handles.session(session)?;
                session.facts.in_transaction = false;
                let Some(step) = step else {
                    session.sql.commit()?;
                    return Ok(Reply::Done.into());
                };
                let published = session.sql.commit_once(&step)?;
                let publish = Some(PublishFacts { step, published });
                Ok(Performed { publish, ..Reply::Committed { published }.into() })
            }
            Call::SqlRollback { session } => {
                let session = self.handles.session(session)?;
                session.facts.in_transaction = false;
                session.sql.rollback()?;
                Ok(Reply::Done.into())
            }
            // `perform` passes nothing else on.
            _ => Ok(Reply::Done.into()),
        }
    }

    /// Starts a query and reads on as far as its answer has room: a small result is one call.
    fn query(
        &mut self,
        session: Handle,
        statement: &str,
        values: &[Value],
        ahead: u32,
    ) -> Result<Performed, Refusal> {
        self.handles.check_room()?;
        let (rows, columns) = self.handles.session(session)?.sql.query(statement, values)?;
        let handle = self.handles.add(Held::Rows { session, rows })?;
        let room = AHEAD_BYTES_MAX.min(ahead) as usize;
        let (mut payload, mut frames) = (Vec::new(), Vec::new());
        let (mut count, mut more) = (None, true);
        while more && payload.len() < room {
            let before = payload.len();
            match self.next_frame(handle, &mut payload) {
                Ok(Some(rows)) => {
                    // A frame is at most 1 MiB long.
                    frames.push(u32::try_from(payload.len() - before).unwrap_or(u32::MAX));
                    count = Some(count.unwrap_or(0) + rows);
                }
                Ok(None) => more = false,
                Err(refusal) => {
                    // Closed already where the rows were over the limit.
                    let _ = self.handles.close(handle);
                    return Err(refusal);
                }
            }
        }
        if !more {
            self.handles.close(handle)?;
        }
        let reply = Reply::Rows { rows: more.then_some(handle), columns, frames };
        Ok(Performed { payload, rows: count, ..reply.into() })
    }

    /// Appends the next frame and gives the number of rows in it, where they may be handed over.
    fn next_frame(&mut self, handle: Handle, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        let (session, rows) = self.handles.rows(handle)?;
        let Some(count) = session.sql.next_frame(rows, frame)? else { return Ok(None) };
        let facts = session.facts.clone();
        if let Err(refusal) = self.decide_rows(&Call::SqlNext { rows: handle }, &facts, count) {
            self.handles.close(handle)?;
            return Err(refusal);
        }
        Ok(Some(count))
    }

    fn perform_load(&mut self, call: Call, payload: &[u8]) -> Result<Performed, Refusal> {
        match call {
            Call::SqlLoad { session, table, columns } => {
                self.handles.check_room()?;
                self.handles.session(session)?.sql.load(&table, &columns)?;
                let load = self.handles.add(Held::Load { session })?;
                Ok(Reply::Opened(load).into())
            }
            Call::SqlLoadWrite { load } => {
                self.handles.load(load)?.sql.load_write(payload)?;
                Ok(Reply::Done.into())
            }
            Call::SqlLoadFinish { load } => {
                let count = self.handles.load(load)?.sql.load_finish()?;
                self.handles.forget(load);
                Ok(Reply::Count(count).into())
            }
            // `perform` passes nothing else on.
            _ => Ok(Reply::Done.into()),
        }
    }
}

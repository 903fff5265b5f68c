//! `cofferdam:capability/sql`, lent to adapters.

use std::collections::VecDeque;

use cofferdam_call::{AHEAD_BYTES_MAX, Call, Column, Handle, Refusal, Reply};
use cofferdam_ids::GatewayName;
use wasmtime::{Result, component::Resource};

use super::convert::{self, mismatch};
use crate::{
    bindings::adapter::cofferdam::{
        capability::sql::{Host, HostLoader, HostRows, HostSession, LoadTarget},
        types::{
            data::{self, Access, Value},
            failures::{self, Detail, Failure},
        },
    },
    room::Room,
};

/// A session the broker holds open.
#[derive(Debug)]
pub struct Session(Handle);

/// The rows of a query the broker runs.
#[derive(Debug)]
pub struct Rows {
    /// To ask for more with; none where there are no more.
    handle: Option<Handle>,
    columns: Vec<Column>,
    /// Frames that came with the answer and were not asked for yet.
    ahead: VecDeque<Vec<u8>>,
}

impl Rows {
    fn new(reply: Reply, payload: &[u8]) -> Option<Self> {
        let Reply::Rows { rows: handle, columns, frames } = reply else { return None };
        let mut rest = payload;
        let mut ahead = VecDeque::with_capacity(frames.len());
        for length in frames {
            let (frame, more) = rest.split_at_checked(length as usize)?;
            ahead.push_back(frame.to_vec());
            rest = more;
        }
        rest.is_empty().then_some(Self { handle, columns, ahead })
    }

    fn bytes_ahead(&self) -> usize {
        self.ahead.iter().map(Vec::len).sum()
    }
}

/// A bulk load the broker has under way.
#[derive(Debug)]
pub struct Loader(Handle);

impl data::Host for Room {}
impl failures::Host for Room {}

impl Room {
    /// A call whose reply holds one thing: `pick` takes it out, `None` for another kind of reply.
    fn ask<T>(
        &self,
        call: Call,
        payload: &[u8],
        pick: impl FnOnce(Reply, Vec<u8>) -> Option<T>,
    ) -> Result<Result<T, Failure>> {
        match self.call(call, payload)? {
            Ok((reply, bytes)) => Ok(Ok(pick(reply, bytes).ok_or_else(mismatch)?)),
            Err(refusal) => Ok(Err(convert::failure(refusal))),
        }
    }

    fn ask_done(&self, call: Call, payload: &[u8]) -> Result<Result<(), Failure>> {
        self.ask(call, payload, |reply, _| matches!(reply, Reply::Done).then_some(()))
    }

    fn ask_count(&self, call: Call) -> Result<Result<u64, Failure>> {
        self.ask(call, &[], |reply, _| match reply {
            Reply::Count(n) => Some(n),
            _ => None,
        })
    }

    fn ask_opened(&self, call: Call) -> Result<Result<Handle, Failure>> {
        self.ask(call, &[], |reply, _| match reply {
            Reply::Opened(handle) => Some(handle),
            _ => None,
        })
    }

    /// Lets go of a broker's handle. What the broker says to it does not matter to the guest.
    fn close(&self, handle: Handle) -> Result<()> {
        let _refusal: Option<Refusal> = self.call(Call::Close { handle }, &[])?.err();
        Ok(())
    }
}

/// Gives a failure back to the guest from inside a host function.
macro_rules! check {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(failure) => return Ok(Err(failure)),
        }
    };
}
pub(super) use check;

pub(super) fn gateway_name(text: &str) -> Result<GatewayName, Failure> {
    GatewayName::new(text).map_err(|error| {
        Failure::Invalid(Detail { code: crate::stopped::NO_ADAPTER.to_string(), message: error.to_string() })
    })
}

impl Host for Room {
    fn open(&mut self, gateway: String, mode: Access) -> Result<Result<Resource<Session>, Failure>> {
        let gateway = check!(gateway_name(&gateway));
        let session = check!(self.ask_opened(Call::SqlOpen { gateway, access: convert::access(mode) })?);
        Ok(Ok(self.table.push(Session(session))?))
    }
}

impl HostSession for Room {
    fn query(
        &mut self,
        session: Resource<Session>,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Result<Resource<Rows>, Failure>> {
        let session = self.table.get(&session)?.0;
        check!(convert::statement(&statement));
        let values = check!(convert::values(values));
        // While a guest leaves frames lying, nothing more is fetched for it unasked.
        let ahead = if self.bytes_ahead == 0 { AHEAD_BYTES_MAX } else { 0 };
        let call = Call::SqlQuery { session, statement, values, ahead };
        let rows = check!(self.ask(call, &[], |reply, payload| Rows::new(reply, &payload))?);
        self.bytes_ahead += rows.bytes_ahead();
        Ok(Ok(self.table.push(rows)?))
    }

    fn execute(
        &mut self,
        session: Resource<Session>,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Result<u64, Failure>> {
        let session = self.table.get(&session)?.0;
        check!(convert::statement(&statement));
        let values = check!(convert::values(values));
        self.ask_count(Call::SqlExecute { session, statement, values })
    }

    fn begin(&mut self, session: Resource<Session>) -> Result<Result<(), Failure>> {
        let session = self.table.get(&session)?.0;
        self.ask_done(Call::SqlBegin { session }, &[])
    }

    fn commit(&mut self, session: Resource<Session>) -> Result<Result<(), Failure>> {
        let session = self.table.get(&session)?.0;
        self.ask_done(Call::SqlCommit { session, step: None }, &[])
    }

    fn commit_once(&mut self, session: Resource<Session>, step: String) -> Result<Result<bool, Failure>> {
        let session = self.table.get(&session)?.0;
        check!(convert::name("the step's name", &step));
        self.ask(Call::SqlCommit { session, step: Some(step) }, &[], |reply, _| match reply {
            Reply::Committed { published } => Some(published),
            _ => None,
        })
    }

    fn rollback(&mut self, session: Resource<Session>) -> Result<Result<(), Failure>> {
        let session = self.table.get(&session)?.0;
        self.ask_done(Call::SqlRollback { session }, &[])
    }

    fn load(
        &mut self,
        session: Resource<Session>,
        target: LoadTarget,
    ) -> Result<Result<Resource<Loader>, Failure>> {
        let session = self.table.get(&session)?.0;
        check!(convert::bounded("the table's name", target.table.len(), 3));
        check!(target.table.iter().try_for_each(|part| convert::name("a part of the table's name", part)));
        let columns = check!(convert::columns(target.columns));
        let load = check!(self.ask_opened(Call::SqlLoad { session, table: target.table, columns })?);
        Ok(Ok(self.table.push(Loader(load))?))
    }

    fn drop(&mut self, session: Resource<Session>) -> Result<()> {
        let Session(handle) = self.table.delete(session)?;
        self.close(handle)
    }
}

impl HostRows for Room {
    fn columns(&mut self, rows: Resource<Rows>) -> Result<Vec<data::Column>> {
        Ok(convert::to_wit_columns(self.table.get(&rows)?.columns.clone()))
    }

    fn next(&mut self, rows: Resource<Rows>) -> Result<Result<Option<Vec<u8>>, Failure>> {
        let rows = self.table.get_mut(&rows)?;
        if let Some(frame) = rows.ahead.pop_front() {
            self.bytes_ahead -= frame.len();
            return Ok(Ok(Some(frame)));
        }
        let Some(rows) = rows.handle else { return Ok(Ok(None)) };
        self.ask(Call::SqlNext { rows }, &[], |reply, bytes| match reply {
            Reply::Frame { present } => Some(present.then_some(bytes)),
            _ => None,
        })
    }

    fn drop(&mut self, rows: Resource<Rows>) -> Result<()> {
        let rows = self.table.delete(rows)?;
        self.bytes_ahead -= rows.bytes_ahead();
        rows.handle.map_or(Ok(()), |handle| self.close(handle))
    }
}

impl HostLoader for Room {
    fn write(&mut self, loader: Resource<Loader>, frame: Vec<u8>) -> Result<Result<(), Failure>> {
        let load = self.table.get(&loader)?.0;
        check!(convert::frame(&frame));
        self.ask_done(Call::SqlLoadWrite { load }, &frame)
    }

    fn finish(&mut self, loader: Resource<Loader>) -> Result<Result<u64, Failure>> {
        let load = self.table.get(&loader)?.0;
        self.ask_count(Call::SqlLoadFinish { load })
    }

    fn drop(&mut self, loader: Resource<Loader>) -> Result<()> {
        let Loader(handle) = self.table.delete(loader)?;
        self.close(handle)
    }
}

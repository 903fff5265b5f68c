//! One logged-in connection, and what it still owes.
//!
//! In: statements of our own, and requests collected in its wire. Out: their answers.
//! Never: speaks the simple query protocol, which takes many statements at once.
//! Fails: with [`Fault`], which says whether the conversation can go on.
//! Source: PostgreSQL documentation, "Extended Query".

use std::{collections::HashMap, ops::Range};

use cofferdam_call::Refusal;
use postgres_protocol::{IsNull, message::frontend};

use super::{
    errors::{Fault, ServerError},
    wire::{TOO_LONG, Wire, WireError},
};
use crate::{net::Wait, refusals};

/// What was learned at the login.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    pub(super) role: String,
    /// SHA-256 of the server's certificate.
    pub(super) tls: Option<String>,
    /// How the role proved who it is.
    pub(super) how: &'static str,
    pub(super) process: i32,
    pub(super) key: i32,
    pub(super) version: String,
    pub(super) encoding: String,
}

/// What the server still has to say before anything else can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// As many `ReadyForQuery`.
    Ready(u32),
}

/// One connection.
pub struct Conn {
    pub(super) wire: Wire,
    pub(super) login: Login,
    /// `I` idle, `T` in a transaction, `E` in one that failed.
    pub(super) status: u8,
    /// Names of types that are not known here by number.
    pub(super) type_names: HashMap<(u32, i32), String>,
    /// When the server's process was started, as it says it.
    pub(super) started: String,
    /// Whether anybody was told that it is theirs, so that it has to be cleaned.
    pub(super) used: bool,
    /// Whether the server takes rows, and skipped the end of the group it was asked in.
    pub(super) copying: bool,
    owed: Owed,
    broken: bool,
}

/// The answer to one statement of ours.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// What was done, e.g. `COMMIT`.
    pub(super) tag: String,
}

impl Answer {
    /// Rows changed or given.
    pub(super) fn count(&self) -> u64 {
        count(&self.tag)
    }

    /// The first value.
    pub(super) fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// The number a command's tag ends with: `INSERT 0 5`, `COPY 7`.
pub(super) fn count(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl Conn {
    pub(super) fn new(wire: Wire, login: Login) -> Self {
        Self {
            wire,
            login,
            status: b'I',
            type_names: HashMap::new(),
            started: String::new(),
            used: false,
            copying: false,
            owed: Owed::Nothing,
            broken: false,
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken || self.wire.torn
    }

    /// Whether it waits for a request, and nothing is open.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_broken() && self.owed == Owed::Nothing && self.status == b'I'
    }

    pub(super) fn owes(&self) -> bool {
        self.owed != Owed::Nothing
    }

    /// Adds one of our own statements, with values as text.
    pub(super) fn put(&mut self, statement: &str, values: &[Option<&str>]) -> Result<(), Fault> {
        let out = &mut self.wire.out;
        frontend::parse("", statement, [], out).map_err(|_| unwritable())?;
        let write = |value: &Option<&str>, out: &mut bytes::BytesMut| {
            Ok(value.map_or(IsNull::Yes, |text| {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }))
        };
        frontend::bind("", "", [], values, write, [], out).map_err(|_| unwritable())?;
        frontend::execute("", 0, out).map_err(|_| unwritable())?;
        Ok(())
    }

    /// Ends a group of requests: after an error the server takes up again behind it.
    pub(super) fn put_sync(&mut self) {
        frontend::sync(&mut self.wire.out);
        self.owed = match self.owed {
            Owed::Nothing => Owed::Ready(1),
            Owed::Ready(n) => Owed::Ready(n + 1),
        };
    }

    pub(super) fn send(&mut self, wait: &Wait<'_>) -> Result<(), Fault> {
        let sent = self.wire.flush(wait);
        self.noted(sent)
    }

    fn noted<T>(&mut self, result: Result<T, WireError>) -> Result<T, Fault> {
        result.map_err(|error| self.lost(error))
    }

    /// The next message that answers something. An error of the server is one as well: the
    /// conversation is then ready for the next request.
    pub(super) fn next(&mut self, wait: &Wait<'_>) -> Result<(u8, Range<usize>), Fault> {
        let next = self.wire.answer(wait, unchanged);
        let (tag, body) = self.noted(next)?;
        if tag != b'E' {
            return Ok((tag, body));
        }
        let error = self.server_error(&body, wait)?;
        self.until_ready(wait)?;
        Err(Fault::Server(error))
    }

    fn server_error(&mut self, body: &Range<usize>, wait: &Wait<'_>) -> Result<ServerError, Fault> {
        let error = ServerError::read(self.wire.body(body));
        if error.code.starts_with("57P") {
            // The server ends the connection behind these.
            self.broken = true;
            return Err(Fault::Broken(error.refusal("")));
        }
        if std::mem::take(&mut self.copying) {
            frontend::sync(&mut self.wire.out);
            self.send(wait)?;
        }
        Ok(error)
    }

    /// Tells a server that takes rows that there are none; it undoes what it took.
    pub(super) fn fail_copy(&mut self, wait: &Wait<'_>) -> Result<(), Fault> {
        self.copying = false;
        frontend::copy_fail("not loaded", &mut self.wire.out).map_err(|_| unwritable())?;
        frontend::sync(&mut self.wire.out);
        self.send(wait)
    }

    /// Nothing more is asked of it.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// What a failure of the wire is; nothing more is asked of it unless only the wait ended.
    pub(super) fn lost(&mut self, error: WireError) -> Fault {
        self.broken |= error.stop().is_none();
        error.into()
    }

    /// The next message, which must be this one.
    pub(super) fn expect(&mut self, wanted: u8, wait: &Wait<'_>) -> Result<Range<usize>, Fault> {
        let (tag, body) = self.next(wait)?;
        if tag == wanted {
            Ok(body)
        } else {
            Err(self.breach("the server answers something else than was asked"))
        }
    }

    /// The server did what it never does: nothing more is asked of it.
    pub(super) fn breach(&mut self, what: &'static str) -> Fault {
        self.broken = true;
        Fault::Broken(refusals::protocol(what))
    }

    /// Reads the answer to one statement put by [`Self::put`].
    pub(super) fn get(&mut self, wait: &Wait<'_>) -> Result<Answer, Fault> {
        self.expect(b'1', wait)?;
        self.expect(b'2', wait)?;
        let mut answer = Answer::default();
        loop {
            let (tag, body) = self.next(wait)?;
            let body = self.wire.body(&body);
            match tag {
                b'D' if answer.rows.len() < ROWS_MAX => match texts(body) {
                    Some(row) => answer.rows.push(row),
                    None => return Err(self.breach("a row contradicts itself")),
                },
                b'C' => {
                    let tag = body.strip_suffix(&[0]).unwrap_or(body);
                    answer.tag = String::from_utf8_lossy(tag).into_owned();
                    return Ok(answer);
                }
                b'I' => return Ok(answer),
                _ => return Err(self.breach("the server answers something else than was asked")),
            }
        }
    }

    /// Reads the end of a group of requests.
    pub(super) fn ready(&mut self, wait: &Wait<'_>) -> Result<(), Fault> {
        let body = self.expect(b'Z', wait)?;
        self.note_ready(&body)
    }

    fn note_ready(&mut self, body: &Range<usize>) -> Result<(), Fault> {
        let (&[status @ (b'I' | b'T' | b'E')], Owed::Ready(n)) = (self.wire.body(body), self.owed) else {
            return Err(self.breach("the server is ready in an unknown way"));
        };
        self.status = status;
        self.owed = if n > 1 { Owed::Ready(n - 1) } else { Owed::Nothing };
        Ok(())
    }

    /// Runs one statement of ours.
    pub(super) fn ask(
        &mut self,
        statement: &str,
        values: &[Option<&str>],
        wait: &Wait<'_>,
    ) -> Result<Answer, Fault> {
        self.put(statement, values)?;
        self.put_sync();
        self.send(wait)?;
        let answer = self.get(wait)?;
        self.ready(wait)?;
        Ok(answer)
    }

    /// Reads past whatever is left of the answers owed.
    pub(super) fn until_ready(&mut self, wait: &Wait<'_>) -> Result<(), Fault> {
        while self.owes() {
            let next = self.wire.answer(wait, unchanged);
            let (tag, body) = self.noted(next)?;
            match tag {
                b'Z' => self.note_ready(&body)?,
                b'E' => drop(self.server_error(&body, wait)?),
                // It waits for rows nobody will send.
                b'G' => self.fail_copy(wait)?,
                b'1' | b'2' | b'3' | b'C' | b'D' | b'H' | b'I' | b'T' | b'c' | b'd' | b'n' | b's' | b't'
                | TOO_LONG => {}
                _ => return Err(self.breach("the server sends a message of an unknown sort")),
            }
        }
        Ok(())
    }

    /// A request that was collected, but must not be sent.
    pub(super) fn forget(&mut self) {
        self.wire.out.clear();
    }
}

/// Rows of an answer to a statement of ours.
const ROWS_MAX: usize = 10_000;

fn unwritable() -> Fault {
    Fault::Here(refusals::not_one("a statement or name holds no NUL character"))
}

/// What decides the meaning of the bytes that are read must stay as it was.
pub(super) fn unchanged(name: &[u8], value: &[u8]) -> Result<(), WireError> {
    match (name, value) {
        (b"client_encoding", b"UTF8") | (b"standard_conforming_strings", b"on") => Ok(()),
        (b"client_encoding" | b"standard_conforming_strings", _) => {
            Err(WireError::Protocol("a statement changed the session's encoding; the session is closed"))
        }
        _ => Ok(()),
    }
}

/// The values of a row as text.
fn texts(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        rest = behind;
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let (value, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        });
    }
    rest.is_empty().then_some(row)
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.is_broken() || self.owes() {
            return;
        }
        // The server is told, so that it does not log a broken connection.
        let never = crate::CancelToken::default();
        frontend::terminate(&mut self.wire.out);
        let _ = self.wire.flush(&Wait::at_most(&never, std::time::Duration::from_millis(100)));
    }
}

/// What a fault is for the guest, where no statement of its own is at fault.
pub(super) fn plain(fault: Fault) -> Refusal {
    match fault {
        Fault::Server(error) => error.refusal(""),
        Fault::Here(refusal) | Fault::Broken(refusal) => refusal,
        Fault::Stop(stop) => crate::net::LinkError::Stop(stop).refusal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_end_with_their_count() {
        assert_eq!((count("INSERT 0 5"), count("COPY 7"), count("CREATE TABLE"), count("")), (5, 7, 0, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_row_is_read_or_refused(bytes: Vec<u8>) {
            let _ = texts(&bytes);
        }
    }
}

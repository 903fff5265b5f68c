//! One connection: commands and their answers.
//!
//! In: our own fixed statements as text, the guest's as prepared statements only. Out: counts, rows.
//! Never: answers a server that asks for a file; it is hung up on. Goes on after bytes it does not
//! understand.
//! Fails: with [`Problem`].

use super::{
    decode::Definition,
    handshake::Welcome,
    read::{Done, Fields, MORE_RESULTS, ServerError},
    wire::{Broken, Wire},
};
use crate::net::{LinkError, Wait};

const COM_INIT_DB: u8 = 0x02;
const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_RESET_CONNECTION: u8 = 0x1f;
/// Rows of an answer to a question of ours.
const ANSWER_ROWS_MAX: usize = 10_000;
/// Bytes of all of them.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The server says no; the connection is as it was.
    Server(ServerError),
    /// The connection is of no use, unless a wait ended.
    Broken(Broken),
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// A statement the server has taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepared {
    pub(super) id: u32,
    /// Columns of its rows; none where it gives none.
    pub(super) columns: u16,
    /// Values it takes.
    pub(super) values: u16,
}

/// What executing gives.
pub(super) enum Outcome {
    Done(Done),
    /// Rows follow.
    Rows(Vec<Definition>),
}

/// A row of text.
pub(super) type TextRow = Vec<Option<String>>;

/// One connection, logged in.
pub(super) struct Client {
    /// None once it is of no use.
    wire: Option<Wire>,
    welcome: Welcome,
    /// Statements the server may forget; told with the next command.
    forget: Vec<u32>,
    /// An answer is on its way and not read to its end.
    pending: bool,
}

impl Client {
    pub(super) fn new(wire: Wire, welcome: Welcome) -> Self {
        Self { wire: Some(wire), welcome, forget: Vec::new(), pending: false }
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.welcome.is_mariadb
    }

    pub(super) fn certificate(&mut self) -> Option<String> {
        self.wire.as_mut().and_then(|wire| wire.link().peer_certificate())
    }

    /// Whether it takes a command.
    pub(super) fn is_idle(&self) -> bool {
        self.wire.is_some() && !self.pending
    }

    pub(super) fn is_open(&self) -> bool {
        self.wire.is_some()
    }

    /// Hangs up.
    pub(super) fn close(&mut self) {
        self.wire = None;
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let done = work(self);
        match &done {
            Err(Problem::Broken(Broken::Stop(_))) => {}
            Err(Problem::Broken(_)) => self.close(),
            // An error ends whatever it answers.
            Err(Problem::Server(_)) => self.pending = false,
            Ok(_) => {}
        }
        done
    }

    fn wire(&mut self) -> Result<&mut Wire, Broken> {
        self.wire.as_mut().ok_or(Broken::Link(LinkError::Closed))
    }

    fn command(&mut self, payload: &[u8], wait: &Wait<'_>) -> Result<(), Broken> {
        if self.pending {
            return Err(Broken::Protocol("an answer is not read yet"));
        }
        self.pending = true;
        let forget = std::mem::take(&mut self.forget);
        let wire = self.wire()?;
        for statement in forget {
            wire.restart();
            let mut close = vec![COM_STMT_CLOSE];
            close.extend_from_slice(&statement.to_le_bytes());
            wire.put(&close);
        }
        wire.restart();
        wire.send(payload, wait)
    }

    fn read(&mut self, wait: &Wait<'_>) -> Result<&[u8], Broken> {
        let wire = self.wire()?;
        wire.read(wait)?;
        Ok(wire.packet())
    }

    /// The first packet of an answer.
    fn answer(&mut self, wait: &Wait<'_>) -> Result<First, Problem> {
        let packet = self.read(wait)?;
        Ok(match packet.split_first() {
            Some((0x00, rest)) => {
                let done = single(Done::read(rest)?)?;
                self.pending = false;
                First::Done(done)
            }
            Some((0xff, rest)) => return Err(Problem::Server(ServerError::read(rest)?)),
            Some((0xfb, _)) => return Err(Broken::Protocol("it asks for a file of this machine").into()),
            Some(_) => {
                let columns = Fields(packet).number()?;
                let columns = usize::try_from(columns).ok().filter(|n| (1..=MAX_COLUMNS).contains(n));
                First::Columns(columns.ok_or(Broken::Protocol("it announces too many columns"))?)
            }
            None => return Err(Broken::Protocol("an answer is empty").into()),
        })
    }

    fn definitions(&mut self, count: usize, wait: &Wait<'_>) -> Result<Vec<Definition>, Problem> {
        let extended = self.welcome.extended_types;
        let mut definitions = Vec::new();
        for _ in 0..count {
            definitions.push(Definition::read(self.read(wait)?, extended)?);
        }
        self.end_of_definitions(wait)?;
        Ok(definitions)
    }

    fn end_of_definitions(&mut self, wait: &Wait<'_>) -> Result<(), Problem> {
        if !self.welcome.ends_with_ok && self.read(wait)?.first() != Some(&0xfe) {
            return Err(Broken::Protocol("the columns have no end").into());
        }
        Ok(())
    }

    /// Runs a statement of ours that gives no rows.
    pub(super) fn ours(&mut self, text: &str, wait: &Wait<'_>) -> Result<Done, Problem> {
        self.guarded(|this| {
            this.command(&[&[COM_QUERY], text.as_bytes()].concat(), wait)?;
            match this.answer(wait)? {
                First::Done(done) => Ok(done),
                First::Columns(_) => Err(Broken::Protocol("rows come where none are asked for").into()),
            }
        })
    }

    /// Runs a question of ours; all rows at once.
    pub(super) fn ask(&mut self, text: &str, wait: &Wait<'_>) -> Result<Vec<TextRow>, Problem> {
        self.guarded(|this| {
            this.command(&[&[COM_QUERY], text.as_bytes()].concat(), wait)?;
            let First::Columns(columns) = this.answer(wait)? else { return Ok(Vec::new()) };
            this.definitions(columns, wait)?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            loop {
                let packet = this.read(wait)?;
                bytes += packet.len();
                match packet.split_first() {
                    Some((0xff, rest)) => return Err(Problem::Server(ServerError::read(rest)?)),
                    // A row of text may start like this too, but is longer then.
                    Some((0xfe, _)) if packet.len() < 9 => {
                        this.pending = false;
                        return Ok(rows);
                    }
                    _ if rows.len() == ANSWER_ROWS_MAX || bytes > ANSWER_BYTES_MAX => {
                        return Err(Broken::Protocol("an answer is too long").into());
                    }
                    _ => rows.push(text_row(packet, columns)?),
                }
            }
        })
    }

    /// Has the server take in a statement of the guest's.
    pub(super) fn prepare(&mut self, text: &str, wait: &Wait<'_>) -> Result<Prepared, Problem> {
        self.guarded(|this| {
            this.command(&[&[COM_STMT_PREPARE], text.as_bytes()].concat(), wait)?;
            let packet = this.read(wait)?;
            let mut fields = match packet.split_first() {
                Some((0x00, rest)) => Fields(rest),
                Some((0xff, rest)) => return Err(Problem::Server(ServerError::read(rest)?)),
                Some((0xfb, _)) => return Err(Broken::Protocol("it asks for a file of this machine").into()),
                _ => return Err(Broken::Protocol("an answer makes no sense").into()),
            };
            let prepared = Prepared { id: fields.u32()?, columns: fields.u16()?, values: fields.u16()? };
            for count in [prepared.values, prepared.columns] {
                for _ in 0..count {
                    this.read(wait)?;
                }
                if count > 0 {
                    this.end_of_definitions(wait)?;
                }
            }
            this.pending = false;
            Ok(prepared)
        })
    }

    /// Executes; `payload` is the whole command.
    pub(super) fn execute(&mut self, payload: &[u8], wait: &Wait<'_>) -> Result<Outcome, Problem> {
        self.guarded(|this| {
            this.command(payload, wait)?;
            match this.answer(wait)? {
                First::Done(done) => Ok(Outcome::Done(done)),
                First::Columns(count) => this.definitions(count, wait).map(Outcome::Rows),
            }
        })
    }

    /// Reads the next row of what was executed. Where there is one it is at [`Client::row`]; where
    /// there is none, gives how the statement ended.
    pub(super) fn next_row(&mut self, wait: &Wait<'_>) -> Result<Option<Done>, Problem> {
        self.guarded(|this| {
            let ends_with_ok = this.welcome.ends_with_ok;
            let packet = this.read(wait)?;
            let done = match packet.split_first() {
                Some((0x00, _)) => return Ok(None),
                Some((0xfe, rest)) if ends_with_ok => Done::read(rest)?,
                Some((0xfe, rest)) => Done::read_end(rest)?,
                Some((0xff, rest)) => return Err(Problem::Server(ServerError::read(rest)?)),
                _ => return Err(Broken::Protocol("a row is none").into()),
            };
            this.pending = false;
            Ok(Some(single(done)?))
        })
    }

    /// The row that was read last, behind its first byte.
    pub(super) fn row(&self) -> &[u8] {
        self.wire.as_ref().and_then(|wire| wire.packet().get(1..)).unwrap_or(&[])
    }

    /// Has the server forget a statement, with the next command.
    pub(super) fn forget(&mut self, statement: Prepared) {
        self.forget.push(statement.id);
    }

    /// Has the server forget everything the session did.
    pub(super) fn reset(&mut self, database: &str, wait: &Wait<'_>) -> Result<(), Problem> {
        self.forget.clear();
        self.guarded(|this| {
            for command in [vec![COM_RESET_CONNECTION], [&[COM_INIT_DB], database.as_bytes()].concat()] {
                this.command(&command, wait)?;
                match this.answer(wait)? {
                    First::Done(_) => {}
                    First::Columns(_) => return Err(Broken::Protocol("an answer makes no sense").into()),
                }
            }
            Ok(())
        })
    }
}

/// Columns MySQL gives at most.
const MAX_COLUMNS: usize = 4096;

enum First {
    Done(Done),
    Columns(usize),
}

/// One statement gives one answer.
fn single(done: Done) -> Result<Done, Broken> {
    if done.status & MORE_RESULTS != 0 {
        return Err(Broken::Protocol("it gives several answers to one statement"));
    }
    Ok(done)
}

fn text_row(packet: &[u8], columns: usize) -> Result<TextRow, Broken> {
    let mut fields = Fields(packet);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    (0..columns).map(|_| Ok(fields.value()?.map(text))).collect()
}

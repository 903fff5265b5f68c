//! Says whether a ledger is whole, or which record is the first bad one.
//!
//! In: the bytes of a ledger, and where it is known to have stood. Out: a [`Verdict`].
//! Never: writes, repairs or trusts what a record says of itself.
//! Fails: with the reader's own error; any bytes give a verdict.
//! Source: `docs/adr/0009-ledger-hash-chain-and-group-commit.md`.

use std::{
    collections::HashSet,
    fmt,
    io::{self, BufRead, Read},
};

use cofferdam_ids::{Code, DispatchId, Explain, Fault, Sha256Digest, Timestamp};

use crate::{
    append::LINE_BYTES_MAX,
    event::{Event, Seq},
    record::{NO_RECORD, Record},
    writer::Head,
};

/// What is known beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Where the ledger stood at some time, kept elsewhere. Without it a ledger whose end was cut
    /// off at a line, or whose last line was rewritten, looks whole.
    pub expect_head: Option<Head>,
}

/// Whether a ledger is whole.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every record follows from the one before.
    Whole(Summary),
    /// It was changed, or is no ledger.
    Bad(BadRecord),
}

/// What a whole ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Where it stands.
    pub head: Head,
    /// The time of the first and the last record.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Places where the executor itself says records may be missing.
    pub gaps: u64,
    /// Calls that were about to be performed and have no result: the executor died in between.
    pub intents_open: u64,
}

/// The first bad record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The line of the file, from 1.
    pub line: u64,
    /// The number the record should have there.
    pub seq: Seq,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// The line is not a record.
    NotARecord,
    /// The line is over the limit of a record.
    TooLong,
    /// The file ends inside the line.
    Cut,
    /// It carries another number: records were removed, added or put in another order.
    Number(Seq),
    /// It is not the record that the next one follows from: it was edited.
    Edited,
    /// It does not follow from the record before.
    Link,
    /// The ledger ends before it, though it is known to have gone on.
    Missing,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, seq, flaw } = self;
        write!(f, "line {line}: ")?;
        match flaw {
            Flaw::NotARecord => write!(f, "record {seq} cannot be read as a record"),
            Flaw::TooLong => write!(f, "record {seq} is longer than any record"),
            Flaw::Cut => write!(f, "record {seq} is cut off in the middle"),
            Flaw::Number(found) => {
                write!(f, "record {seq} is missing or moved; record {found} stands in its place")
            }
            Flaw::Edited => write!(f, "record {seq} was edited"),
            Flaw::Link => write!(f, "record {seq} does not follow from the record before it"),
            Flaw::Missing => write!(f, "record {seq} is missing; the ledger was cut off before it"),
        }
    }
}

impl std::error::Error for BadRecord {}

impl Explain for BadRecord {
    fn code(&self) -> Code {
        Code(805)
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        "keep the file as evidence and find out who could write it; records before the named one hold"
            .to_owned()
    }
}

/// Reads a ledger to its end.
pub fn verify(reader: impl BufRead, options: &VerifyOptions) -> io::Result<Verdict> {
    let mut walk = Walk::new(options.expect_head);
    let mut lines = Lines { reader, line: Vec::new() };
    loop {
        let step = match lines.next()? {
            Piece::End => break,
            Piece::TooLong => Err(walk.bad(Flaw::TooLong)),
            Piece::Cut => Err(walk.bad(Flaw::Cut)),
            Piece::Line(line) => walk.step(line),
        };
        if let Err(bad) = step {
            return Ok(Verdict::Bad(bad));
        }
    }
    Ok(match walk.end() {
        Ok(summary) => Verdict::Whole(summary),
        Err(bad) => Verdict::Bad(bad),
    })
}

enum Piece<'a> {
    Line(&'a [u8]),
    TooLong,
    Cut,
    End,
}

struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Piece<'_>> {
        self.line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.split_last() {
            None => Piece::End,
            Some((b'\n', line)) => Piece::Line(line),
            Some(_) if self.line.len() as u64 == limit => Piece::TooLong,
            Some(_) => Piece::Cut,
        })
    }
}

struct Walk {
    head: Head,
    expected: Option<Head>,
    /// A record that does not follow from the one before, kept until the next record, or the
    /// known head, tells which of the two was edited.
    broken: Option<Sha256Digest>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    gaps: u64,
    open: HashSet<(DispatchId, u64)>,
}

impl Walk {
    fn new(expected: Option<Head>) -> Self {
        Self {
            head: Head { size: 0, hash: NO_RECORD },
            expected,
            broken: None,
            first: None,
            last: None,
            gaps: 0,
            open: HashSet::new(),
        }
    }

    /// A flaw of the record that should come next.
    fn bad(&self, flaw: Flaw) -> BadRecord {
        if self.broken.is_some() {
            return self.bad_link(false);
        }
        let at = self.head.size + 1;
        BadRecord { line: at, seq: Seq(at), flaw }
    }

    /// A link that does not hold: either end may be at fault. Where the later record is known to
    /// be genuine, the earlier one was edited.
    fn bad_link(&self, later_is_genuine: bool) -> BadRecord {
        let at = self.head.size;
        if later_is_genuine && at > 1 {
            BadRecord { line: at - 1, seq: Seq(at - 1), flaw: Flaw::Edited }
        } else {
            BadRecord { line: at, seq: Seq(at), flaw: Flaw::Link }
        }
    }

    fn step(&mut self, line: &[u8]) -> Result<(), BadRecord> {
        let record = Record::parse(line).map_err(|_| self.bad(Flaw::NotARecord))?;
        if let Some(hash) = self.broken {
            return Err(self.bad_link(record.prev == hash));
        }
        if record.seq.0 != self.head.size + 1 {
            return Err(self.bad(Flaw::Number(record.seq)));
        }
        let hash = Sha256Digest::of(line);
        if record.prev != self.head.hash {
            self.broken = Some(hash);
        }
        self.head = Head { size: record.seq.0, hash };
        self.check_expected()?;
        self.first.get_or_insert(record.time);
        self.last = Some(record.time);
        self.count(record.event);
        Ok(())
    }

    /// At the record that was the head once.
    fn check_expected(&self) -> Result<(), BadRecord> {
        match self.expected {
            Some(expected) if expected.size == self.head.size => {
                let genuine = expected.hash == self.head.hash;
                match self.broken {
                    Some(_) => Err(self.bad_link(genuine)),
                    None if genuine => Ok(()),
                    None => {
                        let at = self.head.size;
                        Err(BadRecord { line: at, seq: Seq(at), flaw: Flaw::Edited })
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, event: Event) {
        match event {
            Event::AuditGap(_) => self.gaps += 1,
            Event::CapIntent(intent) => {
                self.open.insert((intent.at.dispatch, intent.call));
            }
            Event::CapResult(result) => {
                self.open.remove(&(result.at.dispatch, result.call));
            }
            _ => {}
        }
    }

    fn end(self) -> Result<Summary, BadRecord> {
        if self.broken.is_some() {
            return Err(self.bad_link(false));
        }
        if self.expected.is_some_and(|expected| expected.size > self.head.size) {
            return Err(self.bad(Flaw::Missing));
        }
        Ok(Summary {
            head: self.head,
            span: self.first.zip(self.last),
            gaps: self.gaps,
            intents_open: self.open.len() as u64,
        })
    }
}

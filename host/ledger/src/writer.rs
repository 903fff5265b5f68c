//! Numbers, links and writes records.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use cofferdam_ids::{Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    append::{AppendLog, Position},
    error::{LedgerError, LogError},
    event::{AuditGap, Event, Seq},
    record::{self, NO_RECORD, Record},
};

/// Says what time it is. Given by the binary; tests give their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a ledger stands: enough to find out later that its end was cut off or rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Records so far.
    pub size: u64,
    /// SHA-256 of the last line; zeroes where there is none.
    pub hash: Sha256Digest,
}

/// The ledger of one executor. Shared by all threads.
pub struct Ledger {
    log: AppendLog,
    clock: Clock,
    head: Mutex<Head>,
}

impl Ledger {
    /// Opens or creates `ledger.jsonl` in a folder, which is created with mode 0700 where it is
    /// missing. A torn last line is cut and recorded as `audit.gap`.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Open { path: folder.to_owned(), source };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map_err(failed)?;
        let path = folder.join("ledger.jsonl");
        let (log, opened) = AppendLog::open(&path)?;
        let head = match &opened.last_line {
            None => Head { size: 0, hash: NO_RECORD },
            Some(line) => {
                let last = Record::parse(line).map_err(|source| LedgerError::Broken { path, source })?;
                Head { size: last.seq.0, hash: Sha256Digest::of(line) }
            }
        };
        let ledger = Self { log, clock, head: Mutex::new(head) };
        if opened.bytes_cut > 0 {
            let gap = AuditGap {
                bytes_cut: opened.bytes_cut,
                note: "the last process ended while it wrote a record; the record was cut off".to_owned(),
            };
            ledger.record_durable(&Event::AuditGap(gap)).map_err(LedgerError::Write)?;
        }
        Ok(ledger)
    }

    /// A ledger onto any empty log: for tests, and where nothing is to be kept.
    pub fn onto(log: AppendLog, clock: Clock) -> Self {
        Self { log, clock, head: Mutex::new(Head { size: 0, hash: NO_RECORD }) }
    }

    /// Records; durable within 100 ms.
    pub fn record(&self, event: &Event) -> Result<Seq, LogError> {
        self.put(event).map(|(seq, _)| seq)
    }

    /// Records, and returns once the record is durable.
    pub fn record_durable(&self, event: &Event) -> Result<Seq, LogError> {
        let (seq, position) = self.put(event)?;
        self.log.wait_durable(position)?;
        Ok(seq)
    }

    /// Returns once everything recorded so far is durable.
    pub fn flush(&self) -> Result<(), LogError> {
        self.log.flush()
    }

    /// Where the ledger stands. Records that are not durable yet are counted.
    pub fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether records are still accepted.
    pub fn usable(&self) -> Result<(), LogError> {
        self.log.usable()
    }

    fn put(&self, event: &Event) -> Result<(Seq, Position), LogError> {
        // The lock is held while the line is queued: the order of the file is the order of the
        // numbers. The head moves only with a line the log has accepted.
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = Seq(head.size + 1);
        let line = record::line(seq, head.hash, (self.clock)(), event)
            .map_err(|_| LogError::BadLine { bytes: 0, limit: crate::append::LINE_BYTES_MAX })?;
        let position = self.log.append(&line)?;
        *head = Head { size: seq.0, hash: Sha256Digest::of(&line) };
        Ok((seq, position))
    }
}

//! One line of the ledger, as bytes and as a value.

use cofferdam_ids::{Sha256Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Seq};

/// One record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// SHA-256 of the line before, without its line break; zeroes in the first.
    pub prev: Sha256Digest,
    /// When it was written, on the executor's clock.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A line that is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a ledger record: {0}")]
pub struct Malformed(String);

impl Record {
    /// Reads a line, given without its line break.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(line).map_err(|e| Malformed(e.to_string()))
    }
}

/// What stands before the first record.
pub(crate) const NO_RECORD: Sha256Digest = Sha256Digest::from_bytes([0; 32]);

/// Writes a record as its line, without a line break.
pub(crate) fn line(
    seq: Seq,
    prev: Sha256Digest,
    time: Timestamp,
    event: &Event,
) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        seq: Seq,
        prev: Sha256Digest,
        time: Timestamp,
        #[serde(flatten)]
        event: &'a Event,
    }
    serde_json::to_vec(&Line { seq, prev, time, event })
}

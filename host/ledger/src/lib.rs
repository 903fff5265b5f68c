//! The append-only, verifiable record of every call, decision and report.
//!
//! In: [`Event`]s, in the order they happen, from many threads. Out: one JSON line each, linked to
//! the line before by its SHA-256, durable when the caller needs it to be; and a [`Verdict`] on
//! any ledger that is read back.
//! Never: holds parameter values, rows or secrets; edits or removes what was written.
//! Fails: closed. Once a write fails, every later record is refused with [`LogError::Failed`],
//! and whoever wanted it recorded must not act.
//! Source: `docs/adr/0009-ledger-hash-chain-and-group-commit.md`.

mod append;
mod error;
mod event;
mod open;
mod record;
mod show;
mod verify;
mod writer;

pub use append::{AppendLog, LINE_BYTES_MAX, Position, QUEUE_BYTES_MAX, SYNC_WITHIN, Sink};
pub use error::{LedgerError, LogError};
pub use event::{
    Alarm, AttemptRef, AuditGap, CapDenied, CapIntent, CapResult, DispatchRefused, Event, ExecutorStarted,
    ExecutorStopped, GatewaySwept, GrantRef, Outcome, PeerFacts, PluginRef, PublishFacts, ReportSent, Seq,
    StatementFacts, Target, TaskAdmitted, TaskEnded,
};
pub use open::Opened;
pub use record::{Malformed, Record};
pub use show::{render, show};
pub use verify::{BadRecord, Flaw, Summary, Verdict, VerifyOptions, verify};
pub use writer::{Clock, Head, Ledger};

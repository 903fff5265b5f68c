//! Arrow helpers: frames to batches and back, small results as plain tables.
//!
//! In: frames, one or more whole messages of an Arrow IPC stream each, at most 1 MiB, uncompressed.
//! Out: record batches, tables of [`Value`](crate::Value)s, frames.
//! Never: reads what the contracts do not have: nested types, dictionaries, compressed bodies. A
//! frame is measured before Arrow's own reader sees it.
//! Fails: with `Invalid` or `Limit`, whatever the bytes; never with a panic.
//! Source: `wit/capability/capability.wit`, `docs/errors/CD0990.md`; the Arrow columnar format 1.5.

mod calendar;
mod cells;
mod frame;
mod reader;
mod schema;
mod table;
mod writer;

pub use arrow_array::{self, RecordBatch};
pub use arrow_schema;
pub(crate) use calendar::{format_timestamp, parse_timestamp_utc};
pub use cells::{batch, rows};
pub use reader::FrameReader;
pub use schema::{columns, schema};
pub use table::{Table, read_all};
pub use writer::{FrameWriter, frames};

/// Bytes of one frame.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

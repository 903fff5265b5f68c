//! A host in memory, so that plugins are tested natively and without Cofferdam.
//!
//! In: files, relations and answers a test lays down. Out: what the plugin did, word for word.
//! Never: runs SQL; a statement has the answer the test scripted, and one that reads has none
//! otherwise. Adapters are better tested against their real engine, behind [`crate::Sql`].
//! Fails: as the test says, and with `CD0995` for a query nobody scripted.

mod memory;
mod state;

pub use memory::{MemoryHost, MemoryRows};

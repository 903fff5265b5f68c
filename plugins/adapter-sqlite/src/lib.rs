//! The SQLite adapter: dialect, relations, create-as, views, insert, bulk load.
//!
//! In: calls of the contract `warehouse`. Out: statements on one session of the host.
//! Never: opens, attaches or tunes a database; the gateway declares its schemas, each an attached
//! file. Never leaves half of a change: what takes several statements runs in one transaction.
//! Fails: with the host's failures as they are, with CD0970 of its own, and as
//! [`cofferdam_sdk::adapter`] does.
//! Source: `wit/warehouse/warehouse.wit`, `docs/adr/0011-sqlite-schemas-as-attached-files.md`.

mod catalog;
mod codes;
mod engine;
mod names;
mod replace;
pub mod types;

use cofferdam_sdk::{Access, Adapter, Failure, Sql, adapter::SqlConnection};

/// The adapter.
pub struct Sqlite;

impl Adapter for Sqlite {
    type Connection = SqlConnection;

    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<SqlConnection, Failure> {
        Ok(SqlConnection::new(engine::SqliteEngine, sql.open(gateway, access)?, names::DEFAULT_SCHEMA))
    }
}

#[cfg(feature = "component")]
cofferdam_sdk::export_adapter!(Sqlite);

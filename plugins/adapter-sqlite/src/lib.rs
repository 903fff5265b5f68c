//! The SQLite adapter: dialect, relations, create-as, views, insert, bulk load.
//!
//! In: calls of the contract `warehouse`. Out: statements on one session of the host.
//! Never: opens, attaches or tunes a database; the gateway declares its schemas, each an attached
//! file. Never leaves half of a change: what takes several statements runs in one transaction, and
//! what is staged carries the target's name with `__cofferdam_` behind it, in the target's schema.
//! Fails: with the host's failures as they are, and with CD0970 to CD0975 of its own.
//! Source: `wit/warehouse/warehouse.wit`, `docs/adr/0011-sqlite-schemas-as-attached-files.md`.

mod catalog;
mod codes;
mod connection;
mod insert;
mod load;
mod names;
mod replace;
pub mod types;

use cofferdam_sdk::{Access, Adapter, Failure, Sql, export_adapter};

pub use connection::SqliteConnection;

/// The adapter.
pub struct Sqlite;

impl Adapter for Sqlite {
    type Connection = SqliteConnection;

    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<SqliteConnection, Failure> {
        Ok(SqliteConnection::new(sql.open(gateway, access)?))
    }
}

export_adapter!(Sqlite);

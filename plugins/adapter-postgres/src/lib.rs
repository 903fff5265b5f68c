//! The PostgreSQL adapter: dialect, relations, create-as, views, insert, snapshot, bulk load.
//!
//! In: calls of the contract `warehouse`. Out: statements on one session of the host.
//! Never: leaves half of a change: PostgreSQL makes and renames tables inside transactions. Never
//! drops anything but what it was asked to put another thing in the place of: no `CASCADE`.
//! Fails: with the host's failures as they are, with CD0976 and CD0977 of its own, and as
//! [`cofferdam_sdk::adapter`] does.
//! Source: `wit/warehouse/warehouse.wit`, `docs/guides/write-an-adapter.md`.

mod catalog;
mod codes;
mod engine;
mod numbered;
mod replace;
pub mod types;

use cofferdam_sdk::{
    Access, Adapter, Failure, Sql, adapter, adapter::SqlConnection, export_adapter, read_all,
};

/// The adapter.
pub struct Postgres;

impl Adapter for Postgres {
    type Connection = SqlConnection;

    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<SqlConnection, Failure> {
        let session = numbered::Numbered::over(sql.open(gateway, access)?);
        Ok(SqlConnection::asking(engine::PostgresEngine, session, |session| {
            let own = read_all(session.query("SELECT CAST(current_schema() AS text) AS name", &[])?)?;
            Ok(adapter::text(own.scalar()).to_owned())
        }))
    }
}

export_adapter!(Postgres);

//! The MySQL and MariaDB adapter: dialect, relations, create-as, views, insert, snapshot, bulk load.
//!
//! In: calls of the contract `warehouse`. Out: statements on one session of the host.
//! Never: leaves a table half changed. MySQL makes and drops tables outside of transactions, so
//! what is new waits beside its target and takes its place by one `RENAME TABLE`; what a crash
//! leaves beside a target is dropped by the next change of it.
//! Fails: with the host's failures as they are, and as [`cofferdam_sdk::adapter`] does.
//! Source: `wit/warehouse/warehouse.wit`, `docs/guides/write-an-adapter.md`.

mod catalog;
mod engine;
mod replace;
pub mod types;

use cofferdam_sdk::{
    Access, Adapter, Failure, Sql, adapter, adapter::SqlConnection, export_adapter, read_all,
};

/// The adapter.
pub struct Mysql;

impl Adapter for Mysql {
    type Connection = SqlConnection;

    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<SqlConnection, Failure> {
        let session = sql.open(gateway, access)?;
        let own = read_all(session.query("SELECT DATABASE() AS name", &[])?)?;
        let schema = adapter::text(own.scalar()).to_owned();
        Ok(SqlConnection::new(engine::MysqlEngine, session, schema))
    }
}

export_adapter!(Mysql);

//! What the host lends: each WIT import, turned into a call through the door or into a call of
//! the adapter behind a gateway.
//!
//! In: lifted WIT values. Out: WIT values, checked on their way in both directions.
//! Never: decides whether a call is allowed; only whether it is well formed and within bounds.
//! Fails: a refusal is the guest's to handle; a broken lane or a limit ends the attempt.
//! Source: `docs/adr/0002-one-door.md`.

#![allow(unreachable_pub, reason = "generated bindings re-export the resource types")]

mod convert;
mod files;
mod sql;
mod telemetry;
mod warehouse;

pub use sql::{Loader, Rows, Session};
pub(crate) use warehouse::Warehouses;
pub use warehouse::{Connection, WarehouseLoader, WarehouseRows};

//! What authors of Cofferdam plugins import: plain types, traits, one macro per kind of plugin,
//! typed errors, Arrow helpers and an in-memory host for tests.
//!
//! In: the contracts of `wit/`. Out: a component that imports what its world lists, nothing more.
//! Never: knows a host crate; both meet at `wit/` alone.
//! Fails: with [`Failure`] (one call) or [`TaskFailure`] (the task as a whole).
//! Source: `wit/worlds/worlds.wit`; the guide is `docs/guides/write-a-plugin.md`.

pub mod arrow;
mod codes;
mod data;
mod export;
mod failure;
mod host;
mod task;
pub mod testing;
mod warehouse;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use arrow::{Table, read_all};
pub use data::{Access, Column, DataType, Relation, RelationInfo, RelationKind, Value};
pub use failure::{Detail, Failure, FailureKind, TaskFailure};
pub use host::{FileInfo, Files, Level, Loader, Rows, Session, Sql, Telemetry};
pub use task::{
    Argument, Context, Invocation, Outcome, Problem, Project, ProjectConfig, ProjectContext, SqlRequest,
    Task, TaskSpec,
};
pub use warehouse::{Adapter, Connection, Dialect, MergeStrategy, ValueRange, Warehouse};

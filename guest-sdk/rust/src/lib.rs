//! What authors of Cofferdam plugins import: plain types, traits, one macro per kind of plugin,
//! typed errors, Arrow helpers and an in-memory host for tests.
//!
//! In: the contracts of `wit/`. Out: a component that imports what its world lists, nothing more.
//! Never: knows a host crate; both meet at `wit/` alone.
//! Fails: with [`Failure`] (one call) or [`TaskFailure`] (the task as a whole).
//! Source: `wit/worlds/worlds.wit`; the guide is `docs/guides/write-a-plugin.md`.
//!
//! A task is one short file. Natively it is a type one can call in a test; built for
//! `wasm32-wasip2` as a `cdylib` it is a component:
//!
//! ```
//! use cofferdam_sdk::{Access, Context, Invocation, Outcome, Task, TaskFailure, export_task};
//! use cofferdam_sdk::testing::MemoryHost;
//!
//! struct Prune;
//!
//! impl Task for Prune {
//!     fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
//!         let before: String = invocation.required_setting("before")?;
//!         let connection = cx.warehouse.open(invocation.required_gateway()?, Access::Write)?;
//!         let rows = connection.execute("delete from events where day < ?", &[before.into()])?;
//!         Ok(Outcome { rows_affected: Some(rows), summary: format!("{rows} events pruned") })
//!     }
//! }
//!
//! export_task!(Prune);
//!
//! # use cofferdam_sdk::Argument;
//! let host = MemoryHost::new().answer_count("delete from events where day < ?", 3);
//! let invocation = Invocation {
//!     gateway: Some("warehouse".into()),
//!     settings: vec![Argument::new("before", &"2024-01-01").unwrap()],
//!     ..Invocation::default()
//! };
//! let outcome = Prune::run(&host.context(), invocation).unwrap();
//! assert_eq!(outcome.summary, "3 events pruned");
//! assert_eq!(host.done()[1], "delete from events where day < ? -- '2024-01-01'");
//! ```
//!
//! An adapter implements [`Adapter`] and [`Connection`] and ends with [`export_adapter!`]; a
//! project loader implements [`Project`] and ends with [`export_project!`]. One crate exports one
//! plugin, and turns on the feature of its world: `adapter`, `task` or `project`. Components are built
//! one by one (`cargo build -p …`), because Cargo unites the features of what it builds at once.

pub mod adapter;
pub mod arrow;
mod codes;
mod data;
mod export;
mod failure;
mod host;
mod task;
pub mod testing;
mod warehouse;
#[cfg(all(target_arch = "wasm32", any(feature = "adapter", feature = "task", feature = "project")))]
#[doc(hidden)]
pub mod wasm;

pub use arrow::{Table, read_all};
pub use data::{Access, Column, DataType, Relation, RelationInfo, RelationKind, Value};
pub use failure::{Detail, Failure, FailureKind, TaskFailure};
pub use host::{Ending, FileInfo, Files, KeptAttempt, Level, Loader, Rows, Session, Sql, Telemetry};
pub use task::{
    Argument, Context, Description, Generated, Invocation, Outcome, Problem, Project, ProjectConfig,
    ProjectContext, SqlRequest, Task, TaskSpec,
};
pub use warehouse::{
    Adapter, ChangeMark, ColumnDeclaration, Connection, Dialect, HardDeletes, HistoryNames, MergeStrategy,
    Snapshot, ValueRange, Warehouse,
};

//! dbt's Jinja: the templates of a project, rendered with the names a dbt author knows.
//!
//! In: a text, the macros of a [`Library`], and a [`World`], which is one thing while a project is
//! described and another in an attempt.
//! Out: text, or a value.
//! Never: reads files, the environment, or a warehouse but through the world; goes on without end:
//! steps, depth and sizes are bounded.
//! Fails: with a [`RenderError`] that names file and line.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>;
//! `docs/adr/0018-dbt-jinja-on-minijinja.md`.
//!
//! Undefined values print as nothing and are gone through as empty lists; asking anything else of
//! them is an error, as in dbt's runs. In a node's own text that is only described
//! ([`World::execute`] is false) they lead on to undefined values, as in dbt's parser, but a name
//! that is called and never given a value is an error at once.

mod blocks;
mod builtin;
mod engine;
mod error;
mod filter;
mod interp;
pub mod library;
mod limits;
mod method;
mod problem;
mod scan;
mod syntax;
mod value;
pub mod world;

pub use builtin::{Record, datetime, pack, unpack};
pub use engine::Engine;
pub use error::{RenderError, RenderKind};
pub use library::{Library, blocks};
pub use minijinja::Value;
pub use value::{dict_of, from_json, list_of, to_json};
pub use world::World;

#[cfg(test)]
mod tests;

//! The macros of the package `dbt`, which every project has: written for this crate and part of it.
//!
//! In: nothing. Out: macros, for [`crate::jinja::Library::shelve`]; where each begins and ends was found
//! when this crate was built.
//! Never: read from a release; a project overrides a macro by one of the same name.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/cross-database-macros>, and the
//! behaviour of dbt's own package.

use crate::jinja::library::{BlockKind, Ready};

/// The package's name.
pub const PACKAGE: &str = "dbt";

/// Every macro, ordered by name.
pub static BLOCKS: &[Ready] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

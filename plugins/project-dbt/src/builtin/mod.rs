//! The macros of the package `dbt`, which every project has: written for this crate and part of it.
//!
//! In: nothing. Out: macros, for a [`crate::jinja::Library`]; where each begins and ends was found when
//! this crate was built.
//! Never: read from a release; a project overrides a macro by one of the same name.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/cross-database-macros>, and the
//! behaviour of dbt's own package.

use std::borrow::Cow;

use crate::jinja::library::{Block, BlockKind};

/// The package's name.
pub const PACKAGE: &str = "dbt";

/// A block that was found before.
struct Ready {
    file: &'static str,
    kind: BlockKind,
    name: &'static str,
    line: u32,
    text: &'static str,
    inside: (usize, usize),
    body_line: u32,
}

static BLOCKS: &[Ready] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Every macro, in the order of its file: the file's path in the package, and the block.
pub fn blocks() -> impl Iterator<Item = (&'static str, Block)> {
    BLOCKS.iter().map(|ready| {
        let block = Block {
            kind: ready.kind,
            name: ready.name.to_owned(),
            line: ready.line,
            text: Cow::Borrowed(ready.text),
            inside: ready.inside.0..ready.inside.1,
            body_line: ready.body_line,
        };
        (ready.file, block)
    })
}

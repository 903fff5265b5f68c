//! The macros of a project and its packages, found by dbt's rules.
//!
//! In: the text of macro files. Out: macros by name, as a package sees them; for `adapter.dispatch`;
//! those a text needs.
//! Never: reads a macro's body before it is called; only where blocks begin and end.
//! Fails: with a [`SourceProblem`] per block that does not end or whose name is taken.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/dispatch>.

use std::collections::BTreeMap;

/// What a block of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// `{% macro name(…) %}`.
    Macro,
    /// `{% test name(…) %}` or `{% data_test name(…) %}`: the macro `test_name`.
    Test,
    /// `{% materialization name, adapter='x' %}`: the macro `materialization_name_x`.
    Materialization,
    /// `{% snapshot name %}`.
    Snapshot,
    /// `{% docs name %}`.
    Docs,
}

/// A block of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its name; that of the macro it becomes (`test_x`, `materialization_x_default`).
    pub name: String,
    /// The line its first tag begins on, from 1.
    pub line: u32,
    /// All of it, tags included: `raw_code` of snapshots and `macro_sql` of macros.
    pub text: String,
    /// What stands between its tags.
    pub body: String,
    /// The line its body begins on.
    pub body_line: u32,
}

/// What is wrong with a file before anything is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

/// A macro of a library.
#[derive(Debug, Clone)]
pub struct Macro {
    /// The package it belongs to.
    pub package: String,
    /// Its file.
    pub path: String,
    /// The block.
    pub block: Block,
}

/// The macros that a text needs, by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroFile {
    /// The package.
    pub package: String,
    /// The file.
    pub file: String,
    /// The needed macros in it.
    pub names: Vec<String>,
}

/// The macros of a project and its packages.
#[derive(Debug)]
pub struct Library {
    root: String,
    adapter_type: String,
    dispatch: BTreeMap<String, Vec<String>>,
    packages: BTreeMap<String, BTreeMap<String, Macro>>,
}

impl Library {
    /// A library of the project `root` for warehouses of the type `adapter_type` (`postgres`, …).
    #[must_use]
    pub fn new(root: &str, adapter_type: &str) -> Self {
        Self {
            root: root.to_owned(),
            adapter_type: adapter_type.to_owned(),
            dispatch: BTreeMap::new(),
            packages: BTreeMap::new(),
        }
    }

    /// The `dispatch:` setting of the root project, one entry of it.
    pub fn dispatch(&mut self, macro_namespace: &str, search_order: Vec<String>) {
        self.dispatch.insert(macro_namespace.to_owned(), search_order);
    }

    /// Adds the macros of one file. The package `dbt` is the built-in one.
    pub fn add(&mut self, package: &str, path: &str, text: &str) -> Vec<SourceProblem> {
        let _ = (package, path, text);
        Vec::new()
    }

    /// All macros, by package and name.
    pub fn macros(&self) -> impl Iterator<Item = &Macro> {
        self.packages.values().flat_map(BTreeMap::values)
    }

    /// The macro that the name means in a text of `package`: `name` or `package.name`.
    #[must_use]
    pub fn find(&self, package: &str, name: &str) -> Option<&Macro> {
        let _ = (package, name, &self.root, &self.adapter_type);
        None
    }

    /// The macro of a generic test as `tests:` of a file of `package` names it: `unique` or
    /// `dbt_utils.equality`.
    #[must_use]
    pub fn test(&self, package: &str, name: &str) -> Option<&Macro> {
        let _ = (package, name);
        None
    }

    /// The macro of a materialization for this adapter, as nodes of `package` see it.
    #[must_use]
    pub fn materialization(&self, package: &str, name: &str) -> Option<&Macro> {
        let _ = (package, name);
        None
    }

    /// The macros outside of the built-in package that a text of `package` may call, directly or
    /// by way of others, built-in ones included: those whose name stands in it as a word.
    #[must_use]
    pub fn needed_by(&self, package: &str, text: &str) -> Vec<MacroFile> {
        let _ = (package, text);
        Vec::new()
    }

    /// Whether a text, or a macro it needs, names the given word (`graph`, `adapter`, …).
    #[must_use]
    pub fn mentions(&self, package: &str, text: &str, word: &str) -> bool {
        let _ = (package, text, word);
        false
    }
}

/// The blocks of a file, in order; everything outside of them is left out.
///
/// # Errors
/// With the first block that does not end, or whose first tag cannot be read.
pub fn blocks(path: &str, text: &str) -> Result<Vec<Block>, SourceProblem> {
    let _ = (path, text);
    Ok(Vec::new())
}

//! The command line: projects, releases, keys, grants, ledger, plugins, runs.
//!
//! In: arguments, the project's folder, answers of a scheduler. Out: text for people, JSON for
//! programs, an exit code.
//! Never: holds a warehouse credential, runs guest code, or decides what is allowed; it asks the
//! crates that do.
//! Fails: with a coded [`failure::Failure`], rendered once by [`main_with`].
//! Source: `docs/guides/command-line.md`.

pub mod config;
pub mod failure;
pub mod text;

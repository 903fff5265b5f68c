//! Runs guests: engine, limits, linker, WIT to call, confinement.
//!
//! In: compiled components and attempt plans from the broker, over sockets. Out: calls through
//! the one door, and how each attempt ended.
//! Never: holds a secret, opens a file or a connection, or decides whether a call is allowed.
//! Fails: attempts end with a code (CD0401 to CD0418); the process outlives them. Start-up fails
//! with [`ServeError`], compiling with [`CompileError`].
//! Source: `docs/adr/0003-threads-not-fibers.md`, `docs/adr/0004-hand-linked-minimal-wasi.md`.

mod artifact;
mod attempt;
mod bindings;
mod compile;
mod confine;
mod door;
pub mod engine;
mod host;
mod library;
mod limits;
pub mod measure;
mod outcome;
mod room;
mod serve;
mod stopped;
mod text;
mod wasi;

pub use attempt::{Turn, run};
pub use compile::{COMPONENT_BYTES_MAX, CompileError, compile, compile_bytes};
pub use confine::{ConfineError, Ruleset, confine};
pub use door::{Answer, Door, Lane};
pub use library::{COMPONENTS_MAX, Library};
pub use limits::{Budget, HOSTCALL_BYTES_MAX, RESOURCES_MAX, STORE_HANDLES_MAX, Stop};
pub use serve::{ARTIFACT_BYTES_MAX, ServeError, serve};
pub use stopped::*;

//! The little of WASI 0.2 that tool chains link into every guest, by hand.
//!
//! In: a linker. Out: the same with `wasi:cli`, `wasi:io`, `wasi:clocks`, `wasi:random`, and a
//! `wasi:filesystem` without a single directory; any 0.2.x a guest was built for finds it.
//! Never: links sockets; gives out environment, arguments, files or a fine clock.
//! Fails: guests get WASI's own error cases; reading standard input finds it closed.
//! Source: `docs/adr/0004-hand-linked-minimal-wasi.md`.

mod cli;
mod clocks;
mod filesystem;
mod io;
mod random;

use wasmtime::component::Linker;

pub(crate) use cli::LineBuffer;

use crate::room::Room;

/// The version under which everything is linked. Wasmtime matches any 0.2.x to it.
const VERSION: &str = "0.2.6";

const LINKED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
];

/// Whether an interface, named without its version, is one of those linked here.
pub(crate) fn is_linked(bare: &str) -> bool {
    LINKED.contains(&bare)
}

/// Adds all of it to a linker.
pub(crate) fn link(linker: &mut Linker<Room>) -> wasmtime::Result<()> {
    io::link(linker)?;
    cli::link(linker)?;
    clocks::link(linker)?;
    random::link(linker)?;
    filesystem::link(linker)
}

fn versioned(interface: &str) -> String {
    format!("{interface}@{VERSION}")
}

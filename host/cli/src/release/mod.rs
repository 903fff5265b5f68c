//! Releases: built, signed, handed over, and read aloud.
//!
//! In: a project's folder. Out: a release body, its envelope, what a scheduler says to it.
//! Never: runs project code itself; the loader runs in the executor's sandbox.
//! Fails: with `CD0009` to `CD0013` and `CD0017`; nothing half-built is left under its number.
//! Source: `docs/guides/command-line.md`.

mod assemble;
mod build;
mod collect;
mod components;
mod describe;
mod inspect;
mod push;
mod store;

pub use build::{Built, build};
pub(crate) use build::{TakenIn, describe_all, finish, take_in};
pub(crate) use collect::Mount;
pub(crate) use describe::Described;
pub use inspect::{Opened, inspect_text, open_any};
pub use push::{Pushed, push};
pub use store::{Local, latest, sign, signed};
pub(crate) use store::{by_digest, next_seq};

#[cfg(test)]
pub(crate) fn sample() -> cofferdam_bundle::statement::Release {
    assemble::tests::release(assemble::tests::TOML).unwrap()
}

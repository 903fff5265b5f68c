//! What binds the SDK's plain types to a component. For the macros alone.
//!
//! In and out: the types `wit-bindgen` makes of `wit/`, turned into ours at the border.
//! Never: linked natively. A component keeps only the imports its plugin can reach.
//! Fails: not by itself; it hands failures across as they are.
//! Source: `wit/worlds/worlds.wit`.

pub mod bindings;
mod convert;
mod guests;
mod imports;

pub use guests::{AdapterGuest, ProjectGuest, TaskGuest};

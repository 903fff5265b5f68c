//! What binds the SDK's plain types to a component. For the macros alone.
//!
//! In and out: the types `wit-bindgen` makes of `wit/`, turned into ours at the border.
//! Never: linked natively. Each world is a feature: what the bindings say of a world ends up in
//! every component they are linked into, and an adapter that also knew the world `task` would
//! import the interface it exports.
//! Fails: not by itself; it hands failures across as they are.
//! Source: `wit/worlds/worlds.wit`.

#[cfg(feature = "adapter")]
mod adapter;
pub mod bindings;
mod convert;
mod host;
#[cfg(feature = "project")]
mod project;
#[cfg(feature = "task")]
mod task;

#[cfg(feature = "adapter")]
pub use adapter::AdapterGuest;
#[cfg(feature = "project")]
pub use project::ProjectGuest;
#[cfg(feature = "task")]
pub use task::TaskGuest;

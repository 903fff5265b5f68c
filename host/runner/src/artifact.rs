//! The only `unsafe` of this crate: taking up what the compile child made.
//!
//! In: an artifact's bytes. Out: a [`Component`].
//! Never: reads a file; the broker sends the bytes over the control socket.
//! Fails: when the bytes are of another Wasmtime, target or configuration.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

#![allow(unsafe_code, reason = "the one place; see the safety comment")]

use wasmtime::{Engine, component::Component};

/// Makes a component of an artifact.
///
/// The bytes become machine code of this process. The caller vouches that they are what
/// [`crate::compile`] wrote for this engine's configuration.
pub(crate) fn load(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` demands bytes made by `Engine::precompile_component` and not changed
    // since. They come from the broker over the control socket and from nowhere else; the broker
    // takes them straight from the compile child's pipe, or from its cache after checking the MAC
    // it wrote there itself. Were they hostile all the same, the code would run in this process,
    // which holds no secret, no file and no network. Wasmtime checks version, target and
    // configuration itself and refuses artifacts of another build.
    unsafe { Component::deserialize(engine, artifact) }
}

//! A component's imports and exports, read without running it.
//!
//! In: bytes from anywhere. Out: [`Inspected`]: names of imports and exports, which world it fits,
//! and what that means in an operator's words. Never: compiles, instantiates or runs anything.
//! Fails: with [`InspectRefused`], one code for each reason.
//! Source: `wit/worlds`, the WebAssembly component model's binary format.
//!
//! A fitting list of names is not yet a fitting component: that every function has the type its
//! interface says is checked by the runner's linker.

mod component;
mod describe;
mod refused;
mod world;

pub use component::{COMPONENT_BYTES_MAX, Inspected, MODULES_MAX, inspect};
pub use refused::InspectRefused;
pub use world::World;

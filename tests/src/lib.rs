//! What only the whole house can prove: journeys, hostile guests, refusals, architecture.
//!
//! The tests are under `tests/tests/`; this library holds what they share: a [`House`] on a
//! loopback port with the real programs, and [`Memory`], which looks into a process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod house;
mod memory;
mod parts;
mod project;

pub use house::{Answer, House, guests};
pub use memory::{Memory, children_of, is_alive, resident_bytes, signal};
pub use parts::{Part, free_port};
pub use project::{ProjectFiles, Task};

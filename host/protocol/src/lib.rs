//! What scheduler and executor say to each other, and the state machines on both sides.
//!
//! In and out: plain values. Never: does IO, reads a clock or draws randomness.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`.

pub mod api;
pub mod executor_loop;
pub mod queue;
pub mod select;

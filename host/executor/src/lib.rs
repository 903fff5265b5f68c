//! The broker process: polls, verifies, admits, runs, reports.
//!
//! In: an operator's settings, signed dispatches of a scheduler. Out: work done in a warehouse,
//! a ledger of every use of a capability, and reports of a closed list of fields.
//! Never: runs guest code in this process, starts what was not verified in the order of
//! verification, or tells the scheduler a word of a guest.
//! Fails: closed; what is refused is recorded and reported with its code.
//! Source: `ARCHITECTURE.md`, "journeys"; `docs/adr/0002-one-door.md`.
//!
//! Read in this order: [`start`] puts the parts together; [`drive`] converses with the scheduler;
//! [`gate`] judges every dispatch; [`release`] makes a release ready; [`workers`] run attempts on
//! lanes of [`runners`].

pub mod artifacts;
pub mod attempts;
pub mod blobs;
pub mod check;
pub mod child;
pub mod clock;
pub mod config;
pub mod describe;
pub mod drive;
pub mod earlier;
pub mod error;
pub mod folder;
pub mod gate;
pub mod gateway;
pub mod grant_keeper;
pub mod health;
pub mod house;
pub mod inspection;
pub mod journal;
pub mod objects;
pub mod outcome;
pub mod pack;
pub mod release;
pub mod runners;
pub mod scheduler;
pub mod start;
pub mod workers;

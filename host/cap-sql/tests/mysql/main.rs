//! The MySQL driver on a real MariaDB, and against servers that lie.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod faults;
mod fences;
mod house;
mod logins;
mod rogue;
mod statements;
mod tenants;
mod values;

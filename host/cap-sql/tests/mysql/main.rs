//! The MySQL driver on a real MariaDB, and against servers that lie.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod house;
mod statements;

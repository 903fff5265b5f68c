//! Real servers for tests, each in a temporary folder and on a free port of 127.0.0.1.
//!
//! In: what a test wants to be different. Out: a server that is ready, with TLS, roles for tests
//! and a database. It ends, and its folder goes, when the value is dropped or the process ends.
//! Never: touches a server or a folder it did not make.
//! Fails: by panicking; these are for tests alone.

mod authority;
mod guardian;
mod mariadb;
mod postgres;
mod user;

pub use authority::{Authority, Issued};
pub use guardian::{End, Guardian};
pub use mariadb::MariaDb;
pub use postgres::{DATABASE, PASSWORD_PREFIX, Postgres, ROLES};
pub use user::{free_port, prepared, program};

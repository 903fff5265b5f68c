//! The control plane: API, queue and store. Holds no secret of the warehouse and runs no guest.
//!
//! In: a folder, the dispatch key, an address. Out: a server that speaks
//! `cofferdam_protocol::api`, and whose answers are durable when they are given.
//! Never: sees a credential, a row, a log or an error text; compiles or runs a component.
//! Fails: with [`StartError`] at the start, with a [`Problem`] towards callers.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`.

mod api;
mod files;
mod limits;
mod problem;
mod server;
mod start_error;
mod store;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub use files::read_key;
pub use limits::*;
pub use problem::Problem;
pub use server::{Running, start};
pub use start_error::{HealthError, StartError};
pub use store::{
    Blobs, ClientKind, ClientView, NewClient, create_client, forget_client_keys, list_clients, revoke_client,
};

/// How a scheduler is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its folder.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The key it signs dispatches with.
    pub dispatch_key: PathBuf,
    /// Certificate chain and private key, both PEM; plain HTTP, on loopback alone, without.
    pub tls: Option<TlsFiles>,
    /// How long a lease holds unless renewed: whole seconds, from 2 s to a day.
    pub lease_term: Duration,
}

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

//! A typed HTTP client of the scheduler's API.
//!
//! In: the scheduler's address, client credentials, what the API table names.
//! Out: the API's answers as types, or a [`ClientError`] with a code.
//! Never: follows a redirect, asks a proxy or the environment, retries by itself (one fresh token
//! after a 401 apart), or speaks plain HTTP to a host that is not this one.
//! Fails: with [`ClientError`]; [`ClientError::is_transient`] says whether trying again can help.
//! Source: `docs/adr/0012-a-client-crate.md`.

mod address;
mod blob;
mod error;
mod methods;
mod token;
mod wire;

use std::{path::Path, sync::Arc, time::Duration};

pub use error::ClientError;

/// How long opening a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take, beyond the time a long poll asked to wait.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one blob may take, either way.
pub const BLOB_TIMEOUT: Duration = Duration::from_secs(300);
/// How long an unused connection is kept.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A token is replaced when it has this long to live.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// Who the client is to the scheduler (RFC 6749 §4.4). The secret is never printed.
#[derive(Clone)]
pub struct ClientCredentials {
    id: String,
    secret: String,
}

impl ClientCredentials {
    /// An id and its secret, as `cofferdam-scheduler client create` printed them.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }

    /// The client's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whom to trust as the scheduler, where it is reached over TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    ca_pem: Option<Vec<u8>>,
}

impl TlsOptions {
    /// The authorities this machine trusts.
    pub fn native() -> Self {
        Self::default()
    }

    /// These authorities, in PEM, and no others.
    pub fn with_ca_pem(pem: impl Into<Vec<u8>>) -> Self {
        Self { ca_pem: Some(pem.into()) }
    }

    /// The authorities of a PEM file, and no others.
    pub fn with_ca_file(path: &Path) -> Result<Self, ClientError> {
        let pem = std::fs::read(path)
            .map_err(|source| ClientError::Authorities { path: path.display().to_string(), source })?;
        Ok(Self::with_ca_pem(pem))
    }
}

/// A client of one scheduler. Cheap to clone; clones share connections and the token.
///
/// ```no_run
/// # async fn show() -> Result<(), cofferdam_client::ClientError> {
/// use cofferdam_client::{Client, ClientCredentials, TlsOptions};
///
/// let credentials = ClientCredentials::new("client_01", "secret");
/// let client = Client::new("https://scheduler.example", credentials, TlsOptions::native())?;
/// for run in client.runs().await?.runs {
///     println!("{} {:?}", run.run, run.state);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<wire::Inner>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the scheduler at `url`: `https://host[:port]`, or `http://` to this machine.
    /// Connects to nothing yet.
    pub fn new(url: &str, credentials: ClientCredentials, tls: TlsOptions) -> Result<Self, ClientError> {
        let address = address::Address::parse(url)?;
        Ok(Self { inner: Arc::new(wire::Inner::new(address, credentials, &tls)?) })
    }

    /// The scheduler's address.
    pub fn url(&self) -> &str {
        self.inner.url()
    }
}

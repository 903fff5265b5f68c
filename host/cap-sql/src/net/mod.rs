//! How drivers reach a server: a TCP or Unix socket, with TLS, blocking.
//!
//! In: an address and TLS settings of the operator. Out: a [`Link`] that reads and writes bytes.
//! Never: falls back to plaintext; trusts a certificate that is not for the host that was dialled;
//! waits without looking at the attempt's [`CancelToken`](crate::CancelToken) and a deadline.
//! Fails: with [`LinkError`], which becomes `CD0306` or `CD0317`; neither names a host.
//! Source: `docs/adr/0015-postgresql-driver.md`; RFC 5929 for channel bindings.

mod binding;
mod dial;
mod link;
mod tls;

use std::path::PathBuf;

pub(crate) use dial::Dialer;
pub(crate) use link::{Link, LinkError, Stop, Wait};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host's name or address, and a port.
    Tcp {
        /// The name, which the server's certificate must hold.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket's file. TLS is not spoken over it.
    Unix(PathBuf),
}

/// Whether TLS is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Always; the certificate must be trusted and be the host's.
    #[default]
    VerifyFull,
    /// Never. Taken for loopback addresses only, unless the gateway allows `plaintext`.
    Off,
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whether it is.
    pub mode: TlsMode,
    /// A PEM file with the authorities that are trusted, in place of the system's.
    pub ca: Option<PathBuf>,
}

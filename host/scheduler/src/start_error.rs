//! Why the scheduler did not start.

use std::{io, net::SocketAddr, path::PathBuf};

use cofferdam_ids::{Code, Explain, Fault};

/// Why the scheduler did not start, or a subcommand did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Plain HTTP would be served beyond this machine.
    #[error("{0} can be reached from other machines, and no certificate is given")]
    PlainBeyondLoopback(SocketAddr),
    /// The store cannot be opened.
    #[error("the store in {} cannot be opened", path.display())]
    Store {
        /// Its folder.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key file cannot be read.
    #[error("{} is not a key file: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate or key cannot be used.
    #[error("the certificate {} or its key cannot be used: {why}", path.display())]
    Tls {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// A lease term the executors would refuse.
    #[error("a lease term of {0} s is not within 2 s and 1 day")]
    LeaseTerm(u64),
    /// There is no such client.
    #[error("there is no client `{0}`")]
    NoClient(String),
    /// A client cannot be made like this.
    #[error("a client cannot be made: {0}")]
    BadClient(String),
    /// The server is not there.
    #[error(transparent)]
    Health(#[from] HealthError),
}

/// Why the health check failed.
#[derive(Debug, thiserror::Error)]
#[error("no scheduler answers at {address}")]
pub struct HealthError {
    /// Where it was looked for.
    pub address: SocketAddr,
    /// What went wrong.
    pub source: io::Error,
}

impl Explain for StartError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Health(_) => 601,
            Self::PlainBeyondLoopback(_) => 616,
            Self::Store { .. } => 617,
            Self::Key { .. } => 619,
            Self::Tls { .. } => 620,
            Self::Listen { .. } | Self::LeaseTerm(_) => 626,
            Self::NoClient(_) | Self::BadClient(_) => 627,
        })
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Store { .. } | Self::Listen { .. } | Self::Health(_) => Fault::Environment,
            _ => Fault::User,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Health(_) => "start the scheduler, or give the address it listens on",
            Self::PlainBeyondLoopback(_) => "give --tls-cert and --tls-key, or listen on 127.0.0.1",
            Self::Store { .. } => {
                "check that the folder may be written and was not used by a newer version of Cofferdam"
            }
            Self::Key { .. } => "give a key file as `cofferdam keys` writes it",
            Self::Tls { .. } => "give a PEM file with the certificate chain and one with its private key",
            Self::Listen { .. } => "choose a free port of this machine",
            Self::LeaseTerm(_) => "give a number of seconds between 2 and 86400",
            Self::NoClient(_) => "list the clients with `cofferdam-scheduler client list`",
            Self::BadClient(_) => "give a name of 1 to 100 characters and 1 to 1000 keys",
        }
        .to_owned()
    }
}

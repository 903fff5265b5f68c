//! Why there is no secret.

use std::io;

use cofferdam_ids::{Code, Explain, Fault};

use crate::reference::SecretRef;

/// Why a reference was not accepted or gave no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The text is no reference.
    #[error("`{text}` is not a secret reference: {allowed}")]
    Invalid {
        /// The scheme that was given, where it is known.
        text: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// There is nothing behind the reference.
    #[error("there is no secret at {0}")]
    Missing(SecretRef),
    /// It is empty, too long, or not what its user needs.
    #[error("the secret at {reference} {problem}")]
    Unusable {
        /// Which.
        reference: SecretRef,
        /// E.g. `is empty`.
        problem: &'static str,
    },
    /// The file cannot be read.
    #[error("the secret at {reference} cannot be read")]
    Unreadable {
        /// Which.
        reference: SecretRef,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No field of that name holds a text.
    #[error("the secret at {reference} {problem}")]
    Field {
        /// Which.
        reference: SecretRef,
        /// E.g. `is not a JSON object`.
        problem: &'static str,
    },
    /// The settings declare no such provider.
    #[error("no provider is declared for {0}")]
    NoProvider(SecretRef),
    /// The provider's program is not the one that was declared.
    #[error("the program behind {reference} {problem}")]
    Program {
        /// Which.
        reference: SecretRef,
        /// E.g. `has another SHA-256 than the settings say`.
        problem: &'static str,
    },
    /// The provider's program failed, took too long, or did not say what it should.
    #[error("the program behind {reference} {problem}")]
    Provider {
        /// Which.
        reference: SecretRef,
        /// E.g. `took too long`.
        problem: &'static str,
    },
    /// The secret has expired.
    #[error("the secret at {0} has expired")]
    Expired(SecretRef),
    /// The vault did not give it.
    #[error("the vault does not give {reference}: {problem}")]
    Server {
        /// Which.
        reference: SecretRef,
        /// E.g. `it refuses the token`.
        problem: String,
    },
}

impl Explain for VaultError {
    fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code(350),
            Self::Missing(_) | Self::Unusable { .. } | Self::Unreadable { .. } => Code(351),
            Self::Field { .. } => Code(352),
            Self::NoProvider(_) | Self::Program { .. } => Code(353),
            Self::Provider { .. } => Code(354),
            Self::Expired(_) => Code(355),
            Self::Server { .. } => Code(356),
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        match self {
            Self::Invalid { .. } => {
                "write `env://NAME`, `file:///absolute/path`, `cred://NAME`, `exec://PROVIDER` or \
                 `vault://mount/path#field`"
                    .to_owned()
            }
            Self::Missing(reference) | Self::Unusable { reference, .. } => {
                format!("put the secret at {reference} of the executor's host")
            }
            Self::Unreadable { reference, .. } => {
                format!("let the executor's user, and nobody else, read {reference}")
            }
            Self::Field { reference, .. } => {
                format!("put a JSON object with a text in that field at {reference}")
            }
            Self::NoProvider(_) => "declare it under [providers] in gateways.toml".to_owned(),
            Self::Program { .. } => {
                "find out who changed the program; then correct `path` and `sha256` of the provider"
                    .to_owned()
            }
            Self::Provider { .. } => "run the program by hand with the arguments declared for it".to_owned(),
            Self::Expired(_) => "let whatever issues the secret renew it earlier".to_owned(),
            Self::Server { .. } => {
                "check `address`, `token` and `ca` under [vault] in gateways.toml".to_owned()
            }
        }
    }
}

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
        /// What was given, at most 80 characters.
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
}

impl Explain for VaultError {
    fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code(350),
            Self::Missing(_) | Self::Unusable { .. } | Self::Unreadable { .. } => Code(351),
        }
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        match self {
            Self::Invalid { .. } => "write `env://NAME` or `file:///absolute/path`".to_owned(),
            Self::Missing(reference) | Self::Unusable { reference, .. } => {
                format!("put the secret at {reference} of the executor's host")
            }
            Self::Unreadable { reference, .. } => {
                format!("let the executor's user, and nobody else, read {reference}")
            }
        }
    }
}

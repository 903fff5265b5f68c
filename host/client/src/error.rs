//! Why a call to the scheduler gave no answer.

use std::{error::Error, io, time::Duration};

use cofferdam_ids::{ByteCount, Code, Explain, Fault, Sha256Digest};
use cofferdam_protocol::api::ApiError;

/// Why a call to the scheduler gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not one the client speaks to.
    #[error("`{url}` is not a scheduler's address: {why}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The authorities to trust cannot be read.
    #[error("the certificate authorities in `{path}` cannot be read")]
    Authorities {
        /// Where they were looked for.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// No connection, or it broke.
    #[error("the scheduler at {url} cannot be reached")]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("the scheduler at {url} did not answer within {} s", after.as_secs())]
    TimedOut {
        /// Its address.
        url: String,
        /// How long it had.
        after: Duration,
    },
    /// The credentials were refused.
    #[error("the scheduler at {url} does not accept client `{client}`")]
    Unauthorised {
        /// Its address.
        url: String,
        /// The client's id.
        client: String,
    },
    /// The scheduler said no, and why.
    #[error("{}", error.message)]
    Api {
        /// The HTTP status.
        status: u16,
        /// Its error.
        error: ApiError,
    },
    /// The answer is not one of this API.
    #[error("the answer of {url} to {what} cannot be read")]
    Answer {
        /// Its address.
        url: String,
        /// What was asked.
        what: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// More bytes than the caller allows.
    #[error("{what} is longer than {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: ByteCount,
    },
    /// The blob is not what its digest says.
    #[error("the scheduler sent other bytes than blob {} asks for", wanted.short())]
    WrongBlob {
        /// The digest asked for.
        wanted: Sha256Digest,
    },
    /// The caller's writer failed.
    #[error("blob {} cannot be written", blob.short())]
    Write {
        /// The blob.
        blob: Sha256Digest,
        /// What went wrong.
        source: io::Error,
    },
}

impl ClientError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Api { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// The HTTP status, where the scheduler answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            Self::Unauthorised { .. } => Some(401),
            _ => None,
        }
    }
}

impl Explain for ClientError {
    fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => Code(601),
            Self::Unauthorised { .. } => Code(602),
            Self::TooLarge { .. } => Code(605),
            Self::WrongBlob { .. } => Code(613),
            Self::Authorities { .. } => Code(620),
            Self::Answer { .. } => Code(621),
            Self::Address { .. } => Code(622),
            Self::Write { .. } => Code(623),
            Self::Api { error, .. } => error.code,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Address { .. } | Self::Unauthorised { .. } | Self::TooLarge { .. } => Fault::User,
            Self::Authorities { .. } => Fault::Operator,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Write { .. } => Fault::Environment,
            Self::Api { status, .. } if *status < 500 => Fault::User,
            Self::Api { .. } | Self::Answer { .. } | Self::WrongBlob { .. } => Fault::Ours,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Address { .. } => {
                "give `https://host[:port]`, or `http://127.0.0.1:port` for a scheduler on this machine"
                    .into()
            }
            Self::Authorities { .. } => "name a PEM file with at least one certificate".into(),
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "check that the scheduler runs, that its address is right and that this machine may reach it"
                    .into()
            }
            Self::Unauthorised { .. } => "check the client's id and secret, or make a new client with \
                 `cofferdam-scheduler client create`"
                .into(),
            Self::Api { error, .. } => error.fix.clone(),
            Self::Answer { .. } => {
                "check that the address is a scheduler's, of a version that fits this one".into()
            }
            Self::TooLarge { .. } => "split it, or ask for less at once".into(),
            Self::WrongBlob { .. } => {
                "push the release again; if it stays, the scheduler's blobs are damaged".into()
            }
            Self::Write { .. } => "check that the disk has room and the folder may be written".into(),
        }
    }
}

//! What an executor asks of its scheduler.
//!
//! In and out: the API's own types. The one implementation outside of tests is
//! [`cofferdam_client::Client`].
//! Never: trusts an answer; whoever asks verifies it.

use std::{future::Future, pin::Pin};

use cofferdam_client::{Client, ClientError};
use cofferdam_ids::{ByteCount, Sha256Digest};
use cofferdam_protocol::api::{Enrol, Enrolled, PollAnswer, Renew, Renewed, Reports, ReportsTaken};

/// An answer under way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'a>>;

/// The calls of the API that are for executors.
pub trait Scheduler: Send + Sync + 'static {
    /// Makes this executor known.
    fn enrol<'a>(&'a self, enrol: &'a Enrol) -> Answer<'a, Enrolled>;
    /// Asks for work, with a signed poll that says `wait_ms`.
    fn poll(&self, envelope: Vec<u8>, wait_ms: u32) -> Answer<'_, PollAnswer>;
    /// Renews leases.
    fn renew(&self, renew: Renew) -> Answer<'_, Renewed>;
    /// Reports ended attempts.
    fn report(&self, reports: Reports) -> Answer<'_, ReportsTaken>;
    /// Fetches a release's envelope.
    fn release(&self, sha256: Sha256Digest) -> Answer<'_, Vec<u8>>;
    /// Fetches a blob of at most `limit`.
    fn blob(&self, sha256: Sha256Digest, limit: ByteCount) -> Answer<'_, Vec<u8>>;
}

impl Scheduler for Client {
    fn enrol<'a>(&'a self, enrol: &'a Enrol) -> Answer<'a, Enrolled> {
        Box::pin(Self::enrol(self, enrol))
    }

    fn poll(&self, envelope: Vec<u8>, wait_ms: u32) -> Answer<'_, PollAnswer> {
        Box::pin(Self::poll(self, envelope, wait_ms))
    }

    fn renew(&self, renew: Renew) -> Answer<'_, Renewed> {
        Box::pin(async move { Self::renew(self, &renew).await })
    }

    fn report(&self, reports: Reports) -> Answer<'_, ReportsTaken> {
        Box::pin(async move { Self::report(self, &reports).await })
    }

    fn release(&self, sha256: Sha256Digest) -> Answer<'_, Vec<u8>> {
        Box::pin(async move { Self::release(self, &sha256).await })
    }

    fn blob(&self, sha256: Sha256Digest, limit: ByteCount) -> Answer<'_, Vec<u8>> {
        Box::pin(async move { Self::blob(self, &sha256, limit).await })
    }
}

//! One method for each row of the API's table.

use std::time::Duration;

use bytes::Bytes;
use cofferdam_ids::{RunId, Sha256Digest};
use cofferdam_protocol::api::{
    BLOB_BYTES_MAX, Digests, Enrol, Enrolled, Executors, Health, PollAnswer, ProjectView, ReleaseView,
    Releases, Renew, Renewed, Reports, ReportsTaken, RunView, Runs, StartRun,
};
use http::Method;

use crate::{ANSWER_TIMEOUT, BLOB_TIMEOUT, Client, ClientError, wire::Ask};

impl Client {
    /// `GET /v1/health`: whether the scheduler is there; needs no credentials.
    pub async fn health(&self) -> Result<Health, ClientError> {
        let bytes = self.inner.open(Ask::get("/v1/health")).await?;
        serde_json::from_slice(&bytes).map_err(|e| self.inner.unreadable("GET /v1/health", e.into()))
    }

    /// Fetches a token, so that bad credentials show at once.
    pub async fn sign_in(&self) -> Result<(), ClientError> {
        self.inner.bearer(None).await.map(drop)
    }

    /// `POST /v1/executors`: makes an executor known. Safe to repeat.
    pub async fn enrol(&self, enrol: &Enrol) -> Result<Enrolled, ClientError> {
        self.inner.call(Ask::json("/v1/executors", enrol)?).await
    }

    /// `POST /v1/poll`: asks for work with the envelope of a `poll.v1` that says `wait_ms`. Not to be
    /// repeated: each try needs a fresh nonce and a higher `poll_seq`.
    pub async fn poll(&self, envelope: Vec<u8>, wait_ms: u32) -> Result<PollAnswer, ClientError> {
        let ask = Ask::bytes(Method::POST, "/v1/poll", "application/json", envelope.into());
        self.inner.call(ask.within(waiting(wait_ms))).await
    }

    /// `POST /v1/leases`: renews leases. Safe to repeat.
    pub async fn renew(&self, renew: &Renew) -> Result<Renewed, ClientError> {
        self.inner.call(Ask::json("/v1/leases", renew)?).await
    }

    /// `POST /v1/reports`: reports ended attempts. Safe to repeat.
    pub async fn report(&self, reports: &Reports) -> Result<ReportsTaken, ClientError> {
        self.inner.call(Ask::json("/v1/reports", reports)?).await
    }

    /// `GET /v1/releases/{sha256}`: a release's envelope. The caller verifies it.
    pub async fn release(&self, sha256: &Sha256Digest) -> Result<Vec<u8>, ClientError> {
        Ok(self.inner.call_bytes(Ask::get(format!("/v1/releases/{sha256}"))).await?.into())
    }

    /// `PUT /v1/blobs/{sha256}`: stores a blob under its digest. Safe to repeat.
    pub async fn put_blob(&self, sha256: &Sha256Digest, bytes: Vec<u8>) -> Result<(), ClientError> {
        if bytes.len() > BLOB_BYTES_MAX {
            let limit = cofferdam_ids::ByteCount(BLOB_BYTES_MAX as u64);
            return Err(ClientError::TooLarge { what: format!("blob {}", sha256.short()), limit });
        }
        let path = format!("/v1/blobs/{sha256}");
        let ask = Ask::bytes(Method::PUT, path, "application/octet-stream", bytes.into());
        self.inner.call_bytes(ask.within(BLOB_TIMEOUT)).await.map(drop)
    }

    /// `POST /v1/blobs/missing`: which of these blobs the scheduler does not have.
    pub async fn missing_blobs(&self, digests: &Digests) -> Result<Digests, ClientError> {
        self.inner.call(Ask::json("/v1/blobs/missing", digests)?).await
    }

    /// `POST /v1/projects`: makes a project known by the envelope of its trust root. Safe to repeat.
    pub async fn push_project(&self, root: Vec<u8>) -> Result<ProjectView, ClientError> {
        self.inner.call(Ask::bytes(Method::POST, "/v1/projects", "application/json", root.into())).await
    }

    /// `POST /v1/releases`: pushes a release's envelope; its blobs must be there. Safe to repeat.
    pub async fn push_release(&self, envelope: Vec<u8>) -> Result<ReleaseView, ClientError> {
        self.inner.call(Ask::bytes(Method::POST, "/v1/releases", "application/json", envelope.into())).await
    }

    /// `GET /v1/releases`: releases, newest first.
    pub async fn releases(&self) -> Result<Releases, ClientError> {
        self.inner.call(Ask::get("/v1/releases")).await
    }

    /// `POST /v1/runs`: starts a run. Safe to repeat with an idempotency key.
    pub async fn start_run(&self, start: &StartRun) -> Result<RunView, ClientError> {
        self.inner.call(Ask::json("/v1/runs", start)?).await
    }

    /// `GET /v1/runs`: runs, newest first, without their tasks.
    pub async fn runs(&self) -> Result<Runs, ClientError> {
        self.inner.call(Ask::get("/v1/runs")).await
    }

    /// `GET /v1/runs/{id}`: a run as it stands.
    pub async fn run(&self, run: &RunId) -> Result<RunView, ClientError> {
        self.inner.call(Ask::get(format!("/v1/runs/{run}"))).await
    }

    /// `GET /v1/runs/{id}?after=N&wait_ms=M&changes=true`: a run as soon as its version is above
    /// `after`, or as it stands after `wait_ms`, with the tasks that changed: for [`RunView::with`].
    pub async fn watch_run(&self, run: &RunId, after: u64, wait_ms: u32) -> Result<RunView, ClientError> {
        let ask = Ask::get(format!("/v1/runs/{run}?after={after}&wait_ms={wait_ms}&changes=true"));
        self.inner.call(ask.within(waiting(wait_ms))).await
    }

    /// `POST /v1/runs/{id}/cancel`: stops a run. Safe to repeat.
    pub async fn cancel_run(&self, run: &RunId) -> Result<RunView, ClientError> {
        let ask = Ask::bytes(Method::POST, format!("/v1/runs/{run}/cancel"), "", Bytes::new());
        self.inner.call(ask).await
    }

    /// `GET /v1/executors`: executors and what they last did.
    pub async fn executors(&self) -> Result<Executors, ClientError> {
        self.inner.call(Ask::get("/v1/executors")).await
    }
}

fn waiting(wait_ms: u32) -> Duration {
    ANSWER_TIMEOUT + Duration::from_millis(u64::from(wait_ms))
}

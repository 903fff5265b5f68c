//! The HTTP API: who may call what, and what each call does with the store.
//!
//! In: requests as `cofferdam_protocol::api` describes them. Out: its answers, or an `ApiError`.
//! Never: trusts a caller's word for an executor: polls and reports count by their signature.
//! Fails: with a [`Problem`] and its HTTP status.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`; RFC 6749 §4.4, RFC 6750.

mod blobs;
mod caller;
mod executors;
mod oauth;
mod projects;
mod runs;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cofferdam_bundle::SigningKey;
use cofferdam_ids::Timestamp;
use cofferdam_protocol::api::{BODY_BYTES_MAX, Health};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use crate::{
    Problem,
    limits::{
        BLOB_TIMEOUT, CALL_TIMEOUT, SIGNATURES_AT_ONCE_MAX, TOKEN_BODY_BYTES_MAX, TOKEN_REFUSALS_HELD_MAX,
    },
    store::Store,
};

/// What all calls share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) dispatch_key: Arc<SigningKey>,
    /// Seconds in every dispatch.
    pub(crate) lease_ttl_s: u32,
    /// True once a stop was asked for: who waits is answered.
    pub(crate) stopping: watch::Receiver<bool>,
    refusals: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        store: Store,
        key: SigningKey,
        lease_ttl_s: u32,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let refusals = Arc::new(Semaphore::new(TOKEN_REFUSALS_HELD_MAX));
        Self { store, dispatch_key: Arc::new(key), lease_ttl_s, stopping, refusals }
    }
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let token = Router::new()
        .route("/oauth/token", post(oauth::token))
        .layer(DefaultBodyLimit::max(TOKEN_BODY_BYTES_MAX))
        .layer(from_fn(|request, next| within(CALL_TIMEOUT, request, next)));
    let blobs = Router::new()
        .route("/v1/blobs/{sha256}", get(blobs::get).put(blobs::put))
        // The handler counts as it writes.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(|request, next| within(BLOB_TIMEOUT, request, next)));
    let calls = Router::new()
        .route("/v1/health", get(health))
        .route("/v1/executors", post(executors::enrol).get(executors::list))
        .route("/v1/poll", post(executors::poll))
        .route("/v1/leases", post(executors::renew))
        .route("/v1/reports", post(executors::report))
        .route("/v1/blobs/missing", post(blobs::missing))
        .route("/v1/projects", post(projects::push_project))
        .route("/v1/releases", post(projects::push_release).get(projects::releases))
        .route("/v1/releases/{sha256}", get(projects::release))
        .route("/v1/runs", post(runs::start).get(runs::list))
        .route("/v1/runs/{id}", get(runs::watch))
        .route("/v1/runs/{id}/cancel", post(runs::cancel))
        .layer(from_fn(|request, next| within(CALL_TIMEOUT, request, next)));
    token
        .merge(blobs)
        .merge(calls)
        .fallback(|| async { Problem::not_found("such call") })
        .method_not_allowed_fallback(|| async { Problem::not_found("such call") })
        .with_state(app)
}

/// Ends a call that takes too long with an answer like any other.
async fn within(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::late().into_response(),
    }
}

async fn health(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let now: i64 = sqlx::query_scalar("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")
        .fetch_one(&app.store.readers)
        .await?;
    Ok(Json(Health {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: Timestamp::from_millis(now),
        dispatch_key: app.dispatch_key.public().to_base64(),
    }))
}

/// The whole body, at most [`BODY_BYTES_MAX`].
async fn body_bytes(body: Body) -> Result<Vec<u8>, Problem> {
    match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_length_limit(&error) => Err(Problem::body_too_large(BODY_BYTES_MAX)),
        Err(error) => Err(Problem::bad_request(error)),
    }
}

/// The body as JSON.
async fn body_json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    serde_json::from_slice(&body_bytes(body).await?).map_err(Problem::bad_request)
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Runs work that keeps a core busy where it holds up nobody else.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

/// Makes or checks so many signatures; at once where they are so few that waking another thread
/// costs as much.
async fn compute_signatures<T: Send + 'static>(
    signatures: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if signatures <= SIGNATURES_AT_ONCE_MAX { Ok(work()) } else { compute(work).await }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_too_long_is_answered_with_its_code() {
        let router = Router::new()
            .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(61))))
            .route("/quick", get(|| tokio::time::sleep(Duration::from_secs(59))))
            .layer(from_fn(|request, next| within(CALL_TIMEOUT, request, next)));
        let ask = |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty());
            router.clone().oneshot(request.expect("a request"))
        };
        assert_eq!(ask("/quick").await.map(|r| r.status()), Ok(StatusCode::OK));
        let late = ask("/slow").await.expect("an answer");
        assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = to_bytes(late.into_body(), 1 << 10).await.expect("a body");
        assert!(String::from_utf8_lossy(&body).contains("CD0607"), "{body:?}");
    }
}

//! What the API answers when it says no: a code, a status, what happened and what to do.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use cofferdam_bundle::Refused;
use cofferdam_ids::{ByteCount, Code, Explain, Sha256Digest};
use cofferdam_protocol::{api::ApiError, select::SelectError};

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    error: ApiError,
}

impl Problem {
    fn new(status: StatusCode, code: u16, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status, error: ApiError { code: Code(code), message: message.into(), fix: fix.into() } }
    }

    /// What the answer holds.
    pub fn error(&self) -> &ApiError {
        &self.error
    }

    /// No token, or one that is not good any more.
    pub fn unauthorised() -> Self {
        let fix = "fetch a token from /oauth/token with the client's id and secret";
        Self::new(StatusCode::UNAUTHORIZED, 602, "the call carries no valid token", fix)
    }

    /// The client is of the wrong kind.
    pub fn forbidden(needed: &str) -> Self {
        let message = format!("this call is for clients of kind `{needed}`");
        let fix = format!("make one with `cofferdam-scheduler client create --kind {needed}`");
        Self::new(StatusCode::FORBIDDEN, 603, message, fix)
    }

    /// The request does not say what the API asks for.
    pub fn bad_request(why: impl std::fmt::Display) -> Self {
        let fix = "compare the request with the API's description";
        Self::new(StatusCode::BAD_REQUEST, 604, format!("the request cannot be read: {why}"), fix)
    }

    /// The request or a part of it is above a limit.
    pub fn too_large(what: &str, limit: impl std::fmt::Display) -> Self {
        let message = format!("{what} is above the limit of {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, 605, message, "send less at once")
    }

    /// There is no such thing.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        let fix = "check the id, and that this is the right scheduler";
        Self::new(StatusCode::NOT_FOUND, 606, format!("there is no {what} here"), fix)
    }

    /// Too much at once.
    pub fn busy(what: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, 607, format!("too many {what} at once"), "try again later")
    }

    /// Took too long.
    pub fn late() -> Self {
        let fix = "try again; if it stays, look at the scheduler's log";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 607, "the call took too long", fix)
    }

    /// The key may not be enrolled under this client.
    pub fn enrolment(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, 608, why, fix)
    }

    /// The poll or report is not from an executor of this client.
    pub fn not_enrolled() -> Self {
        let fix = "start the executor again with the client it was enrolled with";
        let message = "this client has not enrolled the executor that is named";
        Self::new(StatusCode::FORBIDDEN, 608, message, fix)
    }

    /// A poll that is signed but may not be answered.
    pub fn poll(why: impl Into<String>) -> Self {
        let fix =
            "give every executor its own data folder and key; start it again if it was restored from a copy";
        Self::new(StatusCode::CONFLICT, 609, why, fix)
    }

    /// A project is known under another root.
    pub fn other_root(known: Sha256Digest) -> Self {
        let message = format!("the project is known here with another trust root, {}", known.short());
        let fix = "use the root it was made with, or another project id";
        Self::new(StatusCode::CONFLICT, 610, message, fix)
    }

    /// The release's number is not above the last one.
    pub fn sequence(found: u64, last: u64) -> Self {
        let message = format!("release {found} does not come after release {last}, the last one pushed");
        Self::new(StatusCode::CONFLICT, 611, message, "build the release again, with a higher number")
    }

    /// Blobs of the release are not here.
    pub fn blobs_missing(missing: &[Sha256Digest]) -> Self {
        const SHOWN_MAX: usize = 20;
        let names: Vec<String> = missing.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
        let message = format!("{} blobs of the release are missing: {}", missing.len(), names.join(", "));
        let fix = "put the missing blobs first; `cofferdam release push` does";
        Self::new(StatusCode::CONFLICT, 612, message, fix)
    }

    /// The bytes are not those of the digest.
    pub fn wrong_blob(wanted: Sha256Digest, found: Sha256Digest) -> Self {
        let message = format!("the bytes are {}, not {}", found.short(), wanted.short());
        Self::new(StatusCode::BAD_REQUEST, 613, message, "send the blob again")
    }

    /// The run cannot be started with these parameters.
    pub fn parameters(why: impl Into<String>) -> Self {
        let fix = "see the parameters of the release's tasks with `cofferdam release inspect`";
        Self::new(StatusCode::BAD_REQUEST, 615, why, fix)
    }

    /// The scheduler's key may not sign dispatches of the project.
    pub fn dispatch_key(key: &str) -> Self {
        let message = format!("the trust root does not give role `dispatch` to this scheduler's key {key}");
        let fix = "list the key in the root, or start the scheduler with the key the root lists";
        Self::new(StatusCode::CONFLICT, 619, message, fix)
    }

    /// It is not clear which project is meant.
    pub fn which_project(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 624, why, "push a project first, or name the one you mean")
    }

    /// Something of ours broke. The cause goes to the log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a call failed");
        let fix = "try again; if it stays, look at the scheduler's log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 625, "the scheduler could not do this", fix)
    }

    /// An envelope that does not verify: the step's own code.
    pub fn refused(refused: &Refused) -> Self {
        let code = refused.code();
        Self::new(StatusCode::BAD_REQUEST, code.0, refused.to_string(), refused.fix())
    }

    /// A body longer than its limit.
    pub fn body_too_large(limit: usize) -> Self {
        Self::too_large("the request's body", ByteCount(limit as u64))
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

impl From<SelectError> for Problem {
    fn from(error: SelectError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.code().0, error.to_string(), error.fix())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.error)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3.
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

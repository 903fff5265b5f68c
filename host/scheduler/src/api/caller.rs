//! Who makes a call: the bearer token of RFC 6750, as extractors that a handler names.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::App;
use crate::{
    Problem,
    store::{Caller, ClientKind, check_token},
};

/// Bytes of a token that are looked at.
const TOKEN_BYTES_MAX: usize = 200;

/// A caller of either kind.
pub(super) struct Anyone;

/// A caller of kind `executor`.
pub(super) struct AnExecutor(pub(super) Caller);

/// A caller of kind `person`.
pub(super) struct APerson(pub(super) Caller);

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        caller(parts, app).await.map(|_| Self)
    }
}

impl FromRequestParts<App> for AnExecutor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller(parts, app).await?;
        if caller.kind == ClientKind::Executor {
            Ok(Self(caller))
        } else {
            Err(Problem::forbidden("executor"))
        }
    }
}

impl FromRequestParts<App> for APerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = caller(parts, app).await?;
        if caller.kind == ClientKind::Person { Ok(Self(caller)) } else { Err(Problem::forbidden("person")) }
    }
}

async fn caller(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|text| text.split_once(' ')).and_then(|(scheme, token)| {
        let fits = scheme.eq_ignore_ascii_case("bearer") && token.len() <= TOKEN_BYTES_MAX;
        fits.then_some(token)
    });
    let token = token.ok_or_else(Problem::unauthorised)?;
    check_token(&app.store.readers, token).await?.ok_or_else(Problem::unauthorised)
}

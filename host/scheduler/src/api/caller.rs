//! Who makes a call: the bearer token of RFC 6750, as extractors that a handler names.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::App;
use crate::{
    Problem,
    store::{Caller, ClientKind, Keys, check_token},
};

/// Bytes of a token that are looked at.
const TOKEN_BYTES_MAX: usize = 200;

/// A caller of either kind.
pub(super) struct Anyone;

/// A caller of kind `executor`, and the keys it has enrolled.
pub(super) struct AnExecutor(pub(super) Caller, pub(super) Keys);

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
        let (caller, keys) = caller(parts, app).await?;
        if caller.kind == ClientKind::Executor {
            Ok(Self(caller, keys))
        } else {
            Err(Problem::forbidden("executor"))
        }
    }
}

impl FromRequestParts<App> for APerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let (caller, _) = caller(parts, app).await?;
        if caller.kind == ClientKind::Person { Ok(Self(caller)) } else { Err(Problem::forbidden("person")) }
    }
}

async fn caller(parts: &Parts, app: &App) -> Result<(Caller, Keys), Problem> {
    check_token(&app.store.readers, token(parts)?).await?.ok_or_else(Problem::unauthorised)
}

fn token(parts: &Parts) -> Result<&str, Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|text| text.split_once(' ')).and_then(|(scheme, token)| {
        let fits = scheme.eq_ignore_ascii_case("bearer") && token.len() <= TOKEN_BYTES_MAX;
        fits.then_some(token)
    });
    token.ok_or_else(Problem::unauthorised)
}

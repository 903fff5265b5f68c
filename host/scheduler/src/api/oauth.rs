//! `POST /oauth/token`: client credentials (RFC 6749 §4.4), by form or by HTTP basic (§2.3.1).

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_ids::Sha256Digest;
use cofferdam_protocol::api::Token;
use serde_json::json;

use super::App;
use crate::{
    Problem,
    limits::{TOKEN_BODY_BYTES_MAX, TOKEN_LIFE, TOKEN_REFUSAL_PAUSE},
    store::{Command, check_secret, random_text},
};

/// Why no token is given, in the words of RFC 6749 §5.2.
#[derive(Clone, Copy)]
enum Refusal {
    InvalidRequest,
    InvalidClient { basic: bool },
    UnsupportedGrantType,
}

/// The handler.
pub(super) async fn token(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let (basic, read) = (basic(&headers), form(&headers, body).await);
    let (id, secret) = match read {
        Err(refusal) => return refusal.into_response(),
        Ok(Form { id: None, secret: None }) => match &basic {
            Some(Some(pair)) => pair.clone(),
            Some(None) => return Refusal::InvalidClient { basic: true }.into_response(),
            None => return Refusal::InvalidRequest.into_response(),
        },
        // §2.3: one method of authentication in one request.
        Ok(_) if basic.is_some() => return Refusal::InvalidRequest.into_response(),
        Ok(Form { id: Some(id), secret: Some(secret) }) => (id, secret),
        Ok(_) => return Refusal::InvalidRequest.into_response(),
    };
    match check_secret(&app.store.readers, &id, &secret).await {
        Err(error) => Problem::from(error).into_response(),
        Ok(Some(client)) => match grant(&app, client).await {
            Ok(token) => no_store(Json(token).into_response()),
            Err(problem) => problem.into_response(),
        },
        Ok(None) => {
            let Ok(_held) = app.refusals.try_acquire() else {
                return Problem::busy("refused token requests").into_response();
            };
            tokio::time::sleep(TOKEN_REFUSAL_PAUSE).await;
            Refusal::InvalidClient { basic: basic.is_some() }.into_response()
        }
    }
}

async fn grant(app: &App, client: String) -> Result<Token, Problem> {
    let token = random_text().map_err(Problem::internal)?;
    let sha256 = Sha256Digest::of(token.as_bytes());
    app.store.writer.ask(|reply| Command::Token { sha256, client, reply }).await?;
    Ok(Token { access_token: token, token_type: "Bearer".into(), expires_in: TOKEN_LIFE.as_secs() })
}

#[derive(Default)]
struct Form {
    id: Option<String>,
    secret: Option<String>,
}

async fn form(headers: &HeaderMap, body: Body) -> Result<Form, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(Refusal::InvalidRequest);
    }
    let bytes = to_bytes(body, TOKEN_BODY_BYTES_MAX).await.map_err(|_| Refusal::InvalidRequest)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::InvalidRequest)?;
    let (mut form, mut grant_type) = (Form::default(), None);
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(Refusal::InvalidRequest)?;
        let value = decoded(value).ok_or(Refusal::InvalidRequest)?;
        let slot = match name {
            "grant_type" => &mut grant_type,
            "client_id" => &mut form.id,
            "client_secret" => &mut form.secret,
            // §3.2: what is not known is ignored.
            _ => continue,
        };
        // §3.2: nothing may be given twice.
        if slot.replace(value).is_some() {
            return Err(Refusal::InvalidRequest);
        }
    }
    match grant_type.as_deref() {
        Some("client_credentials") => Ok(form),
        Some(_) => Err(Refusal::UnsupportedGrantType),
        None => Err(Refusal::InvalidRequest),
    }
}

/// None without basic credentials, `Some(None)` where they cannot be read.
#[allow(clippy::option_option)]
fn basic(headers: &HeaderMap) -> Option<Option<(String, String)>> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let read = || {
        let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        // §2.3.1: both are form-encoded before they are put together.
        Some((decoded(id)?, decoded(secret)?))
    };
    Some(read())
}

/// Undoes the encoding of forms.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(char::from).map(|c| c.to_digit(16));
                u8::try_from(digits[0]? * 16 + digits[1]?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn no_store(mut response: Response) -> Response {
    // §5.1.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, word, text) = match self {
            Self::InvalidRequest => {
                (StatusCode::BAD_REQUEST, "invalid_request", "the request cannot be read")
            }
            Self::InvalidClient { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "unknown client or wrong secret")
            }
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "only client_credentials is supported")
            }
        };
        let body = Json(json!({ "error": word, "error_description": text }));
        let mut response = no_store((status, body).into_response());
        if let Self::InvalidClient { basic: true } = self {
            let challenge = HeaderValue::from_static("Basic realm=\"cofferdam\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn forms_are_decoded_and_broken_escapes_are_refused() {
        assert_eq!(decoded("a+b%C3%A9%26").as_deref(), Some("a bé&"));
        for text in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_value_or_nothing(text: String) {
            let _ = decoded(&text);
        }
    }
}

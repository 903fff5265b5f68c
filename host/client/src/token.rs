//! The access token: fetched when first needed, replaced before it ends or when it is refused.

use std::time::{Duration, Instant};

use cofferdam_protocol::api::Token;
use http::Method;
use tokio::sync::Mutex;

use crate::{
    ClientError, TOKEN_MARGIN,
    wire::{Ask, Inner},
};

/// The token in use. Whoever finds it missing fetches it while the others wait.
#[derive(Default)]
pub(crate) struct TokenCell(Mutex<Option<Held>>);

struct Held {
    token: String,
    replace_at: Instant,
}

impl Inner {
    /// A token to send; a fresh one where `refused` is the one in use.
    pub(crate) async fn bearer(&self, refused: Option<&str>) -> Result<String, ClientError> {
        let mut cell = self.token.0.lock().await;
        if let Some(held) = &*cell
            && Instant::now() < held.replace_at
            && refused != Some(held.token.as_str())
        {
            return Ok(held.token.clone());
        }
        let token = self.fetch().await?;
        let life = Duration::from_secs(token.expires_in).saturating_sub(TOKEN_MARGIN);
        let held = Held { token: token.access_token.clone(), replace_at: Instant::now() + life };
        *cell = Some(held);
        Ok(token.access_token)
    }

    async fn fetch(&self) -> Result<Token, ClientError> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            form_text(&self.credentials.id),
            form_text(&self.credentials.secret)
        );
        let kind = "application/x-www-form-urlencoded";
        let bytes = match self.open(Ask::bytes(Method::POST, "/oauth/token", kind, form.into())).await {
            // RFC 6749 §5.2: `invalid_client` is 401, or 400 from servers that read the form.
            Err(ClientError::Api { status: 400 | 401, .. }) => return Err(self.unauthorised()),
            other => other?,
        };
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|e| self.unreadable("POST /oauth/token", e.into()))?;
        let visible = |b: u8| b.is_ascii_graphic();
        if !token.access_token.is_empty() && token.access_token.bytes().all(visible) {
            return Ok(token);
        }
        Err(self.unreadable("POST /oauth/token", "the token is not printable ASCII".into()))
    }
}

/// Percent-encodes everything but letters, digits, `-`, `.` and `_`.
fn form_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_form_would_misread_is_escaped() {
        assert_eq!(super::form_text("a-b_1.é&="), "a-b_1.%C3%A9%26%3D");
    }
}

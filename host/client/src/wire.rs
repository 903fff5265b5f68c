//! One request and its answer: connection, token, timeout, size.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use cofferdam_ids::{ByteCount, Code};
use cofferdam_protocol::api::{ApiError, BODY_BYTES_MAX};
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ANSWER_TIMEOUT, CONNECT_TIMEOUT, ClientCredentials, ClientError, IDLE_TIMEOUT, TlsOptions,
    address::Address, token::TokenCell,
};

/// Bytes of an error answer that are read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// What all clones of a client share.
pub(crate) struct Inner {
    base: String,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) credentials: ClientCredentials,
    pub(crate) token: TokenCell,
}

/// What is asked.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            content_type: "",
            body: Bytes::new(),
            timeout: ANSWER_TIMEOUT,
        }
    }

    pub(crate) fn bytes(method: Method, path: impl Into<String>, kind: &'static str, body: Bytes) -> Self {
        Self { method, path: path.into(), content_type: kind, body, timeout: ANSWER_TIMEOUT }
    }

    pub(crate) fn json<T: Serialize>(path: impl Into<String>, body: &T) -> Result<Self, ClientError> {
        let path = path.into();
        let bytes = serde_json::to_vec(body).map_err(|source| ClientError::Answer {
            url: String::new(),
            what: path.clone(),
            source: source.into(),
        })?;
        if bytes.len() > BODY_BYTES_MAX {
            return Err(ClientError::TooLarge { what: path, limit: ByteCount(BODY_BYTES_MAX as u64) });
        }
        Ok(Self::bytes(Method::POST, path, "application/json", bytes.into()))
    }

    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Inner {
    pub(crate) fn new(
        address: Address,
        credentials: ClientCredentials,
        tls: &TlsOptions,
    ) -> Result<Self, ClientError> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let schemes = HttpsConnectorBuilder::new().with_tls_config(tls_config(tls, address.plain)?);
        let connector = if address.plain {
            schemes.https_or_http().enable_http1().wrap_connector(tcp)
        } else {
            schemes.https_only().enable_http1().wrap_connector(tcp)
        };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { base: address.text, pool, credentials, token: TokenCell::default() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// Sends with a token, once more with a fresh one where the first is refused, and reads JSON.
    pub(crate) async fn call<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, ClientError> {
        let what = ask.what();
        let bytes = self.call_bytes(ask).await?;
        serde_json::from_slice(&bytes).map_err(|source| self.unreadable(&what, source.into()))
    }

    /// Like [`Self::call`], for an answer that is kept as bytes.
    pub(crate) async fn call_bytes(&self, ask: Ask) -> Result<Bytes, ClientError> {
        let (timeout, what) = (ask.timeout, ask.what());
        let work = async {
            let answer = self.authorised(ask).await?;
            self.collect(answer, BODY_BYTES_MAX, &what).await
        };
        self.within(timeout, work).await
    }

    /// Sends with a token, once more with a fresh one where the first is refused. The caller
    /// keeps the time.
    pub(crate) async fn authorised(&self, ask: Ask) -> Result<Response<Incoming>, ClientError> {
        let token = self.bearer(None).await?;
        let answer = self.send(&ask, Some(&token)).await?;
        let answer = if answer.status() == StatusCode::UNAUTHORIZED {
            let token = self.bearer(Some(&token)).await?;
            self.send(&ask, Some(&token)).await?
        } else {
            answer
        };
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorised());
        }
        self.accepted(answer, &ask).await
    }

    /// Sends without a token.
    pub(crate) async fn open(&self, ask: Ask) -> Result<Bytes, ClientError> {
        let what = ask.what();
        let work = async {
            let answer = self.send(&ask, None).await?;
            let answer = self.accepted(answer, &ask).await?;
            self.collect(answer, BODY_BYTES_MAX, &what).await
        };
        self.within(ask.timeout, work).await
    }

    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::TimedOut { url: self.base.clone(), after: timeout };
        tokio::time::timeout(timeout, work).await.map_err(late)?
    }

    pub(crate) async fn send(
        &self,
        ask: &Ask,
        token: Option<&str>,
    ) -> Result<Response<Incoming>, ClientError> {
        let bad = |_| ClientError::Address { url: self.base.clone(), why: "no request can be made for it" };
        let uri: Uri =
            format!("{}{}", self.base, ask.path).parse().map_err(|e: http::uri::InvalidUri| bad(e.into()))?;
        let mut request = Request::builder().method(ask.method.clone()).uri(uri);
        if !ask.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, ask.content_type);
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(ask.body.clone())).map_err(bad)?;
        self.pool.request(request).await.map_err(|e| self.unreachable(e.into()))
    }

    async fn accepted(
        &self,
        answer: Response<Incoming>,
        ask: &Ask,
    ) -> Result<Response<Incoming>, ClientError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.collect(answer, ERROR_BYTES_MAX, &ask.what()).await?;
        let error = serde_json::from_slice(&body).unwrap_or_else(|_| ApiError {
            code: Code(621),
            message: format!("{} answered {} to {}", self.base, status.as_u16(), ask.what()),
            fix: "check that the address is a scheduler's, and what stands between it and this machine"
                .into(),
        });
        Err(ClientError::Api { status: status.as_u16(), error })
    }

    pub(crate) async fn collect(
        &self,
        answer: Response<Incoming>,
        limit: usize,
        what: &str,
    ) -> Result<Bytes, ClientError> {
        match Limited::new(answer.into_body(), limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(ClientError::TooLarge { what: what.to_owned(), limit: ByteCount(limit as u64) })
            }
            Err(error) => Err(self.unreachable(error)),
        }
    }

    pub(crate) fn unreachable(&self, source: Box<dyn Error + Send + Sync>) -> ClientError {
        ClientError::Unreachable { url: self.base.clone(), source }
    }

    pub(crate) fn unreadable(&self, what: &str, source: Box<dyn Error + Send + Sync>) -> ClientError {
        ClientError::Answer { url: self.base.clone(), what: what.to_owned(), source }
    }

    pub(crate) fn unauthorised(&self) -> ClientError {
        ClientError::Unauthorised { url: self.base.clone(), client: self.credentials.id.clone() }
    }
}

/// TLS 1.2 or 1.3 with the name checked; the system's authorities unless others are given. A
/// client of this very machine loads none.
fn tls_config(tls: &TlsOptions, plain: bool) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = &tls.ca_pem {
        let unreadable = |why: String| ClientError::Authorities {
            path: "the given PEM".into(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, why),
        };
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
            roots.add(certificate).map_err(|e| unreadable(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unreadable("it holds no certificate".into()));
        }
    } else if !plain {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| ClientError::Authorities {
            path: "the TLS library".into(),
            source: std::io::Error::other(source),
        })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

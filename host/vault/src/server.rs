//! A HashiCorp Vault: its key-value engine, version 2, read over HTTPS.
//!
//! In: the address, and a token from another reference. Out: the fields of one secret, as JSON.
//! Never: speaks without TLS, follows a redirect, or writes.
//! Fails: with `CD0356`; what the server said is not repeated.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`; HashiCorp, KV secrets engine version 2.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{error::VaultError, reference::SecretRef, secret::Secret};

/// How long each step may take: connecting, and each read and write.
const STEP_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A HashiCorp Vault, as the operator declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address, which its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where the token is kept that it is asked with.
    pub token: SecretRef,
    /// The namespace, where it has several.
    pub namespace: Option<String>,
    /// A PEM file of trusted roots; the system's where there is none.
    pub ca: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Server {
    /// The fields of a secret, as a JSON object.
    pub(crate) fn read(
        &self,
        mount: &str,
        path: &str,
        token: &Secret,
        reference: &SecretRef,
    ) -> Result<Vec<u8>, VaultError> {
        let wrong =
            |problem: &str| VaultError::Server { reference: reference.clone(), problem: problem.to_owned() };
        let mut stream = self.connect().map_err(wrong)?;
        let request = self.request(mount, path, token).ok_or_else(|| wrong("the token is no token"))?;
        stream.write_all(&request).and_then(|()| stream.flush()).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => wrong("its certificate is not trusted or is not for its name"),
            _ => wrong("it does not answer"),
        })?;
        let mut answer = Zeroizing::new(Vec::with_capacity(16 << 10));
        let limit = ANSWER_BYTES_MAX as u64 + 1;
        // Some servers end without saying so; whether all has come is told by the length.
        let ended = stream.take(limit).read_to_end(&mut answer);
        if answer.is_empty() && ended.is_err() {
            return Err(wrong("it does not answer"));
        }
        let (status, body) = read_answer(&answer).ok_or_else(|| wrong("its answer cannot be read"))?;
        match status {
            200 => {}
            403 => return Err(wrong("it refuses the token")),
            404 => return Err(VaultError::Missing(reference.clone())),
            300..=399 => return Err(wrong("it sends elsewhere, where nobody goes")),
            _ => return Err(wrong("it answers with an error")),
        }
        let fields: Answer<'_> = serde_json::from_slice(&body)
            .map_err(|_| wrong("its answer is not that of a KV engine, version 2"))?;
        Ok(fields.data.data.get().as_bytes().to_vec())
    }

    fn request(&self, mount: &str, path: &str, token: &Secret) -> Option<Zeroizing<Vec<u8>>> {
        let mut request = Zeroizing::new(Vec::with_capacity(8 << 10));
        let namespace =
            self.namespace.as_ref().map_or(String::new(), |n| format!("X-Vault-Namespace: {n}\r\n"));
        let head = format!(
            "GET /v1/{mount}/data/{path} HTTP/1.1\r\nHost: {}:{}\r\nAccept: application/json\r\n\
             Connection: close\r\nX-Vault-Request: true\r\n{namespace}X-Vault-Token: ",
            self.host, self.port
        );
        request.extend_from_slice(head.as_bytes());
        let plain = token.expose(|token| {
            request.extend_from_slice(token);
            token.len() <= 4096 && token.iter().all(u8::is_ascii_graphic)
        });
        request.extend_from_slice(b"\r\n\r\n");
        plain.then_some(request)
    }

    fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>, &'static str> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses = addresses.map_err(|_| "its name cannot be resolved")?;
        let socket = addresses
            .take(4)
            .find_map(|address| TcpStream::connect_timeout(&address, STEP_TIME_MAX).ok())
            .ok_or("it cannot be reached")?;
        let timed = socket
            .set_read_timeout(Some(STEP_TIME_MAX))
            .and_then(|()| socket.set_write_timeout(Some(STEP_TIME_MAX)));
        timed.map_err(|_| "it cannot be reached")?;
        let name = ServerName::try_from(self.host.clone()).map_err(|_| "its name is no host's name")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| "TLS cannot be set up")?
            .with_root_certificates(self.roots()?)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), name).map_err(|_| "TLS cannot be set up")?;
        Ok(StreamOwned::new(tls, socket))
    }

    fn roots(&self) -> Result<RootCertStore, &'static str> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                let unreadable = "the file of its `ca` cannot be read";
                for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unreadable)? {
                    let added = certificate.map(|certificate| roots.add(certificate));
                    added.map_err(|_| unreadable)?.map_err(|_| unreadable)?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() { Err("no certificate authority is trusted here") } else { Ok(roots) }
    }
}

/// The status and the body of an answer that has come whole.
fn read_answer(bytes: &[u8]) -> Option<(u16, Zeroizing<Vec<u8>>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let header = |name: &str| {
        lines.clone().find_map(|line| {
            line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
        })
    };
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Some((status, unchunked(body)?));
    }
    let length: usize = header("content-length")?.parse().ok()?;
    Some((status, Zeroizing::new(body.get(..length)?.to_vec())))
}

fn unchunked(mut body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(body.len()));
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests;

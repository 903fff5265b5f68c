//! The TLS settings of the operator as rustls takes them.

use std::{path::Path, sync::Arc};

use cofferdam_call::Refusal;
use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::TlsSettings;
use crate::refusals;

/// A client's settings: TLS 1.2 or 1.3, aws-lc-rs, the authorities of the settings and no others.
pub(super) fn config(settings: &TlsSettings, alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>, Refusal> {
    let roots = roots(settings.ca.as_deref())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| refusals::untrusted("TLS cannot be set up here"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
    Ok(Arc::new(config))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(refusals::untrusted(
                "this machine has no certificate authorities; name a file of them with `ca`",
            ));
        }
        return Ok(roots);
    };
    let unread = || refusals::untrusted("the gateway's file of certificate authorities cannot be read");
    for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unread())? {
        roots.add(certificate.map_err(|_| unread())?).map_err(|_| unread())?;
    }
    if roots.is_empty() {
        return Err(refusals::untrusted("the gateway's file of certificate authorities holds none"));
    }
    Ok(roots)
}

/// Why a handshake failed, in words that name no host.
pub(super) fn why(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; check this machine's clock"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host than the gateway names"
            }
            // An authority of the same name, but another one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate is not signed by an authority that is trusted here; name its \
                 authority with `ca`"
            }
            CertificateError::Revoked => "the server's certificate was revoked",
            _ => "the server's certificate is not acceptable",
        },
        Error::AlertReceived(_) => "the server broke the TLS handshake off",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "the server does not speak TLS where it said it would"
        }
        _ => "the TLS handshake failed",
    }
}

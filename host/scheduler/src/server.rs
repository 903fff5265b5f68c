//! Listening, TLS, timeouts and a clean stop.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Config, StartError, TlsFiles,
    api::{App, router},
    limits::{CONNECTIONS_MAX, DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT, HEAD_TIMEOUT},
    read_key,
    store::Store,
};

/// A scheduler that serves. Dropped without [`Self::stop`], it serves until its runtime ends.
pub struct Running {
    address: SocketAddr,
    url: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    store: Store,
}

/// Opens the store and serves.
pub async fn start(config: Config) -> Result<Running, StartError> {
    if config.tls.is_none() && !config.listen.ip().is_loopback() {
        return Err(StartError::PlainBeyondLoopback(config.listen));
    }
    let seconds = config.lease_term.as_secs();
    if !(2..=86_400).contains(&seconds) {
        return Err(StartError::LeaseTerm(seconds));
    }
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let key = read_key(&config.dispatch_key)?;
    let store = Store::open(&config.data, Duration::from_secs(seconds)).await?;
    let failed = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let lease_ttl_s = u32::try_from(seconds).unwrap_or(u32::MAX);
    let app = App::new(store.clone(), key, lease_ttl_s, stopping.clone());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let serving = tokio::spawn(serve(listener, tls, router(app), stopping));
    Ok(Running { address, url, stop, serving, store })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for clients on this machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops: takes no more calls, answers those that wait, closes the store.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server ended badly");
        }
        self.store.close().await;
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let (graceful, slots) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or the peer is gone already: neither ends the server.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _slot = slot;
            connection(stream, tls, router, watcher).await;
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still open after {} s", DRAIN_TIMEOUT.as_secs());
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    // Small answers leave at once.
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, watcher).await,
        Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, router, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    watcher: Watcher,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// TLS 1.2 or 1.3 with the given certificate.
fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let broken = |why: String| StartError::Tls { path: files.certificate.clone(), why };
    let certificates = read_certificates(&files.certificate).map_err(|e| broken(e.to_string()))?;
    if certificates.is_empty() {
        return Err(broken("it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| broken(e.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|e| broken(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, io::Error> {
    let pem = std::fs::read(path)?;
    CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(io::Error::other)
}

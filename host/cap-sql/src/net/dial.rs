//! Opens the socket, and raises it to TLS.

use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use cofferdam_call::Refusal;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use super::{
    Address, TlsMode, TlsSettings,
    link::{LOOK_EVERY, Link, LinkError, Socket, Wait},
    tls,
};
use crate::refusals;

/// A server that is gone is noticed after about a minute: three probes, ten seconds apart.
const KEEPALIVE: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Dials one server.
pub(crate) struct Dialer {
    address: Address,
    tls: TlsSettings,
    plaintext_allowed: bool,
    alpn: Option<&'static [u8]>,
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Dialer {
    /// Dials nothing yet. `plaintext_allowed` is the operator's word that TLS may be off although
    /// the server is on another machine.
    pub(crate) fn new(
        address: Address,
        tls: TlsSettings,
        plaintext_allowed: bool,
        alpn: Option<&'static [u8]>,
    ) -> Self {
        Self { address, tls, plaintext_allowed, alpn, config: Mutex::new(None) }
    }

    /// Whether the link has to be raised to TLS before anything else is said.
    pub(crate) fn wants_tls(&self) -> bool {
        matches!(self.address, Address::Tcp { .. }) && self.tls.mode == TlsMode::VerifyFull
    }

    /// Opens the socket.
    pub(crate) fn dial(&self, wait: &Wait<'_>) -> Result<Link, Refusal> {
        wait.check().map_err(|stop| LinkError::Stop(stop).refusal())?;
        let socket = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(|_| unreachable())?;
                Socket::Unix(stream)
            }
            Address::Tcp { host, port } => Socket::Tcp(self.dial_tcp(host, *port, wait)?),
        };
        socket.look_every(LOOK_EVERY).map_err(|_| unreachable())?;
        Ok(Link::new(socket))
    }

    fn dial_tcp(&self, host: &str, port: u16, wait: &Wait<'_>) -> Result<TcpStream, Refusal> {
        let name = host.to_owned();
        let found = looked_up(move || Ok((name.as_str(), port).to_socket_addrs()?.collect()), wait)?;
        if self.tls.mode == TlsMode::Off && !self.plaintext_allowed {
            let is_here = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
            if !found.iter().all(is_here) {
                return Err(refusals::untrusted(
                    "the gateway turns TLS off, but the server is on another machine; the password and every \
                     row could be read on the way. Turn it on, or let the gateway allow `plaintext`",
                ));
            }
        }
        for address in found {
            match connect(address, wait) {
                Ok(stream) => {
                    prepare(&stream).map_err(|_| unreachable())?;
                    return Ok(stream);
                }
                Err(LinkError::Stop(stop)) => return Err(LinkError::Stop(stop).refusal()),
                Err(_) => {}
            }
        }
        Err(unreachable())
    }

    /// Speaks TLS from here on: what is read next must be the server's part of the handshake.
    pub(crate) fn raise(&self, link: &mut Link, wait: &Wait<'_>) -> Result<(), Refusal> {
        let Address::Tcp { host, .. } = &self.address else {
            return Err(refusals::untrusted("TLS is not spoken over a Unix socket"));
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| refusals::untrusted("the gateway's host is not a name a certificate can be for"))?;
        let connection = ClientConnection::new(self.config()?, name)
            .map_err(|_| refusals::untrusted("TLS cannot be set up here"))?;
        link.raise(connection, wait).map_err(|error| error.refusal())
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Refusal> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*config {
            return Ok(Arc::clone(config));
        }
        let made = tls::config(&self.tls, self.alpn)?;
        *config = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// Asks for a name's addresses on a thread of its own: the system's resolver cannot be stopped, but
/// need not be waited for. The thread ends when the resolver gives up.
fn looked_up(
    lookup: impl FnOnce() -> std::io::Result<Vec<SocketAddr>> + Send + 'static,
    wait: &Wait<'_>,
) -> Result<Vec<SocketAddr>, Refusal> {
    let (answer, answered) = mpsc::sync_channel(1);
    let started = thread::Builder::new().name("name".to_owned()).spawn(move || {
        // Nobody waits any more where this fails.
        let _ = answer.send(lookup());
    });
    started.map_err(|_| refusals::unavailable("the warehouse's host name could not be looked up"))?;
    let unknown = || refusals::unavailable("the warehouse's host name is not known");
    loop {
        match answered.recv_timeout(LOOK_EVERY) {
            Ok(found) => return found.map_err(|_| unknown()),
            Err(RecvTimeoutError::Timeout) => wait.check().map_err(|stop| LinkError::Stop(stop).refusal())?,
            Err(RecvTimeoutError::Disconnected) => return Err(unknown()),
        }
    }
}

fn unreachable() -> Refusal {
    refusals::unavailable("the warehouse does not answer")
}

/// Connects without ever waiting for longer than a look.
fn connect(address: SocketAddr, wait: &Wait<'_>) -> Result<TcpStream, LinkError> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None).map_err(io)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => loop {
            wait.check().map_err(LinkError::Stop)?;
            let mut ready = [PollFd::new(&socket, PollFlags::OUT)];
            let look = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_EVERY.subsec_nanos()) };
            match poll(&mut ready, Some(&look)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    sockopt::socket_error(&socket).map_err(io)?.map_err(io)?;
                    break;
                }
                Err(error) => return Err(io(error)),
            }
        },
        Err(error) => return Err(io(error)),
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).map_err(|_| LinkError::Closed)?;
    Ok(stream)
}

fn io(_: Errno) -> LinkError {
    LinkError::Closed
}

fn prepare(stream: &TcpStream) -> Result<(), Errno> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    let unanswered = KEEPALIVE + PROBE_EVERY * PROBES;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(unanswered.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use cofferdam_call::FailureKind;
    use cofferdam_ids::Code;

    use super::*;
    use crate::cancel::CancelToken;

    fn silent() -> std::io::Result<Vec<SocketAddr>> {
        thread::sleep(Duration::from_secs(30));
        Ok(Vec::new())
    }

    #[test]
    fn a_name_nobody_answers_for_holds_up_neither_a_cancel_nor_a_deadline() {
        let cancel = CancelToken::default();
        let from = Instant::now();
        let late = Wait::at_most(&cancel, Duration::from_millis(100));
        assert_eq!(looked_up(silent, &late).unwrap_err().code, Code(306));
        let other = cancel.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            other.cancel(Refusal::new(FailureKind::Cancelled, Code(411), "stopped"));
        });
        let wait = Wait::at_most(&cancel, Duration::from_secs(20));
        assert_eq!(looked_up(silent, &wait).unwrap_err().code, Code(411));
        assert!(from.elapsed() < Duration::from_secs(10), "{:?}", from.elapsed());
    }

    #[test]
    fn a_name_is_looked_up() {
        let cancel = CancelToken::default();
        let wait = Wait::at_most(&cancel, Duration::from_secs(20));
        let here = || Ok(("127.0.0.1", 5432).to_socket_addrs()?.collect());
        assert_eq!(looked_up(here, &wait).unwrap(), ["127.0.0.1:5432".parse().unwrap()]);
        let nothing = || Err(std::io::Error::other("no such name"));
        assert_eq!(looked_up(nothing, &wait).unwrap_err().message, "the warehouse's host name is not known");
    }
}

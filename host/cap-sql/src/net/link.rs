//! One open connection, with or without TLS.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use cofferdam_call::Refusal;
use rustls::ClientConnection;
use sha2::{Digest as _, Sha256};

use super::{binding, tls};
use crate::{cancel::CancelToken, refusals};

/// How often a wait looks whether it is still wanted.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes read from the socket at once where TLS is spoken.
const CIPHERTEXT_BYTES: usize = 128 << 10;

/// How long to wait, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Wait<'a> {
    /// The attempt's.
    pub(crate) cancel: &'a CancelToken,
    /// The longest it may take.
    pub(crate) until: Option<Instant>,
}

/// Why a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The attempt is being stopped.
    Cancelled(Refusal),
    /// It took too long.
    TimeUp,
}

impl<'a> Wait<'a> {
    /// Waits for so long at most.
    pub(crate) fn at_most(cancel: &'a CancelToken, limit: Duration) -> Self {
        Self { cancel, until: Some(Instant::now() + limit) }
    }

    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.cancel.check().map_err(Stop::Cancelled)?;
        match self.until {
            Some(until) if Instant::now() >= until => Err(Stop::TimeUp),
            _ => Ok(()),
        }
    }
}

/// Why bytes could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// The wait ended; the connection is as it was.
    Stop(Stop),
    /// The other side is gone.
    Closed,
    /// What came is not TLS, or not to be trusted.
    Tls(&'static str),
}

impl LinkError {
    /// For the guest.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Stop(Stop::Cancelled(why)) => why,
            Self::Stop(Stop::TimeUp) => refusals::unavailable("the warehouse did not answer in time"),
            Self::Closed => refusals::unavailable("the connection to the warehouse broke"),
            Self::Tls(why) => refusals::untrusted(why),
        }
    }
}

pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn look_every(&self, time: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(time))?;
                stream.set_write_timeout(Some(time))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(time))?;
                stream.set_write_timeout(Some(time))
            }
        }
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(on),
            Self::Unix(stream) => stream.set_nonblocking(on),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}

/// TLS over the socket.
struct Tls {
    connection: ClientConnection,
    ciphertext: Vec<u8>,
    read: std::ops::Range<usize>,
}

/// An open connection.
pub(crate) struct Link {
    socket: Socket,
    tls: Option<Box<Tls>>,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, tls: None }
    }

    /// SHA-256 of the server's certificate in hex.
    pub(crate) fn peer_certificate(&self) -> Option<String> {
        let certificate = self.tls.as_ref()?.connection.peer_certificates()?.first()?;
        Some(Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Data of the channel binding `tls-server-end-point`; none without TLS or where the
    /// certificate's signature names no hash.
    pub(crate) fn channel_binding(&self) -> Option<Vec<u8>> {
        let certificate = self.tls.as_ref()?.connection.peer_certificates()?.first()?;
        binding::server_end_point(certificate)
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn raise(&mut self, connection: ClientConnection, wait: &Wait<'_>) -> Result<(), LinkError> {
        let mut tls = Tls { connection, ciphertext: vec![0; CIPHERTEXT_BYTES], read: 0..0 };
        while tls.connection.is_handshaking() {
            flush_tls(&mut self.socket, &mut tls.connection, wait)?;
            if tls.connection.is_handshaking() {
                tls.take_in(&mut self.socket, wait)?;
            }
        }
        flush_tls(&mut self.socket, &mut tls.connection, wait)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Reads what is there, at least a byte; none is never given for a non-empty buffer.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wait: &Wait<'_>) -> Result<usize, LinkError> {
        let Some(tls) = &mut self.tls else { return receive(&mut self.socket, buffer, wait) };
        let mut filled = 0;
        loop {
            match tls.connection.reader().read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Err(LinkError::Closed),
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(LinkError::Closed),
            }
            // What was received already is read before the socket is asked again.
            if filled == buffer.len() || (filled > 0 && tls.read.is_empty()) {
                return Ok(filled);
            }
            match tls.take_in(&mut self.socket, wait) {
                Ok(()) => {}
                Err(_) if filled > 0 => return Ok(filled),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there is something to read, without waiting.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8], cancel: &CancelToken) -> Result<usize, LinkError> {
        self.socket.set_nonblocking(true).map_err(|_| LinkError::Closed)?;
        let now = Wait { cancel, until: Some(Instant::now()) };
        let read = self.read(buffer, &now);
        self.socket.set_nonblocking(false).map_err(|_| LinkError::Closed)?;
        match read {
            Err(LinkError::Stop(Stop::TimeUp)) => Ok(0),
            other => other,
        }
    }

    /// Writes everything.
    pub(crate) fn write(&mut self, bytes: &[u8], wait: &Wait<'_>) -> Result<(), LinkError> {
        let Some(tls) = &mut self.tls else { return send(&mut self.socket, bytes, wait) };
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = tls.connection.writer().write(rest).map_err(|_| LinkError::Closed)?;
            rest = &rest[taken..];
            flush_tls(&mut self.socket, &mut tls.connection, wait)?;
        }
        Ok(())
    }
}

impl Tls {
    /// Takes in what the server sent; reads the socket only where nothing waits.
    fn take_in(&mut self, socket: &mut Socket, wait: &Wait<'_>) -> Result<(), LinkError> {
        if self.read.is_empty() {
            let received = receive(socket, &mut self.ciphertext, wait)?;
            self.read = 0..received;
        }
        let mut waiting = &self.ciphertext[self.read.clone()];
        let before = waiting.len();
        let taken = self.connection.read_tls(&mut waiting);
        self.read.start += before - waiting.len();
        if taken.map_err(|_| LinkError::Tls("the server's TLS records cannot be read"))? == 0 {
            return Err(LinkError::Closed);
        }
        if let Err(error) = self.connection.process_new_packets() {
            let forever = CancelToken::default();
            // The server is told why, if it still listens.
            let _ = flush_tls(socket, &mut self.connection, &Wait::at_most(&forever, LOOK_EVERY));
            return Err(LinkError::Tls(tls::why(&error)));
        }
        Ok(())
    }
}

fn flush_tls(
    socket: &mut Socket,
    connection: &mut ClientConnection,
    wait: &Wait<'_>,
) -> Result<(), LinkError> {
    struct Waiting<'s, 'w>(&'s mut Socket, &'w Wait<'w>, Option<LinkError>);
    impl Write for Waiting<'_, '_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            send(self.0, bytes, self.1).map(|()| bytes.len()).map_err(|error| {
                self.2 = Some(error);
                ErrorKind::Other.into()
            })
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut waiting = Waiting(socket, wait, None);
    while connection.wants_write() {
        if connection.write_tls(&mut waiting).is_err() {
            return Err(waiting.2.unwrap_or(LinkError::Closed));
        }
    }
    Ok(())
}

fn receive(socket: &mut Socket, buffer: &mut [u8], wait: &Wait<'_>) -> Result<usize, LinkError> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err(LinkError::Closed),
            Ok(n) => return Ok(n),
            Err(e) => again(&e, wait)?,
        }
    }
}

fn send(socket: &mut Socket, bytes: &[u8], wait: &Wait<'_>) -> Result<(), LinkError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(0) => return Err(LinkError::Closed),
            Ok(n) => rest = &rest[n..],
            Err(e) => again(&e, wait)?,
        }
    }
    Ok(())
}

fn again(error: &io::Error, wait: &Wait<'_>) -> Result<(), LinkError> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
            wait.check().map_err(LinkError::Stop)
        }
        _ => Err(LinkError::Closed),
    }
}

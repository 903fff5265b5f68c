//! Packets: three bytes of length, one that counts, and the payload.
//!
//! In: bytes of the connection. Out: whole packets, one at a time, without a copy.
//! Never: believes a length above [`PACKET_BYTES_MAX`], or a packet out of its turn.
//! Fails: with [`Broken`]; after anything but a wait that ended, the connection is of no use.

use std::ops::Range;

use cofferdam_call::Refusal;

use crate::{
    net::{Link, LinkError, Stop, Wait},
    refusals,
};

/// Bytes of one packet the server may send. A row has to fit a frame of 1 MiB anyway.
pub(super) const PACKET_BYTES_MAX: usize = 4 << 20;
/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// A payload of this length goes on in the next packet.
const FULL_PACKET: usize = (1 << 24) - 1;

/// Why nothing can be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The wait ended; reading can go on later.
    Stop(Stop),
    /// The connection.
    Link(LinkError),
    /// The server does not keep to the protocol.
    Protocol(&'static str),
    /// A packet is longer than is taken.
    TooLong,
}

impl Broken {
    /// For the guest.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Stop(stop) => LinkError::Stop(stop).refusal(),
            Self::Link(error) => error.refusal(),
            Self::Protocol(what) => {
                refusals::protocol(format!("the server does not keep to MySQL's protocol: {what}"))
            }
            Self::TooLong => refusals::limit("the server sent a row longer than 4 MiB"),
        }
    }
}

impl From<LinkError> for Broken {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Stop(stop) => Self::Stop(stop),
            other => Self::Link(other),
        }
    }
}

/// A connection as packets.
pub(super) struct Wire {
    link: Link,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    packet: Range<usize>,
    sequence: u8,
    out: Vec<u8>,
}

impl Wire {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            packet: 0..0,
            sequence: 0,
            out: Vec::new(),
        }
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Whether bytes are there that nobody asked for yet. Before TLS there must not be any.
    pub(super) fn has_unread(&self) -> bool {
        self.start < self.end
    }

    /// Reads the next packet. Its payload is at [`Wire::packet`] until the one after it is read.
    pub(super) fn read(&mut self, wait: &Wait<'_>) -> Result<(), Broken> {
        self.fill(4, wait)?;
        let head = &self.buffer[self.start..self.start + 4];
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if head[3] != self.sequence {
            return Err(Broken::Protocol("a packet is out of its turn"));
        }
        if length > PACKET_BYTES_MAX {
            return Err(Broken::TooLong);
        }
        self.fill(4 + length, wait)?;
        // Only a packet that is there whole is counted, so that a wait may end in its middle.
        self.sequence = self.sequence.wrapping_add(1);
        self.packet = self.start + 4..self.start + 4 + length;
        self.start = self.packet.end;
        Ok(())
    }

    /// The payload of the packet that was read last.
    pub(super) fn packet(&self) -> &[u8] {
        &self.buffer[self.packet.clone()]
    }

    fn fill(&mut self, wanted: usize, wait: &Wait<'_>) -> Result<(), Broken> {
        if self.end - self.start >= wanted {
            return Ok(());
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted.next_multiple_of(CHUNK_BYTES), 0);
        }
        while self.end < wanted {
            let read = self.link.read(&mut self.buffer[self.end..], wait)?;
            self.end += read;
        }
        Ok(())
    }

    /// Starts a command: what comes next is counted anew.
    pub(super) fn restart(&mut self) {
        self.sequence = 0;
    }

    /// Adds a packet to what is sent next.
    pub(super) fn put(&mut self, payload: &[u8]) {
        let mut rest = payload;
        loop {
            let (chunk, behind) = rest.split_at(rest.len().min(FULL_PACKET));
            let length = u32::try_from(chunk.len()).unwrap_or(0).to_le_bytes();
            self.out.extend_from_slice(&[length[0], length[1], length[2], self.sequence]);
            self.out.extend_from_slice(chunk);
            self.sequence = self.sequence.wrapping_add(1);
            rest = behind;
            if chunk.len() < FULL_PACKET {
                return;
            }
        }
    }

    /// Sends what was added.
    pub(super) fn flush(&mut self, wait: &Wait<'_>) -> Result<(), Broken> {
        let sent = self.link.write(&self.out, wait);
        self.out.clear();
        match sent {
            // Half a command may be on its way: nothing can follow it.
            Err(LinkError::Stop(_)) => Err(Broken::Link(LinkError::Closed)),
            other => Ok(other?),
        }
    }

    /// Sends one packet.
    pub(super) fn send(&mut self, payload: &[u8], wait: &Wait<'_>) -> Result<(), Broken> {
        self.put(payload);
        self.flush(wait)
    }
}

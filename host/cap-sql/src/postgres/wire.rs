//! Messages of the server, cut out of one buffer; messages to it, collected in another.
//!
//! In: bytes of a [`Link`]. Out: a tag and the place of the body in the buffer.
//! Never: keeps a message longer than [`MESSAGE_BYTES_MAX`]; longer rows are read past.
//! Fails: with [`WireError`]; the connection is of no use after any that is not a [`Stop`].
//! Source: PostgreSQL documentation, "Message Formats".

use std::ops::Range;

use bytes::BytesMut;
use cofferdam_call::Refusal;

use crate::{
    cancel::CancelToken,
    net::{Link, LinkError, Stop, Wait},
    refusals,
};

/// Bytes read at once; a row of a megabyte makes the buffer grow.
const BUFFER_BYTES: usize = 256 << 10;
/// Bytes of one message that is kept whole.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Messages nobody asked for (notices, settings) between two that were.
const UNASKED_MAX: usize = 1_000;
/// Bytes collected before they are sent without being asked to.
pub(super) const OUT_BYTES: usize = 256 << 10;

/// The tag given for a row that was too long to be kept.
pub(super) const TOO_LONG: u8 = 0;

/// Why no message was had.
#[derive(Clone, Debug)]
pub(super) enum WireError {
    /// The link.
    Link(LinkError),
    /// What came is not PostgreSQL's protocol.
    Protocol(&'static str),
}

impl From<LinkError> for WireError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl WireError {
    pub(super) fn stop(&self) -> Option<&Stop> {
        match self {
            Self::Link(LinkError::Stop(stop)) => Some(stop),
            _ => None,
        }
    }

    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Link(error) => error.refusal(),
            Self::Protocol(what) => refusals::protocol(what),
        }
    }
}

/// One conversation.
pub(super) struct Wire {
    pub(super) link: Link,
    input: Vec<u8>,
    filled: Range<usize>,
    /// What is sent next.
    pub(super) out: BytesMut,
    unasked: usize,
    /// Whether a message was sent in part: nothing can follow.
    pub(super) torn: bool,
}

impl Wire {
    pub(super) fn new(link: Link) -> Self {
        let out = BytesMut::with_capacity(8 << 10);
        Self { link, input: vec![0; 16 << 10], filled: 0..0, out, unasked: 0, torn: false }
    }

    /// Makes the buffer as large as results deserve.
    pub(super) fn widen(&mut self) {
        if self.input.len() < BUFFER_BYTES {
            self.input.resize(BUFFER_BYTES, 0);
        }
    }

    /// Sends what was collected.
    pub(super) fn flush(&mut self, wait: &Wait<'_>) -> Result<(), WireError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.link.write(&self.out, wait);
        self.out.clear();
        if sent.is_err() {
            self.torn = true;
        }
        sent.map_err(WireError::from)
    }

    /// Sends bytes that are whole messages.
    pub(super) fn send(&mut self, bytes: &[u8], wait: &Wait<'_>) -> Result<(), WireError> {
        let sent = self.link.write(bytes, wait);
        self.torn |= sent.is_err();
        sent.map_err(WireError::from)
    }

    /// The next message: its tag, and where its body is until the next is asked for.
    #[inline]
    pub(super) fn next(&mut self, wait: &Wait<'_>) -> Result<(u8, Range<usize>), WireError> {
        let Range { start, end } = self.filled;
        if let Some(&[tag, a, b, c, d]) = self.input[start..end].first_chunk::<5>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let whole = start + 1 + length;
            if length >= 4 && whole <= end {
                self.filled.start = whole;
                return Ok((tag, start + 5..whole));
            }
        }
        self.next_slowly(wait)
    }

    #[cold]
    fn next_slowly(&mut self, wait: &Wait<'_>) -> Result<(u8, Range<usize>), WireError> {
        self.fill_to(5, wait)?;
        let at = self.filled.start;
        let tag = self.input[at];
        let length = [self.input[at + 1], self.input[at + 2], self.input[at + 3], self.input[at + 4]];
        let length = u32::from_be_bytes(length) as usize;
        if length < 4 || length > i32::MAX as usize {
            return Err(WireError::Protocol("a message has an impossible length"));
        }
        if length > MESSAGE_BYTES_MAX {
            if matches!(tag, b'D' | b'd') {
                self.skip(length + 1, wait)?;
                return Ok((TOO_LONG, 0..0));
            }
            return Err(WireError::Protocol("a message is longer than any should be"));
        }
        self.fill_to(length + 1, wait)?;
        let at = self.filled.start;
        self.filled.start += length + 1;
        Ok((tag, at + 5..at + 1 + length))
    }

    /// The next message that answers something; what nobody asked for is counted and dropped,
    /// except that settings go to `setting`.
    pub(super) fn answer(
        &mut self,
        wait: &Wait<'_>,
        mut setting: impl FnMut(&[u8], &[u8]) -> Result<(), WireError>,
    ) -> Result<(u8, Range<usize>), WireError> {
        loop {
            let (tag, body) = self.next(wait)?;
            match tag {
                b'N' | b'A' => {}
                b'S' => {
                    let mut parts = self.input[body].split(|byte| *byte == 0);
                    let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                        return Err(WireError::Protocol("a setting has no value"));
                    };
                    setting(name, value)?;
                }
                _ => {
                    self.unasked = 0;
                    return Ok((tag, body));
                }
            }
            self.unasked += 1;
            if self.unasked > UNASKED_MAX {
                return Err(WireError::Protocol(
                    "the server sends messages without end that nobody asked for",
                ));
            }
        }
    }

    /// The body of the message just given.
    #[inline]
    pub(super) fn body(&self, at: &Range<usize>) -> &[u8] {
        &self.input[at.clone()]
    }

    /// Takes in what has come, without waiting; whether a message's first byte is there, and which.
    pub(super) fn peek(&mut self, cancel: &CancelToken) -> Result<Option<u8>, WireError> {
        if self.filled.is_empty() {
            self.filled = 0..0;
            let read = self.link.read_now(&mut self.input, cancel)?;
            self.filled.end = read;
        }
        Ok(self.input[self.filled.clone()].first().copied())
    }

    /// Whether bytes wait that nobody has asked for.
    pub(super) fn has_more(&self) -> bool {
        !self.filled.is_empty()
    }

    fn fill_to(&mut self, bytes: usize, wait: &Wait<'_>) -> Result<(), WireError> {
        while self.filled.len() < bytes {
            if self.filled.start + bytes > self.input.len() || self.filled.is_empty() {
                self.input.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.len();
                if bytes > self.input.len() {
                    self.input.resize(bytes, 0);
                }
            }
            let read = self.link.read(&mut self.input[self.filled.end..], wait)?;
            self.filled.end += read;
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize, wait: &Wait<'_>) -> Result<(), WireError> {
        let mut left = bytes;
        loop {
            let here = left.min(self.filled.len());
            self.filled.start += here;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            // A long message is waited for only as long as anybody wants it.
            wait.check().map_err(LinkError::Stop)?;
            self.filled = 0..0;
            self.filled.end = self.link.read(&mut self.input, wait)?;
        }
    }
}

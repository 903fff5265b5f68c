//! Frames: a header (one message, postcard-encoded) and a payload (bulk bytes), both bounded.
//!
//! On the wire: header length (u32 LE), payload length (u32 LE), header, payload.

use std::io::{self, IoSlice, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

use crate::limits::{HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Why a frame could not be read or written. The lane is unusable afterwards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The other side is gone.
    #[error("the other side closed the lane")]
    Closed,
    /// A length is over its limit.
    #[error("a frame's {part} is {bytes} bytes long; the limit is {limit}")]
    TooLarge {
        /// `header` or `payload`.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The header is not a message, or has bytes behind it.
    #[error("a frame's header is not a message of this lane")]
    Malformed,
    /// The socket failed.
    #[error("the lane failed")]
    Io(#[source] io::Error),
}

/// One message and the bytes that travel with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<M> {
    /// The message.
    pub message: M,
    /// Bulk bytes, empty for most messages.
    pub payload: Vec<u8>,
}

/// Writes one frame with one system call where the socket takes it whole.
pub fn write_frame<M: Serialize>(
    writer: &mut impl Write,
    message: &M,
    payload: &[u8],
) -> Result<(), FrameError> {
    let mut head = vec![0; 8];
    head = postcard::to_extend(message, head).map_err(|_| FrameError::Malformed)?;
    let header_bytes = checked(head.len() - 8, HEADER_BYTES_MAX, "header")?;
    let payload_bytes = checked(payload.len(), PAYLOAD_BYTES_MAX, "payload")?;
    head[..4].copy_from_slice(&header_bytes.to_le_bytes());
    head[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
    let mut parts = [IoSlice::new(&head), IoSlice::new(payload)];
    let mut parts = &mut parts[..];
    while !parts.is_empty() {
        match writer.write_vectored(parts) {
            Ok(0) => return Err(FrameError::Closed),
            Ok(n) => IoSlice::advance_slices(&mut parts, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(from_io(e)),
        }
    }
    writer.flush().map_err(from_io)
}

/// Reads one frame. Lengths are checked before anything is allocated.
pub fn read_frame<M: DeserializeOwned>(reader: &mut impl Read) -> Result<Frame<M>, FrameError> {
    let mut lengths = [0; 8];
    reader.read_exact(&mut lengths).map_err(from_io)?;
    let [h0, h1, h2, h3, p0, p1, p2, p3] = lengths;
    let header_bytes = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
    let payload_bytes = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
    checked(header_bytes, HEADER_BYTES_MAX, "header")?;
    checked(payload_bytes, PAYLOAD_BYTES_MAX, "payload")?;
    let header = read_bytes(reader, header_bytes)?;
    let payload = read_bytes(reader, payload_bytes)?;
    let (message, rest) = postcard::take_from_bytes(&header).map_err(|_| FrameError::Malformed)?;
    if !rest.is_empty() {
        return Err(FrameError::Malformed);
    }
    Ok(Frame { message, payload })
}

fn read_bytes(reader: &mut impl Read, bytes: usize) -> Result<Vec<u8>, FrameError> {
    let mut buffer = Vec::with_capacity(bytes);
    let read = reader.by_ref().take(bytes as u64).read_to_end(&mut buffer).map_err(from_io)?;
    if read < bytes { Err(FrameError::Closed) } else { Ok(buffer) }
}

fn checked(bytes: usize, limit: usize, part: &'static str) -> Result<u32, FrameError> {
    match u32::try_from(bytes) {
        Ok(n) if bytes <= limit => Ok(n),
        _ => Err(FrameError::TooLarge { part, bytes, limit }),
    }
}

fn from_io(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            FrameError::Closed
        }
        _ => FrameError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Handle, LogLevel};

    fn round_trip(call: &Call, payload: &[u8]) -> Frame<Call> {
        let mut wire = Vec::new();
        write_frame(&mut wire, call, payload).unwrap();
        read_frame(&mut wire.as_slice()).unwrap()
    }

    #[test]
    fn a_frame_reads_back_with_its_payload() {
        let call = Call::SqlLoadWrite { load: Handle(7) };
        let payload = vec![5; 1 << 20];
        assert_eq!(round_trip(&call, &payload), Frame { message: call, payload });
    }

    #[test]
    fn lengths_over_the_limit_are_refused_before_allocating() {
        let wire = [0xff; 8];
        assert!(matches!(
            read_frame::<Call>(&mut wire.as_slice()),
            Err(FrameError::TooLarge { part: "header", .. })
        ));
        let wire = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(
            read_frame::<Call>(&mut wire.as_slice()),
            Err(FrameError::TooLarge { part: "payload", .. })
        ));
        let big = vec![0; PAYLOAD_BYTES_MAX + 1];
        let call = Call::SqlLoadWrite { load: Handle(7) };
        assert!(matches!(write_frame(&mut Vec::new(), &call, &big), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_cut_frame_and_trailing_bytes_are_refused() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &Call::Close { handle: Handle(1) }, b"x").unwrap();
        for cut in 0..wire.len() {
            assert!(matches!(read_frame::<Call>(&mut &wire[..cut]), Err(FrameError::Closed)), "cut at {cut}");
        }
        wire[0] += 1;
        assert!(matches!(
            read_frame::<Call>(&mut wire.as_slice()),
            Err(FrameError::Malformed | FrameError::Closed)
        ));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = read_frame::<Call>(&mut bytes.as_slice());
        }

        #[test]
        fn any_log_line_reads_back(message: String) {
            let call = Call::Log { level: LogLevel::Warn, message };
            proptest::prop_assert_eq!(round_trip(&call, b"").message, call);
        }
    }
}

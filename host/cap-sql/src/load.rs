//! Frames of a bulk load become record batches, or an error: they come from guest code.
//!
//! In: calls' payloads, each one or more whole messages of one Arrow IPC stream. Out: batches of
//! exactly the columns that were announced.
//! Never: decompresses, follows dictionaries, or buffers a message that is not there whole.
//! Fails: with `CD0312`, which says what is wrong with the frame.
//! Source: `wit/capability`, interface `sql`; Arrow columnar format 1.5, "IPC streaming format".

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::{MessageHeader, MetadataVersion, reader::StreamDecoder, root_as_message};
use arrow_schema::Schema;
use cofferdam_call::{COLUMNS_MAX, Column, FRAME_BYTES_MAX, Refusal};

use crate::{refusals, types};

/// Reads the frames of one load.
pub struct FrameDecoder {
    expected: std::sync::Arc<Schema>,
    decoder: StreamDecoder,
    schema_seen: bool,
    ended: bool,
}

impl FrameDecoder {
    /// A decoder for a stream of these columns.
    pub fn new(columns: &[Column]) -> Result<Self, Refusal> {
        if columns.is_empty() || columns.len() > COLUMNS_MAX {
            return Err(bad(format!("a load has 1 to {COLUMNS_MAX} columns")));
        }
        let expected = types::schema(columns);
        Ok(Self { expected, decoder: StreamDecoder::new(), schema_seen: false, ended: false })
    }

    /// Reads one payload and hands its batches over, in order.
    pub fn decode(
        &mut self,
        frame: &[u8],
        mut take: impl FnMut(RecordBatch) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(bad("a frame is over 1 MiB long"));
        }
        let mut rest = frame;
        while !rest.is_empty() {
            if self.ended {
                return Err(bad("there are bytes behind the end of the stream"));
            }
            let message = Message::cut(rest)?;
            rest = &rest[message.bytes.len()..];
            match message.sort {
                Sort::End => self.ended = true,
                Sort::Schema if self.schema_seen => return Err(bad("a second schema")),
                Sort::Schema => {
                    self.feed(message.bytes)?;
                    self.check_schema()?;
                    self.schema_seen = true;
                }
                Sort::Batch if !self.schema_seen => return Err(bad("rows before the schema")),
                Sort::Batch => {
                    if let Some(batch) = self.feed(message.bytes)? {
                        take(batch)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands one whole message to the decoder. It is foreign bytes in a large library: a panic is
    /// an answer like any other, and the decoder is not used again after an error.
    fn feed(&mut self, bytes: &[u8]) -> Result<Option<RecordBatch>, Refusal> {
        let mut buffer = Buffer::from(bytes);
        let decoder = &mut self.decoder;
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(&mut buffer)));
        let failure = match decoded {
            Ok(Ok(batch)) if buffer.is_empty() => return Ok(batch),
            Ok(Ok(_)) => "a message is longer than it says".to_owned(),
            Ok(Err(error)) => cofferdam_call::shorten(&error.to_string(), 300),
            Err(_) => "the message contradicts itself".to_owned(),
        };
        self.ended = true;
        Err(bad(failure))
    }

    fn check_schema(&self) -> Result<(), Refusal> {
        let found = self.decoder.schema().ok_or_else(|| bad("the schema cannot be read"))?;
        let pairs = found.fields().iter().zip(self.expected.fields());
        let same = |(found, expected): (&std::sync::Arc<arrow_schema::Field>, &std::sync::Arc<_>)| {
            let expected: &arrow_schema::Field = expected;
            found.name() == expected.name() && found.data_type() == expected.data_type()
        };
        if found.fields().len() != self.expected.fields().len() || !pairs.into_iter().all(same) {
            return Err(bad("the schema is not that of the columns the load was opened with"));
        }
        Ok(())
    }
}

fn bad(problem: impl AsRef<str>) -> Refusal {
    refusals::bad_frame(format!("the frame cannot be loaded: {}", problem.as_ref()))
}

enum Sort {
    Schema,
    Batch,
    End,
}

/// One message, its length checked against what is there.
struct Message<'a> {
    bytes: &'a [u8],
    sort: Sort,
}

impl<'a> Message<'a> {
    /// Cuts the first message off. Layout: `ffffffff`, length of the description (u32 LE),
    /// description (flatbuffer), body; a length of 0 ends the stream.
    fn cut(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let cut_off = || bad("a message is not there whole");
        if bytes.get(..4).ok_or_else(cut_off)? != [0xff; 4] {
            return Err(bad("a message does not start with the mark of one"));
        }
        let length = bytes.get(4..8).ok_or_else(cut_off)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length == 0 {
            return Ok(Self { bytes: &bytes[..8], sort: Sort::End });
        }
        let end = length.checked_add(8).ok_or_else(cut_off)?;
        let description = bytes.get(8..end).ok_or_else(cut_off)?;
        let message = root_as_message(description).map_err(|_| bad("a message cannot be read"))?;
        if message.version() != MetadataVersion::V5 {
            return Err(bad("the stream is not of Arrow format version 5"));
        }
        let body = usize::try_from(message.bodyLength()).map_err(|_| cut_off())?;
        let whole = end.checked_add(body).ok_or_else(cut_off)?;
        let bytes = bytes.get(..whole).ok_or_else(cut_off)?;
        let sort = match message.header_type() {
            MessageHeader::Schema if body == 0 => Sort::Schema,
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| bad("a batch cannot be read"))?;
                if batch.compression().is_some() {
                    return Err(bad("compressed bodies are not taken"));
                }
                // Every row takes at least one bit of the body.
                let rows = usize::try_from(batch.length()).map_err(|_| bad("a negative number of rows"))?;
                if rows > body.saturating_mul(8) {
                    return Err(bad("a batch claims more rows than its bytes can hold"));
                }
                Sort::Batch
            }
            _ => return Err(bad("only a schema and rows are taken")),
        };
        Ok(Self { bytes, sort })
    }
}

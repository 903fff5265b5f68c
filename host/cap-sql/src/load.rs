//! Frames of a bulk load become record batches, or an error: they come from guest code.
//!
//! In: calls' payloads, each one or more whole messages of one Arrow IPC stream. Out: batches of
//! exactly the columns that were announced.
//! Never: decompresses, follows dictionaries, or buffers a message that is not there whole.
//! Fails: with `CD0312`, which says what is wrong with the frame.
//! Source: `wit/capability`, interface `sql`; Arrow columnar format 1.5, "IPC streaming format".

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::{
    Message as IpcMessage, MessageHeader, MetadataVersion, convert::try_schema_from_ipc_buffer,
    reader::read_record_batch, root_as_message,
};
use arrow_schema::{ArrowError, Field, Schema};
use cofferdam_call::{COLUMNS_MAX, Column, FRAME_BYTES_MAX, Refusal};

use crate::{refusals, types};

/// Reads the frames of one load.
pub struct FrameDecoder {
    schema: Arc<Schema>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    BeforeSchema,
    Rows,
    Ended,
}

impl FrameDecoder {
    /// A decoder for a stream of these columns.
    pub fn new(columns: &[Column]) -> Result<Self, Refusal> {
        if columns.is_empty() || columns.len() > COLUMNS_MAX {
            return Err(bad(format!("a load has 1 to {COLUMNS_MAX} columns")));
        }
        Ok(Self { schema: types::schema(columns), state: State::BeforeSchema })
    }

    /// Reads one payload and hands its batches over, in order. After an error nothing more is
    /// taken.
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
            // Set back once the message is read.
            let state = std::mem::replace(&mut self.state, State::Ended);
            let (message, length) = cut(rest)?;
            self.state = match (state, message) {
                (State::Ended, _) => return Err(bad("there are bytes behind the end of the stream")),
                (_, None) => State::Ended,
                (State::BeforeSchema, Some(message)) => {
                    self.check_schema(&rest[..length], message)?;
                    State::Rows
                }
                (State::Rows, Some(message)) => {
                    let body_bytes = usize::try_from(message.bodyLength()).unwrap_or(0);
                    take(self.batch(message, &rest[length - body_bytes..length])?)?;
                    State::Rows
                }
            };
            rest = &rest[length..];
        }
        Ok(())
    }

    fn check_schema(&self, bytes: &[u8], message: IpcMessage<'_>) -> Result<(), Refusal> {
        if message.header_type() != MessageHeader::Schema || message.bodyLength() != 0 {
            return Err(bad("the first message is not a schema"));
        }
        let found = contained(|| try_schema_from_ipc_buffer(bytes))?;
        let same = |(found, expected): (&Arc<Field>, &Arc<Field>)| {
            found.name() == expected.name() && found.data_type() == expected.data_type()
        };
        let pairs = found.fields().iter().zip(self.schema.fields());
        if found.fields().len() != self.schema.fields().len() || !pairs.into_iter().all(same) {
            return Err(bad("the schema is not that of the columns the load was opened with"));
        }
        Ok(())
    }

    fn batch(&self, message: IpcMessage<'_>, body: &[u8]) -> Result<RecordBatch, Refusal> {
        let batch = message.header_as_record_batch().ok_or_else(|| bad("only rows follow the schema"))?;
        if batch.compression().is_some() {
            return Err(bad("compressed bodies are not taken"));
        }
        // Every row takes at least one bit of the body.
        let rows = usize::try_from(batch.length()).map_err(|_| bad("a negative number of rows"))?;
        if rows > body.len().saturating_mul(8) {
            return Err(bad("a batch claims more rows than its bytes can hold"));
        }
        let (body, schema, none) = (Buffer::from(body), Arc::clone(&self.schema), HashMap::new());
        let batch = contained(|| read_record_batch(&body, batch, schema, &none, None, &MetadataVersion::V5))?;
        if batch.num_rows() != rows {
            return Err(bad("a batch holds another number of rows than it claims"));
        }
        Ok(batch)
    }
}

/// Reads foreign bytes with a large library: a panic in it is an answer like any other.
fn contained<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, Refusal> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(bad(cofferdam_call::shorten(&error.to_string(), 300))),
        Err(_) => Err(bad("a message contradicts itself")),
    }
}

fn bad(problem: impl AsRef<str>) -> Refusal {
    refusals::bad_frame(format!("the frame cannot be loaded: {}", problem.as_ref()))
}

/// Cuts the first message off; gives its description and its whole length, none for the end of
/// the stream. Layout: `ffffffff`, length of the description (u32 LE), description (flatbuffer),
/// body. The length of the body is checked against what is there.
fn cut(bytes: &[u8]) -> Result<(Option<IpcMessage<'_>>, usize), Refusal> {
    let cut_off = || bad("a message is not there whole");
    if bytes.get(..4).ok_or_else(cut_off)? != [0xff; 4] {
        return Err(bad("a message does not start with the mark of one"));
    }
    let length = bytes.get(4..8).ok_or_else(cut_off)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if length == 0 {
        return Ok((None, 8));
    }
    let end = length.checked_add(8).ok_or_else(cut_off)?;
    let description = bytes.get(8..end).ok_or_else(cut_off)?;
    let message = root_as_message(description).map_err(|_| bad("a message cannot be read"))?;
    if message.version() != MetadataVersion::V5 {
        return Err(bad("the stream is not of Arrow format version 5"));
    }
    let body = usize::try_from(message.bodyLength()).map_err(|_| cut_off())?;
    let whole = end.checked_add(body).ok_or_else(cut_off)?;
    bytes.get(..whole).ok_or_else(cut_off)?;
    Ok((Some(message), whole))
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_ipc::writer::StreamWriter;
    use cofferdam_call::DataType;
    use proptest::prelude::*;

    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
        vec![column("i", DataType::Int64), column("s", DataType::Text)]
    }

    /// Schema, two batches and the end.
    fn stream() -> Vec<u8> {
        let schema = types::schema(&columns());
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for values in [vec![Some(1), None, Some(3)], vec![Some(4)]] {
            let texts: Vec<_> = values.iter().map(|v| v.map(|v| format!("row {v}"))).collect();
            let arrays: Vec<ArrayRef> =
                vec![Arc::new(Int64Array::from(values)), Arc::new(StringArray::from(texts))];
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    fn rows(frames: &[&[u8]]) -> Result<usize, Refusal> {
        let mut decoder = FrameDecoder::new(&columns())?;
        let mut rows = 0;
        for frame in frames {
            decoder.decode(frame, |batch| {
                rows += batch.num_rows();
                Ok(())
            })?;
        }
        Ok(rows)
    }

    #[test]
    fn whole_messages_are_read_however_they_are_grouped() {
        let stream = stream();
        assert_eq!(rows(&[&stream]), Ok(4));
        let (_, schema) = cut(&stream).unwrap();
        assert_eq!(rows(&[&stream[..schema], &stream[schema..]]), Ok(4));
        assert_eq!(rows(&[&stream[..schema]]), Ok(0));
    }

    #[test]
    fn cut_reordered_repeated_and_trailing_messages_are_refused() {
        let stream = stream();
        let (_, schema) = cut(&stream).unwrap();
        for cut in 1..stream.len() - 8 {
            let whole = rows(&[&stream[..cut]]);
            assert!(whole.is_err() || whole == Ok(0) || whole == Ok(3) || whole == Ok(4), "cut at {cut}");
        }
        assert!(rows(&[&stream[..schema + 20]]).is_err());
        assert!(rows(&[&stream[schema..]]).is_err(), "rows before the schema");
        assert!(rows(&[&stream[..schema], &stream]).is_err(), "a second schema");
        assert!(rows(&[&stream, &stream[..schema]]).is_err(), "after the end");
        assert!(rows(&[&stream, b"x"]).is_err());
        assert!(rows(&[&vec![0xff; FRAME_BYTES_MAX + 1]]).is_err());
    }

    #[test]
    fn another_schema_than_announced_is_refused() {
        let mut other = columns();
        other[0].data_type = DataType::Float64;
        let mut decoder = FrameDecoder::new(&other).unwrap();
        let refusal = decoder.decode(&stream(), |_| Ok(())).unwrap_err();
        assert_eq!(
            refusal.message,
            "the frame cannot be loaded: the schema is not that of the columns the load was opened with"
        );
        assert!(decoder.decode(&stream(), |_| Ok(())).is_err(), "and stays so");
        assert!(FrameDecoder::new(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_rows_or_an_error(bytes: Vec<u8>) {
            let _ = rows(&[&bytes]);
        }

        #[test]
        fn any_edited_stream_gives_rows_or_an_error(edits in prop::collection::vec((0..4096_usize, any::<u8>()), 1..6)) {
            let mut bytes = stream();
            for (at, byte) in edits {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = rows(&[&bytes]);
        }
    }
}

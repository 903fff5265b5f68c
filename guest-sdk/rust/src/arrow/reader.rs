//! Frames to record batches.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray,
    types::{
        ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, SchemaRef};

use super::frame::{self, Batch, Part};
use crate::{Failure, codes};

/// Reads the frames of one stream, in their order.
///
/// After an error the stream is lost: every later frame is refused as well.
#[derive(Debug, Default)]
pub struct FrameReader {
    schema: Option<SchemaRef>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Ended,
    Broken,
}

impl FrameReader {
    /// A reader of one stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema, once its frame was read.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.schema.clone()
    }

    /// The batches of one frame; none in the frame of the schema. `Invalid` where the bytes are
    /// not whole messages of a flat, uncompressed Arrow stream of at most 1 MiB.
    pub fn read(&mut self, frame: &[u8]) -> Result<Vec<RecordBatch>, Failure> {
        let batches = match self.state {
            State::Open => self.read_open(frame),
            State::Ended => Err("a frame came after the end of the stream".into()),
            State::Broken => Err("a frame before this one could not be read".into()),
        };
        batches.map_err(|message| {
            self.state = State::Broken;
            Failure::invalid(codes::FRAME, message)
        })
    }

    fn read_open(&mut self, frame: &[u8]) -> Result<Vec<RecordBatch>, String> {
        let mut batches = Vec::new();
        for part in frame::parts(frame)? {
            match (part, &self.schema) {
                (Part::Schema(schema), None) => self.schema = Some(schema),
                (Part::Schema(_), Some(_)) => return Err("a second schema came".into()),
                (Part::Batch(batch), Some(schema)) => batches.push(assemble(&batch, schema)?),
                (Part::Batch(_), None) => return Err("rows came before the schema".into()),
                (Part::End, _) => self.state = State::Ended,
            }
        }
        Ok(batches)
    }
}

fn assemble(batch: &Batch<'_>, schema: &SchemaRef) -> Result<RecordBatch, String> {
    if batch.nulls.len() != schema.fields().len() {
        return Err(format!(
            "a batch has {} columns, the schema {}",
            batch.nulls.len(),
            schema.fields().len()
        ));
    }
    let mut buffers = batch.buffers.iter().copied();
    let arrays = schema
        .fields()
        .iter()
        .zip(&batch.nulls)
        .map(|(field, nulls)| column(field, batch.rows, *nulls, &mut buffers))
        .collect::<Result<Vec<_>, _>>()?;
    if buffers.next().is_some() {
        return Err("a batch has more buffers than its columns need".into());
    }
    RecordBatch::try_new(schema.clone(), arrays).map_err(|error| error.to_string())
}

fn column<'a>(
    field: &Field,
    rows: usize,
    null_count: usize,
    buffers: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<ArrayRef, String> {
    let mut next = || buffers.next().ok_or_else(|| format!("column `{}` lacks a buffer", field.name()));
    let short = || format!("column `{}` is shorter than its batch", field.name());
    let validity = next()?;
    let nulls = match null_count {
        0 => None,
        _ => {
            let nulls = NullBuffer::new(bits(validity, rows).ok_or_else(short)?);
            if nulls.null_count() != null_count {
                return Err(format!("column `{}` counts its NULLs wrongly", field.name()));
            }
            Some(nulls)
        }
    };
    let first = next()?;
    Ok(match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::new(bits(first, rows).ok_or_else(short)?, nulls)),
        DataType::Int64 => primitive::<Int64Type>(field, first, rows, nulls)?,
        DataType::Float64 => primitive::<Float64Type>(field, first, rows, nulls)?,
        DataType::Date32 => primitive::<Date32Type>(field, first, rows, nulls)?,
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(field, first, rows, nulls)?,
        DataType::Timestamp(..) => primitive::<TimestampMicrosecondType>(field, first, rows, nulls)?,
        DataType::Decimal128(..) => primitive::<Decimal128Type>(field, first, rows, nulls)?,
        DataType::Decimal256(..) => primitive::<Decimal256Type>(field, first, rows, nulls)?,
        DataType::Utf8 => {
            let (offsets, bytes) = ranges(first, next()?, rows).ok_or_else(short)?;
            Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(|error| error.to_string())?)
        }
        DataType::Binary => {
            let (offsets, bytes) = ranges(first, next()?, rows).ok_or_else(short)?;
            Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(|error| error.to_string())?)
        }
        other => return Err(format!("column `{}` has the type {other}", field.name())),
    })
}

/// `rows` bits of a buffer, if it has so many.
fn bits(buffer: &[u8], rows: usize) -> Option<BooleanBuffer> {
    let bytes = buffer.get(..rows.div_ceil(8))?;
    Some(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
}

fn primitive<T: ArrowPrimitiveType>(
    field: &Field,
    buffer: &[u8],
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, String> {
    let bytes = rows
        .checked_mul(size_of::<T::Native>())
        .and_then(|length| buffer.get(..length))
        .ok_or_else(|| format!("column `{}` is shorter than its batch", field.name()))?;
    // Copied: a frame need not lie where its numbers could be read in place.
    let values = ScalarBuffer::new(Buffer::from(bytes), 0, rows);
    let array = PrimitiveArray::<T>::try_new(values, nulls).map_err(|error| error.to_string())?;
    Ok(Arc::new(array.with_data_type(field.data_type().clone())))
}

/// The ends of each text or bytes value and the bytes themselves, if the ends rise within them.
fn ranges(offsets: &[u8], bytes: &[u8], rows: usize) -> Option<(OffsetBuffer<i32>, Buffer)> {
    // An empty column may leave its offsets out.
    if rows == 0 && offsets.is_empty() {
        return Some((OffsetBuffer::new_empty(), Buffer::from(bytes)));
    }
    let offsets = offsets.get(..rows.checked_add(1)?.checked_mul(size_of::<i32>())?)?;
    let offsets = ScalarBuffer::<i32>::new(Buffer::from(offsets), 0, rows + 1);
    let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let last = usize::try_from(*offsets.last()?).ok()?;
    let within = *offsets.first()? >= 0 && rises && last <= bytes.len();
    within.then(|| (OffsetBuffer::new(offsets), Buffer::from(bytes)))
}

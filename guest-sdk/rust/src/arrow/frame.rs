//! One frame taken apart: whole messages, each measured before a byte of its body is used.
//!
//! In: bytes from outside. Out: [`Part`]s whose offsets and lengths lie within the frame.
//! Never: believes a length; allocates more than the frame is long.
//! Fails: with a sentence that says what does not fit.
//! Source: Arrow columnar format 1.5, "Encapsulated message format" and "RecordBatch message".

use std::sync::Arc;

use arrow_ipc::{
    DateUnit, Field, Message, MessageHeader, MetadataVersion, Precision, TimeUnit as IpcUnit, Type,
};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

use super::FRAME_BYTES_MAX;
use super::schema::UTC;

/// What every message begins with.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Columns of one result or relation.
const COLUMNS_MAX: usize = 2_000;

/// One message of a frame.
pub(super) enum Part<'a> {
    /// The columns of what follows.
    Schema(SchemaRef),
    /// Rows.
    Batch(Batch<'a>),
    /// Nothing follows.
    End,
}

/// The rows of one message, still as bytes.
pub(super) struct Batch<'a> {
    /// Number of rows.
    pub(super) rows: usize,
    /// NULLs of each column, at most `rows`.
    pub(super) nulls: Vec<usize>,
    /// The buffers in their order, each inside the frame.
    pub(super) buffers: Vec<&'a [u8]>,
}

/// The messages of a frame.
pub(super) fn parts(frame: &[u8]) -> Result<Vec<Part<'_>>, String> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(format!("the frame is {} bytes long; the limit is 1 MiB", frame.len()));
    }
    if frame.is_empty() {
        return Err("the frame is empty".into());
    }
    let mut parts = Vec::new();
    let mut rest = frame;
    while !rest.is_empty() {
        if matches!(parts.last(), Some(Part::End)) {
            return Err("bytes follow the end of the stream".into());
        }
        let (part, behind) = next(rest)?;
        parts.push(part);
        rest = behind;
    }
    Ok(parts)
}

fn next(bytes: &[u8]) -> Result<(Part<'_>, &[u8]), String> {
    let cut = || "the frame ends in the middle of a message".to_owned();
    let (mark, bytes) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    if *mark != CONTINUATION {
        return Err("the frame does not begin with a message".into());
    }
    let (length, bytes) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
    if length == 0 {
        return Ok((Part::End, bytes));
    }
    let (head, bytes) = bytes.split_at_checked(length).ok_or_else(cut)?;
    // The verifier bounds depth and tables, so a head that nests without end stops here.
    let message = arrow_ipc::root_as_message(head)
        .map_err(|error| format!("the head of a message is broken: {error}"))?;
    let body =
        usize::try_from(message.bodyLength()).map_err(|_| "a body has a negative length".to_owned())?;
    let (body, bytes) = bytes.split_at_checked(body).ok_or_else(cut)?;
    Ok((part(&message, body)?, bytes))
}

fn part<'a>(message: &Message<'_>, body: &'a [u8]) -> Result<Part<'a>, String> {
    if message.version() != MetadataVersion::V5 {
        return Err("the message is not of metadata version 5".into());
    }
    match message.header_type() {
        MessageHeader::Schema => {
            let schema = message.header_as_schema().ok_or("a message has no head")?;
            let fields = schema.fields().ok_or("the schema has no columns")?;
            if fields.is_empty() || fields.len() > COLUMNS_MAX {
                return Err(format!("the schema has {} columns; 1 to {COLUMNS_MAX} may be", fields.len()));
            }
            if schema.endianness() != arrow_ipc::Endianness::Little {
                return Err("the stream is not little-endian".into());
            }
            let fields = fields.iter().map(field).collect::<Result<Vec<_>, _>>()?;
            Ok(Part::Schema(Arc::new(Schema::new(fields))))
        }
        MessageHeader::RecordBatch => {
            let batch = message.header_as_record_batch().ok_or("a message has no head")?;
            if batch.compression().is_some() {
                return Err("the body is compressed; frames carry plain bodies only".into());
            }
            batch_of(&batch, body).map(Part::Batch)
        }
        MessageHeader::DictionaryBatch => Err("dictionaries are not carried in frames".into()),
        other => Err(format!("a message of the kind {other:?} is not carried in frames")),
    }
}

fn batch_of<'a>(batch: &arrow_ipc::RecordBatch<'_>, body: &'a [u8]) -> Result<Batch<'a>, String> {
    let rows = usize::try_from(batch.length()).map_err(|_| "a batch has a negative length".to_owned())?;
    // The smallest column is one bit a row, so more rows than bits is a lie.
    if rows > body.len().saturating_mul(8) {
        return Err(format!("a batch claims {rows} rows in {} bytes", body.len()));
    }
    let mut nulls = Vec::new();
    for node in batch.nodes().into_iter().flatten() {
        let count = usize::try_from(node.null_count()).ok().filter(|count| *count <= rows);
        if usize::try_from(node.length()) != Ok(rows) {
            return Err("a column has another length than its batch".into());
        }
        nulls.push(count.ok_or("a column has more NULLs than rows")?);
    }
    let mut buffers = Vec::new();
    for buffer in batch.buffers().into_iter().flatten() {
        let range = || {
            let start = usize::try_from(buffer.offset()).ok()?;
            let length = usize::try_from(buffer.length()).ok()?;
            body.get(start..start.checked_add(length)?)
        };
        buffers.push(range().ok_or("a buffer lies outside its body")?);
    }
    Ok(Batch { rows, nulls, buffers })
}

fn field(field: Field<'_>) -> Result<ArrowField, String> {
    let name = field.name().unwrap_or_default();
    if field.children().is_some_and(|children| !children.is_empty()) {
        return Err(format!("column `{name}` is nested; frames carry flat columns only"));
    }
    if field.dictionary().is_some() {
        return Err(format!("column `{name}` is a dictionary; frames carry plain columns only"));
    }
    let data_type = data_type(&field).ok_or_else(|| {
        format!("column `{name}` has a type of the kind {:?} that no frame may carry", field.type_type())
    })?;
    Ok(ArrowField::new(name, data_type, field.nullable()))
}

fn data_type(field: &Field<'_>) -> Option<DataType> {
    Some(match field.type_type() {
        Type::Bool => DataType::Boolean,
        Type::Int => {
            let int = field.type_as_int()?;
            return (int.bitWidth() == 64 && int.is_signed()).then_some(DataType::Int64);
        }
        Type::FloatingPoint => {
            return (field.type_as_floating_point()?.precision() == Precision::DOUBLE)
                .then_some(DataType::Float64);
        }
        Type::Decimal => {
            let decimal = field.type_as_decimal()?;
            let precision =
                u8::try_from(decimal.precision()).ok().filter(|digits| (1..=76).contains(digits))?;
            let scale = i8::try_from(decimal.scale()).ok().filter(|scale| *scale >= 0)?;
            if u8::try_from(scale).ok()? > precision {
                return None;
            }
            match decimal.bitWidth() {
                128 if precision <= 38 => DataType::Decimal128(precision, scale),
                256 => DataType::Decimal256(precision, scale),
                _ => return None,
            }
        }
        Type::Utf8 => DataType::Utf8,
        Type::Binary => DataType::Binary,
        Type::Date => return (field.type_as_date()?.unit() == DateUnit::DAY).then_some(DataType::Date32),
        Type::Time => {
            let time = field.type_as_time()?;
            return (time.unit() == IpcUnit::MICROSECOND && time.bitWidth() == 64)
                .then_some(DataType::Time64(TimeUnit::Microsecond));
        }
        Type::Timestamp => {
            let timestamp = field.type_as_timestamp()?;
            if timestamp.unit() != IpcUnit::MICROSECOND {
                return None;
            }
            match timestamp.timezone() {
                None => DataType::Timestamp(TimeUnit::Microsecond, None),
                Some(UTC) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
                Some(_) => return None,
            }
        }
        _ => return None,
    })
}

//! Rows become frames: messages of one Arrow IPC stream, each at most 1 MiB.
//!
//! In: rows of cells, column by column of a fixed type. Out: the schema's message first, then
//! record batches; the last one carries the end of the stream.
//! Never: holds more than one frame's rows; changes a value to make it fit.
//! Fails: with `CD0311` for a value that is not of its column's type, `CD0307` for a row that no
//! frame can hold.
//! Source: `wit/capability`, interface `sql`.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float64Builder,
        Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_buffer::i256;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema};
use cofferdam_call::{Column, DataType, FRAME_BYTES_MAX, Refusal};

use crate::{calendar, refusals, types};

/// One value as an engine gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Days(i32),
    /// Microseconds: of a time since midnight, of a timestamp since 1970.
    Micros(i64),
    /// A decimal without its point, for columns of at most 38 digits.
    Decimal(i128),
    /// The same for more digits.
    Wide(&'a i256),
}

impl Cell<'_> {
    /// Bytes it takes in a frame, at most.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Days(_) | Self::Micros(_) => 9,
            Self::Decimal(_) => 17,
            Self::Wide(_) => 33,
            Self::Text(text) => text.len() + 9,
            Self::Bytes(bytes) => bytes.len() + 9,
        }
    }

    /// What it is, in words.
    pub(crate) fn sort(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a floating point number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Days(_) => "a date",
            Self::Micros(_) => "a time",
            Self::Decimal(_) | Self::Wide(_) => "a decimal",
        }
    }
}

/// Bytes of cells one frame may hold beside what Arrow adds per column: up to three padded
/// buffers and their descriptions.
pub(crate) fn cell_bytes_max(columns: usize) -> usize {
    FRAME_BYTES_MAX.saturating_sub(1024 + columns * 288)
}

/// Writes the frames of one result.
pub(crate) struct FrameWriter {
    columns: Vec<Column>,
    schema: Arc<Schema>,
    builders: Vec<Builder>,
    writer: StreamWriter<Vec<u8>>,
    rows: usize,
    bytes: usize,
    bytes_max: usize,
}

impl FrameWriter {
    /// Starts a stream. The schema's message is the first frame.
    pub(crate) fn new(columns: Vec<Column>) -> Result<(Self, Vec<u8>), Refusal> {
        let schema = types::schema(&columns);
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(|e| ours(&e))?;
        let first = std::mem::take(writer.get_mut());
        if first.len() > FRAME_BYTES_MAX {
            return Err(refusals::limit("the columns' names do not fit a frame of 1 MiB"));
        }
        let builders = columns.iter().map(|c| Builder::new(&c.data_type)).collect();
        let bytes_max = cell_bytes_max(columns.len());
        Ok((Self { columns, schema, builders, writer, rows: 0, bytes: 0, bytes_max }, first))
    }

    /// Whether a row of so many bytes still fits the frame that is being filled. An empty frame
    /// takes any row that fits a frame at all.
    pub(crate) fn has_room(&self, row_bytes: usize) -> Result<bool, Refusal> {
        if row_bytes > self.bytes_max {
            return Err(refusals::limit(format!(
                "a row of {row_bytes} bytes does not fit a frame of {FRAME_BYTES_MAX} bytes"
            )));
        }
        Ok(self.bytes + row_bytes <= self.bytes_max)
    }

    /// Adds a cell to the column after the last one that got one.
    pub(crate) fn push(&mut self, column: usize, cell: Cell<'_>) -> Result<(), Refusal> {
        self.bytes += cell.bytes();
        if self.builders[column].push(cell) {
            return Ok(());
        }
        let Column { name, data_type, .. } = &self.columns[column];
        let known = types::name(data_type);
        Err(refusals::misfit(format!(
            "column `{name}` is {known}, but a later row holds {}; CAST it in the statement",
            cell.sort()
        )))
    }

    /// A row got all its cells.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Rows in the frame that is being filled.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the frame to `out` and starts an empty one; the last one ends the stream.
    pub(crate) fn finish_frame(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|e| ours(&e))?;
        self.writer.write(&batch).map_err(|e| ours(&e))?;
        if last {
            self.writer.finish().map_err(|e| ours(&e))?;
        }
        self.rows = 0;
        self.bytes = 0;
        let frame = std::mem::take(self.writer.get_mut());
        if frame.len() > FRAME_BYTES_MAX {
            return Err(refusals::limit("a frame came out longer than 1 MiB"));
        }
        if out.is_empty() {
            *out = frame;
        } else {
            out.extend_from_slice(&frame);
        }
        Ok(())
    }

    /// Appends the end of a stream without rows to `out`.
    pub(crate) fn finish_empty(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.writer.finish().map_err(|e| ours(&e))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

fn ours(error: &ArrowError) -> Refusal {
    refusals::limit(format!("the rows cannot be written as Arrow: {error}"))
}

enum Builder {
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Wide(Decimal256Builder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        // The Arrow type of the column; a decimal's says how its digits are read.
        let arrow = types::arrow_type(data_type);
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Bytes => Self::Bytes(BinaryBuilder::new()),
            DataType::Date => Self::Date(Date32Builder::new()),
            DataType::Time => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            DataType::TimestampUtc => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            DataType::Decimal { precision: 0..=38, .. } => {
                Self::Decimal(Decimal128Builder::new().with_data_type(arrow))
            }
            DataType::Decimal { .. } => Self::Wide(Decimal256Builder::new().with_data_type(arrow)),
            DataType::Text | DataType::Json | DataType::Other(_) => Self::Text(StringBuilder::new()),
        }
    }

    /// Whether the cell was of the column's type.
    fn push(&mut self, cell: Cell<'_>) -> bool {
        if cell == Cell::Null {
            match self {
                Self::Boolean(b) => b.append_null(),
                Self::Int64(b) => b.append_null(),
                Self::Float64(b) => b.append_null(),
                Self::Text(b) => b.append_null(),
                Self::Bytes(b) => b.append_null(),
                Self::Date(b) => b.append_null(),
                Self::Time(b) => b.append_null(),
                Self::Timestamp(b) => b.append_null(),
                Self::Decimal(b) => b.append_null(),
                Self::Wide(b) => b.append_null(),
            }
            return true;
        }
        match (self, cell) {
            (Self::Boolean(b), Cell::Int(n @ 0..=1)) => b.append_value(n == 1),
            (Self::Int64(b), Cell::Int(n)) => b.append_value(n),
            (Self::Float64(b), Cell::Float(n)) => b.append_value(n),
            (Self::Float64(b), Cell::Int(n)) => match exact(n) {
                Some(n) => b.append_value(n),
                None => return false,
            },
            (Self::Text(b), Cell::Text(text)) => b.append_value(text),
            (Self::Bytes(b), Cell::Bytes(bytes)) => b.append_value(bytes),
            (Self::Date(b), Cell::Days(days)) => b.append_value(days),
            (Self::Time(b), Cell::Micros(micros)) => b.append_value(micros),
            (Self::Timestamp(b), Cell::Micros(micros)) => b.append_value(micros),
            (Self::Decimal(b), Cell::Decimal(n)) => b.append_value(n),
            (Self::Wide(b), Cell::Wide(n)) => b.append_value(*n),
            (Self::Date(b), Cell::Text(text)) => match calendar::parse_date(text) {
                Some(days) => b.append_value(days),
                None => return false,
            },
            (Self::Time(b), Cell::Text(text)) => match calendar::parse_time(text) {
                Some(micros) => b.append_value(micros),
                None => return false,
            },
            (Self::Timestamp(b), Cell::Text(text)) => match calendar::parse_timestamp(text) {
                Some(micros) => b.append_value(micros),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(b) => Arc::new(b.finish()),
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Float64(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::Bytes(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Time(b) => Arc::new(b.finish()),
            Self::Timestamp(b) => Arc::new(b.finish()),
            Self::Decimal(b) => Arc::new(b.finish()),
            Self::Wide(b) => Arc::new(b.finish()),
        }
    }
}

/// A whole number as a double, where that loses nothing.
fn exact(n: i64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "checked by the bound")]
    (n.unsigned_abs() <= 1 << 53).then_some(n as f64)
}

/// Whether a cell could stand in a column of this type.
pub(crate) fn fits(data_type: &DataType, cell: Cell<'_>) -> bool {
    match (data_type, cell) {
        (_, Cell::Null)
        | (DataType::Boolean, Cell::Int(0..=1))
        | (DataType::Int64, Cell::Int(_))
        | (DataType::Float64, Cell::Float(_))
        | (DataType::Text | DataType::Json | DataType::Other(_), Cell::Text(_))
        | (DataType::Bytes, Cell::Bytes(_)) => true,
        (DataType::Float64, Cell::Int(n)) => exact(n).is_some(),
        (DataType::Date, Cell::Text(text)) => calendar::parse_date(text).is_some(),
        (DataType::Time, Cell::Text(text)) => calendar::parse_time(text).is_some(),
        (DataType::Timestamp | DataType::TimestampUtc, Cell::Text(text)) => {
            calendar::parse_timestamp(text).is_some()
        }
        _ => false,
    }
}

/// The type that holds all of some cells, none where there is no such type. Columns without a
/// value are text.
pub(crate) fn infer<'a>(cells: impl IntoIterator<Item = Cell<'a>>) -> Option<DataType> {
    let mut found: Option<DataType> = None;
    for cell in cells {
        let of_cell = match cell {
            Cell::Null => continue,
            Cell::Int(_) => DataType::Int64,
            Cell::Float(_) => DataType::Float64,
            Cell::Text(_) => DataType::Text,
            Cell::Bytes(_) => DataType::Bytes,
            // Engines that give these say what their columns are.
            Cell::Days(_) | Cell::Micros(_) | Cell::Decimal(_) | Cell::Wide(_) => return None,
        };
        found = match (found, of_cell) {
            (None, of_cell) => Some(of_cell),
            (Some(DataType::Int64), DataType::Float64) | (Some(DataType::Float64), DataType::Int64) => {
                Some(DataType::Float64)
            }
            (Some(known), of_cell) if known == of_cell => Some(known),
            _ => return None,
        };
    }
    Some(found.unwrap_or(DataType::Text))
}

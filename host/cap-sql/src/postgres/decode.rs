//! Rows of the wire become columns of Arrow, and columns become frames, without a value between.
//!
//! In: bodies of `DataRow`, and a form for each column, chosen once. Out: messages of one Arrow
//! IPC stream, each at most 1 MiB.
//! Never: allocates for a row; changes a value to make it fit.
//! Fails: with `CD0311` for a value its column's type cannot hold, `CD0307` for a row no frame can
//! hold, and with nothing where a row contradicts itself.
//! Source: PostgreSQL, the types' `…_send` functions; Arrow columnar format 1.5.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer, i256};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema};
use cofferdam_call::{Column, FRAME_BYTES_MAX, Refusal};

use super::{numeric, types::Form};
use crate::{frames::cell_bytes_max, refusals, types};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(super) const DAYS_TO_2000: i32 = 10_957;
/// Microseconds of these days.
pub(super) const MICROS_TO_2000: i64 = 946_684_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// Why a row was not taken.
#[derive(Debug)]
pub(super) enum RowFault {
    /// The row is not one of these columns.
    Malformed,
    /// It is, but cannot be carried.
    Refused(Refusal),
}

/// Why a value was not taken.
enum Misfit {
    Malformed,
    /// What it is, in words.
    Is(&'static str),
}

/// Values of different lengths.
struct Variable {
    data: Vec<u8>,
    ends: Vec<i32>,
}

impl Variable {
    fn new() -> Self {
        Self { data: Vec::new(), ends: vec![0] }
    }

    #[inline]
    fn end(&mut self) {
        // A frame's bytes are far fewer than an `i32` counts.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "at most a frame's bytes"
        )]
        self.ends.push(self.data.len() as i32);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let (rows, bytes) = (self.ends.len(), self.data.len());
        let mut ends = Vec::with_capacity(rows);
        ends.push(0);
        let ends = std::mem::replace(&mut self.ends, ends);
        let data = std::mem::replace(&mut self.data, Vec::with_capacity(bytes));
        (OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(data))
    }
}

enum Values {
    Bool(BooleanBufferBuilder),
    Int2(Vec<i64>),
    Int4(Vec<i64>),
    Int8(Vec<i64>),
    Oid(Vec<i64>),
    Float4(Vec<f64>),
    Float8(Vec<f64>),
    Decimal(Vec<i128>, u8, u8),
    Wide(Vec<i256>, u8, u8),
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>, bool),
    Bytes(Variable),
    Text(Variable),
}

struct Builder {
    values: Values,
    nulls: NullBufferBuilder,
}

impl Builder {
    fn new(form: Form) -> Self {
        let values = match form {
            Form::Bool => Values::Bool(BooleanBufferBuilder::new(0)),
            Form::Int2 => Values::Int2(Vec::new()),
            Form::Int4 => Values::Int4(Vec::new()),
            Form::Int8 => Values::Int8(Vec::new()),
            Form::Oid => Values::Oid(Vec::new()),
            Form::Float4 => Values::Float4(Vec::new()),
            Form::Float8 => Values::Float8(Vec::new()),
            Form::Decimal { precision, scale } => Values::Decimal(Vec::new(), precision, scale),
            Form::Wide { precision, scale } => Values::Wide(Vec::new(), precision, scale),
            Form::Date => Values::Date(Vec::new()),
            Form::Time => Values::Time(Vec::new()),
            Form::Timestamp { utc } => Values::Timestamp(Vec::new(), utc),
            Form::Bytes => Values::Bytes(Variable::new()),
            Form::Text => Values::Text(Variable::new()),
        };
        Self { values, nulls: NullBufferBuilder::new(0) }
    }

    /// Bytes each row takes in a frame, beside those of values of different lengths.
    fn width(form: Form) -> usize {
        match form {
            Form::Bool => 2,
            Form::Date | Form::Text | Form::Bytes => 5,
            Form::Decimal { .. } => 17,
            Form::Wide { .. } => 33,
            _ => 9,
        }
    }

    fn push_null(&mut self) {
        self.nulls.append_null();
        match &mut self.values {
            Values::Bool(bits) => bits.append(false),
            Values::Int2(v)
            | Values::Int4(v)
            | Values::Int8(v)
            | Values::Oid(v)
            | Values::Time(v)
            | Values::Timestamp(v, _) => v.push(0),
            Values::Float4(v) | Values::Float8(v) => v.push(0.0),
            Values::Decimal(v, ..) => v.push(0),
            Values::Wide(v, ..) => v.push(i256::ZERO),
            Values::Date(v) => v.push(0),
            Values::Bytes(v) | Values::Text(v) => v.end(),
        }
    }

    /// Takes a value; gives the bytes it takes beyond its column's width.
    #[inline]
    fn push(&mut self, value: &[u8]) -> Result<usize, Misfit> {
        match &mut self.values {
            Values::Int8(v) => v.push(i64::from_be_bytes(exactly(value)?)),
            Values::Int4(v) => v.push(i32::from_be_bytes(exactly(value)?).into()),
            Values::Int2(v) => v.push(i16::from_be_bytes(exactly(value)?).into()),
            Values::Oid(v) => v.push(u32::from_be_bytes(exactly(value)?).into()),
            Values::Float8(v) => v.push(f64::from_be_bytes(exactly(value)?)),
            Values::Float4(v) => v.push(f32::from_be_bytes(exactly(value)?).into()),
            Values::Bool(bits) => bits.append(exactly::<1>(value)? != [0]),
            Values::Text(v) | Values::Bytes(v) => {
                v.data.extend_from_slice(value);
                v.end();
                self.nulls.append_non_null();
                return Ok(value.len());
            }
            Values::Timestamp(v, _) => v.push(moment(i64::from_be_bytes(exactly(value)?))?),
            Values::Date(v) => v.push(day(i32::from_be_bytes(exactly(value)?))?),
            Values::Time(v) => match i64::from_be_bytes(exactly(value)?) {
                DAY_MICROS => return Err(Misfit::Is("the time 24:00:00")),
                micros => v.push(micros),
            },
            Values::Decimal(v, _, scale) => match numeric::to_i128(value, *scale) {
                Some(decimal) => v.push(decimal),
                None => return Err(no_decimal(value)),
            },
            Values::Wide(v, _, scale) => match numeric::to_i256(value, *scale) {
                Some(decimal) => v.push(decimal),
                None => return Err(no_decimal(value)),
            },
        }
        self.nulls.append_non_null();
        Ok(0)
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        fn take<T>(values: &mut Vec<T>) -> Vec<T> {
            let rows = values.len();
            std::mem::replace(values, Vec::with_capacity(rows))
        }
        let nulls = self.nulls.finish();
        Ok(match &mut self.values {
            Values::Bool(bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Values::Int2(v) | Values::Int4(v) | Values::Int8(v) | Values::Oid(v) => {
                Arc::new(Int64Array::try_new(take(v).into(), nulls)?)
            }
            Values::Float4(v) | Values::Float8(v) => Arc::new(Float64Array::try_new(take(v).into(), nulls)?),
            Values::Decimal(v, precision, scale) => {
                let array = Decimal128Array::try_new(take(v).into(), nulls)?;
                Arc::new(array.with_precision_and_scale(*precision, (*scale).cast_signed())?)
            }
            Values::Wide(v, precision, scale) => {
                let array = Decimal256Array::try_new(take(v).into(), nulls)?;
                Arc::new(array.with_precision_and_scale(*precision, (*scale).cast_signed())?)
            }
            Values::Date(v) => Arc::new(Date32Array::try_new(take(v).into(), nulls)?),
            Values::Time(v) => Arc::new(Time64MicrosecondArray::try_new(take(v).into(), nulls)?),
            Values::Timestamp(v, utc) => {
                let array = TimestampMicrosecondArray::try_new(take(v).into(), nulls)?;
                Arc::new(if *utc { array.with_timezone("UTC") } else { array })
            }
            Values::Bytes(v) => {
                let (ends, data) = v.take();
                Arc::new(BinaryArray::try_new(ends, data, nulls)?)
            }
            // Checks that it is UTF-8, value by value.
            Values::Text(v) => {
                let (ends, data) = v.take();
                Arc::new(StringArray::try_new(ends, data, nulls)?)
            }
        })
    }
}

#[inline]
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Misfit> {
    value.try_into().map_err(|_| Misfit::Malformed)
}

#[inline]
fn moment(micros: i64) -> Result<i64, Misfit> {
    match micros {
        i64::MAX => Err(Misfit::Is("the timestamp infinity")),
        i64::MIN => Err(Misfit::Is("the timestamp -infinity")),
        micros => micros.checked_add(MICROS_TO_2000).ok_or(Misfit::Is("a timestamp after the year 294246")),
    }
}

#[inline]
fn day(days: i32) -> Result<i32, Misfit> {
    match days {
        i32::MAX => Err(Misfit::Is("the date infinity")),
        i32::MIN => Err(Misfit::Is("the date -infinity")),
        days => days.checked_add(DAYS_TO_2000).ok_or(Misfit::Malformed),
    }
}

fn no_decimal(value: &[u8]) -> Misfit {
    if numeric::is_special(value) { Misfit::Is("NaN or an infinity") } else { Misfit::Malformed }
}

/// The frames of one result.
pub(super) struct Frames {
    columns: Vec<Column>,
    schema: Arc<Schema>,
    builders: Vec<Builder>,
    writer: StreamWriter<Vec<u8>>,
    rows: usize,
    /// Bytes of the rows so far.
    bytes: usize,
    row_width: usize,
    bytes_max: usize,
}

impl Frames {
    /// Starts a stream. The schema's message is the first frame.
    pub(super) fn new(columns: Vec<Column>, forms: &[Form]) -> Result<(Self, Vec<u8>), Refusal> {
        let schema = types::schema(&columns);
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(|e| ours(&e))?;
        let first = std::mem::take(writer.get_mut());
        let bytes_max = cell_bytes_max(columns.len());
        if first.len() > FRAME_BYTES_MAX || bytes_max == 0 {
            return Err(refusals::limit("the columns do not fit a frame of 1 MiB"));
        }
        let builders = forms.iter().map(|form| Builder::new(*form)).collect();
        let row_width = forms.iter().map(|form| Builder::width(*form)).sum();
        let frames = Self { columns, schema, builders, writer, rows: 0, bytes: 0, row_width, bytes_max };
        Ok((frames, first))
    }

    /// Rows in the frame that is being filled.
    pub(super) fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// Whether a row of so many bytes on the wire still fits. An empty frame takes any row that
    /// fits a frame at all.
    #[inline]
    pub(super) fn has_room(&self, wire_bytes: usize) -> Result<bool, Refusal> {
        let row = wire_bytes + self.row_width;
        if self.bytes + row <= self.bytes_max {
            return Ok(true);
        }
        if row > self.bytes_max {
            return Err(too_long());
        }
        Ok(false)
    }

    /// Takes a row.
    #[inline]
    pub(super) fn push(&mut self, body: &[u8]) -> Result<(), RowFault> {
        let (count, mut rest) = body.split_first_chunk::<2>().ok_or(RowFault::Malformed)?;
        if usize::from(u16::from_be_bytes(*count)) != self.builders.len() {
            return Err(RowFault::Malformed);
        }
        let mut bytes = self.row_width;
        for (n, builder) in self.builders.iter_mut().enumerate() {
            let (length, behind) = rest.split_first_chunk::<4>().ok_or(RowFault::Malformed)?;
            let length = i32::from_be_bytes(*length);
            let Ok(length) = usize::try_from(length) else {
                if length != -1 {
                    return Err(RowFault::Malformed);
                }
                builder.push_null();
                rest = behind;
                continue;
            };
            let (value, behind) = behind.split_at_checked(length).ok_or(RowFault::Malformed)?;
            rest = behind;
            match builder.push(value) {
                Ok(more) => bytes += more,
                Err(Misfit::Malformed) => return Err(RowFault::Malformed),
                Err(Misfit::Is(what)) => return Err(self.misfit(n, what)),
            }
        }
        if !rest.is_empty() {
            return Err(RowFault::Malformed);
        }
        self.bytes += bytes;
        self.rows += 1;
        Ok(())
    }

    #[cold]
    fn misfit(&self, column: usize, what: &str) -> RowFault {
        let Column { name, data_type, .. } = &self.columns[column];
        RowFault::Refused(refusals::misfit(format!(
            "column `{name}` holds {what}, which no {} is; CAST it to text in the statement",
            types::name(data_type)
        )))
    }

    /// Appends the frame to `out` and starts an empty one; the last one ends the stream.
    pub(super) fn finish(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, _>>();
        let arrays = arrays
            .map_err(|_| refusals::misfit("a text is not UTF-8; convert it to bytea in the statement"))?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|e| ours(&e))?;
        let into = self.writer.get_mut();
        *into = std::mem::take(out);
        let before = into.len();
        into.reserve(self.bytes + 2_048 + 320 * self.columns.len());
        self.writer.write(&batch).map_err(|e| ours(&e))?;
        if last {
            self.writer.finish().map_err(|e| ours(&e))?;
        }
        *out = std::mem::take(self.writer.get_mut());
        (self.rows, self.bytes) = (0, 0);
        if out.len() - before > FRAME_BYTES_MAX {
            return Err(refusals::limit("a frame came out longer than 1 MiB"));
        }
        Ok(())
    }

    /// Appends the end of a stream without rows to `out`.
    pub(super) fn finish_empty(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.writer.finish().map_err(|e| ours(&e))?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

/// The refusal of a row no frame can hold.
pub(super) fn too_long() -> Refusal {
    refusals::limit(format!("a row does not fit a frame of {FRAME_BYTES_MAX} bytes"))
}

fn ours(error: &ArrowError) -> Refusal {
    refusals::limit(format!("the rows cannot be written as Arrow: {error}"))
}

#[cfg(test)]
mod tests {
    use cofferdam_call::DataType;
    use proptest::prelude::*;

    use super::*;

    fn frames() -> Frames {
        let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
        let columns = vec![
            column("i", DataType::Int64),
            column("t", DataType::Text),
            column("d", DataType::Decimal { precision: 12, scale: 2 }),
            column("at", DataType::TimestampUtc),
        ];
        let decimal = Form::Decimal { precision: 12, scale: 2 };
        Frames::new(columns, &[Form::Int8, Form::Text, decimal, Form::Timestamp { utc: true }]).unwrap().0
    }

    fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            match value {
                None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(value) => {
                    body.extend_from_slice(&i32::try_from(value.len()).unwrap().to_be_bytes());
                    body.extend_from_slice(value);
                }
            }
        }
        body
    }

    #[test]
    fn rows_of_another_shape_than_announced_are_refused() {
        let good = row(&[Some(&[0; 8]), Some(b"x"), None, Some(&[0; 8])]);
        assert!(frames().push(&good).is_ok());
        for cut in 0..good.len() {
            assert!(matches!(frames().push(&good[..cut]), Err(RowFault::Malformed)), "cut at {cut}");
        }
        for bad in [
            row(&[Some(&[0; 8]), Some(b"x"), None]),
            row(&[Some(&[0; 8]), Some(b"x"), None, None, None]),
            row(&[Some(&[0; 7]), Some(b"x"), None, None]),
            [&good[..], b"x"].concat(),
        ] {
            assert!(matches!(frames().push(&bad), Err(RowFault::Malformed)));
        }
    }

    #[test]
    fn text_that_is_not_text_is_refused() {
        let mut frames = frames();
        frames.push(&row(&[None, Some(b"\xff"), None, None])).unwrap();
        assert_eq!(frames.finish(true, &mut Vec::new()).unwrap_err().code, refusals::misfit("").code);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_refused(body: Vec<u8>) {
            let mut frames = frames();
            if frames.push(&body).is_ok() {
                let _ = frames.finish(true, &mut Vec::new());
            }
        }

        #[test]
        fn any_values_are_a_row_or_refused(
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..24)), 4)
        ) {
            let mut frames = frames();
            let values: Vec<_> = values.iter().map(|value| value.as_deref()).collect();
            if frames.push(&row(&values)).is_ok() {
                let _ = frames.finish(true, &mut Vec::new());
            }
        }
    }
}

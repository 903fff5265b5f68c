//! Columns of Arrow become the rows of `COPY … FROM STDIN`.
//!
//! In: record batches, and the types of the table's columns. Out: bytes in the binary form, or in
//! the text form where a column has a type whose binary form is not written here.
//! Never: changes a value to make it fit; a double into a `real` is rounded, as the server does.
//! Fails: with `CD0311` for a value that does not fit its column.
//! Source: PostgreSQL documentation, "COPY"; the types' `…_recv` functions.

use std::io::Write as _;

use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use cofferdam_call::{Column, DataType, Refusal};

use super::{
    decode::{DAYS_TO_2000, MICROS_TO_2000},
    numeric,
    types::oid,
};
use crate::{calendar, refusals};

/// The start of the binary form: a signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Its end.
pub(super) const TRAILER: [u8; 2] = [0xff, 0xff];

/// How the values of a column are written in the binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Bytes,
    /// Text, and whatever has the same binary form.
    Text,
    Jsonb,
    Uuid,
    Date,
    Time,
    Timestamp,
}

/// How a column of frames is written into a column of the table; none where the binary form of
/// the pair is not known here.
pub(super) fn encoding(from: &DataType, to: u32, is_enum: bool) -> Option<Encoding> {
    Some(match (from, to) {
        (DataType::Boolean, oid::BOOL) => Encoding::Bool,
        (DataType::Int64, oid::INT2) => Encoding::Int2,
        (DataType::Int64, oid::INT4) => Encoding::Int4,
        (DataType::Int64, oid::INT8) => Encoding::Int8,
        (DataType::Int64, oid::OID) => Encoding::Oid,
        (DataType::Float64, oid::FLOAT4) => Encoding::Float4,
        (DataType::Float64, oid::FLOAT8) => Encoding::Float8,
        (
            DataType::Int64
            | DataType::Float64
            | DataType::Decimal { .. }
            | DataType::Text
            | DataType::Other(_),
            oid::NUMERIC,
        ) => Encoding::Numeric,
        (DataType::Bytes, oid::BYTEA) => Encoding::Bytes,
        (DataType::Date, oid::DATE) => Encoding::Date,
        (DataType::Time, oid::TIME) => Encoding::Time,
        (DataType::Timestamp | DataType::TimestampUtc, oid::TIMESTAMP | oid::TIMESTAMPTZ) => {
            Encoding::Timestamp
        }
        (DataType::Text | DataType::Json | DataType::Other(_), to) => match to {
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::XML => Encoding::Text,
            _ if is_enum => Encoding::Text,
            oid::JSONB => Encoding::Jsonb,
            oid::UUID => Encoding::Uuid,
            _ => return None,
        },
        _ => return None,
    })
}

/// One column of a batch.
enum Source<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Wide(&'a Decimal256Array),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
}

impl<'a> Source<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        let any = array.as_any();
        None.or_else(|| any.downcast_ref().map(Self::Int))
            .or_else(|| any.downcast_ref().map(Self::Text))
            .or_else(|| any.downcast_ref().map(Self::Float))
            .or_else(|| any.downcast_ref().map(Self::Timestamp))
            .or_else(|| any.downcast_ref().map(Self::Decimal))
            .or_else(|| any.downcast_ref().map(Self::Date))
            .or_else(|| any.downcast_ref().map(Self::Bool))
            .or_else(|| any.downcast_ref().map(Self::Bytes))
            .or_else(|| any.downcast_ref().map(Self::Time))
            .or_else(|| any.downcast_ref().map(Self::Wide))
    }
}

/// Writes rows.
pub(super) struct Encoder {
    columns: Vec<Column>,
    /// None for the text form.
    encodings: Option<Vec<Encoding>>,
}

impl Encoder {
    pub(super) fn new(columns: Vec<Column>, encodings: Option<Vec<Encoding>>) -> Self {
        Self { columns, encodings }
    }

    pub(super) fn is_binary(&self) -> bool {
        self.encodings.is_some()
    }

    /// Appends the rows of a batch from `first` on, until `out` holds `enough` bytes; gives the
    /// row to go on with.
    pub(super) fn write(
        &self,
        batch: &RecordBatch,
        first: usize,
        enough: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Refusal> {
        let sources: Option<Vec<Source<'_>>> = batch.columns().iter().map(|a| Source::of(&**a)).collect();
        let sources =
            sources.ok_or_else(|| refusals::bad_frame("a column is of a type that is not taken"))?;
        let mut row = first;
        while row < batch.num_rows() && out.len() < enough {
            match &self.encodings {
                Some(encodings) => self.write_binary(batch, &sources, encodings, row, out)?,
                None => self.write_text(batch, &sources, row, out)?,
            }
            row += 1;
        }
        Ok(row)
    }

    fn write_binary(
        &self,
        batch: &RecordBatch,
        sources: &[Source<'_>],
        encodings: &[Encoding],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let count = u16::try_from(sources.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for (n, (source, encoding)) in sources.iter().zip(encodings).enumerate() {
            if batch.column(n).is_null(row) {
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                continue;
            }
            write_value(source, *encoding, row, out).ok_or_else(|| {
                refusals::misfit(format!(
                    "column `{}` holds a value that does not fit the table's column",
                    self.columns[n].name
                ))
            })?;
        }
        Ok(())
    }

    fn write_text(
        &self,
        batch: &RecordBatch,
        sources: &[Source<'_>],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        for (n, source) in sources.iter().enumerate() {
            if n > 0 {
                out.push(b'\t');
            }
            if batch.column(n).is_null(row) {
                out.extend_from_slice(b"\\N");
                continue;
            }
            write_as_text(source, row, out).ok_or_else(|| {
                refusals::misfit(format!(
                    "column `{}` holds a date or time outside of the years 1 to 9999",
                    self.columns[n].name
                ))
            })?;
        }
        out.push(b'\n');
        Ok(())
    }
}

#[inline]
fn write_value(source: &Source<'_>, encoding: Encoding, row: usize, out: &mut Vec<u8>) -> Option<()> {
    match (encoding, source) {
        (Encoding::Int8, Source::Int(v)) => fixed(out, v.value(row).to_be_bytes()),
        (Encoding::Int4, Source::Int(v)) => fixed(out, i32::try_from(v.value(row)).ok()?.to_be_bytes()),
        (Encoding::Int2, Source::Int(v)) => fixed(out, i16::try_from(v.value(row)).ok()?.to_be_bytes()),
        (Encoding::Oid, Source::Int(v)) => fixed(out, u32::try_from(v.value(row)).ok()?.to_be_bytes()),
        (Encoding::Float8, Source::Float(v)) => fixed(out, v.value(row).to_be_bytes()),
        (Encoding::Float4, Source::Float(v)) => fixed(out, single(v.value(row))?.to_be_bytes()),
        (Encoding::Bool, Source::Bool(v)) => fixed(out, [u8::from(v.value(row))]),
        (Encoding::Text, Source::Text(v)) => variable(out, v.value(row).as_bytes())?,
        (Encoding::Bytes, Source::Bytes(v)) => variable(out, v.value(row))?,
        (Encoding::Date, Source::Date(v)) => {
            let days = v.value(row).checked_sub(DAYS_TO_2000).filter(|days| *days != i32::MIN)?;
            fixed(out, days.to_be_bytes());
        }
        (Encoding::Time, Source::Time(v)) => fixed(out, v.value(row).to_be_bytes()),
        (Encoding::Timestamp, Source::Timestamp(v)) => {
            let micros = v.value(row).checked_sub(MICROS_TO_2000).filter(|micros| *micros != i64::MIN)?;
            fixed(out, micros.to_be_bytes());
        }
        (Encoding::Jsonb, Source::Text(v)) => {
            let text = v.value(row).as_bytes();
            out.extend_from_slice(&i32::try_from(text.len() + 1).ok()?.to_be_bytes());
            out.push(1);
            out.extend_from_slice(text);
        }
        (Encoding::Uuid, Source::Text(v)) => fixed(out, uuid(v.value(row))?),
        (Encoding::Numeric, source) => return numeric_value(source, row, out),
        _ => return None,
    }
    Some(())
}

fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    #[allow(clippy::cast_possible_truncation, reason = "at most sixteen")]
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn variable(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&i32::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

/// Rounded as the server rounds; what is finite stays so.
fn single(value: f64) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation, reason = "rounding is meant")]
    let single = value as f32;
    (single.is_finite() || !value.is_finite()).then_some(single)
}

fn numeric_value(source: &Source<'_>, row: usize, out: &mut Vec<u8>) -> Option<()> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let whole = match source {
        Source::Decimal(v) => u8::try_from(v.scale()).ok().map(|scale| (v.value(row), scale)),
        Source::Int(v) => Some((v.value(row).into(), 0)),
        _ => None,
    };
    if !whole.is_some_and(|(value, scale)| numeric::write_i128(value, scale, out)) {
        numeric_from_text(source, row, out)?;
    }
    let length = u32::try_from(out.len() - at - 4).ok()?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Some(())
}

fn numeric_from_text(source: &Source<'_>, row: usize, out: &mut Vec<u8>) -> Option<()> {
    let text = match source {
        Source::Int(v) => v.value(row).to_string(),
        Source::Decimal(v) => v.value_as_string(row),
        Source::Wide(v) => v.value_as_string(row),
        Source::Float(v) => v.value(row).to_string(),
        Source::Text(v) => v.value(row).trim().to_owned(),
        _ => return None,
    };
    let sign: u16 = match text.to_ascii_lowercase().as_str() {
        "nan" => 0xC000,
        "inf" | "infinity" | "+infinity" => 0xD000,
        "-inf" | "-infinity" => 0xF000,
        _ if numeric::write_text(&text, out) => 0,
        _ => return None,
    };
    if sign != 0 {
        let [high, low] = sign.to_be_bytes();
        out.extend_from_slice(&[0, 0, 0, 0, high, low, 0, 0]);
    }
    Some(())
}

/// `8-4-4-4-12` hexadecimal digits, or the same without hyphens.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let hyphens = [8, 13, 18, 23];
    let digits: Vec<u8> = match bytes.len() {
        32 => bytes.to_vec(),
        36 if hyphens.iter().all(|at| bytes[*at] == b'-') => {
            bytes.iter().enumerate().filter(|(at, _)| !hyphens.contains(at)).map(|(_, byte)| *byte).collect()
        }
        _ => return None,
    };
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(uuid)
}

fn write_as_text(source: &Source<'_>, row: usize, out: &mut Vec<u8>) -> Option<()> {
    let written = match source {
        Source::Bool(v) => {
            out.push(if v.value(row) { b't' } else { b'f' });
            Ok(())
        }
        // Writing to memory cannot fail.
        Source::Int(v) => write!(out, "{}", v.value(row)),
        Source::Float(v) => write!(out, "{}", v.value(row)),
        Source::Decimal(v) => write!(out, "{}", v.value_as_string(row)),
        Source::Wide(v) => write!(out, "{}", v.value_as_string(row)),
        Source::Date(v) => write!(out, "{}", calendar::write_date(v.value(row))?),
        Source::Time(v) => write!(out, "{}", calendar::write_time(v.value(row))?),
        Source::Timestamp(v) => {
            let zone = if v.timezone().is_some() { "+00" } else { "" };
            write!(out, "{}{zone}", calendar::write_timestamp(v.value(row))?)
        }
        Source::Bytes(v) => {
            out.extend_from_slice(b"\\\\x");
            v.value(row).iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        Source::Text(v) => {
            for byte in v.value(row).bytes() {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    b'\n' => out.extend_from_slice(b"\\n"),
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'\t' => out.extend_from_slice(b"\\t"),
                    byte => out.push(byte),
                }
            }
            Ok(())
        }
    };
    written.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_hyphens_or_none() {
        let bytes = uuid("a0EEbc99-9c0b-4ef8-bb6d-6bb9bd380a11").unwrap();
        assert_eq!(uuid("a0eebc999c0b4ef8bb6d6bb9bd380a11"), Some(bytes));
        for text in ["", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11", "é"]
        {
            assert_eq!(uuid(text), None, "{text}");
        }
    }

    #[test]
    fn a_double_that_is_finite_stays_so() {
        assert_eq!(single(1e300), None);
        assert_eq!(single(f64::INFINITY), Some(f32::INFINITY));
        assert_eq!(single(0.5), Some(0.5));
    }
}

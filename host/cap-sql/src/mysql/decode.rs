//! Columns and rows of a result, straight into the Arrow builders.
//!
//! | MySQL | column type |
//! |---|---|
//! | `tinyint` (also `boolean`) … `bigint`, `int unsigned`, `year`, `bit` to 63 | `int64` |
//! | `bigint unsigned`, `bit(64)` | `decimal(20, 0)` |
//! | `decimal(p, s)` | `decimal(p, s)` |
//! | `float`, `double` | `float64` |
//! | `date`, `datetime`, `timestamp` | `date`, `timestamp`, `timestamp-utc` |
//! | `time` | `time`; outside of a day it is refused |
//! | `char`, `varchar`, `text`, `enum`, `set` | `text` |
//! | `binary`, `varbinary`, `blob` | `bytes` |
//! | `json` | `json` |
//! | `geometry` and its kin | `other`, the engine's bytes in hexadecimal |
//!
//! Dates that are none, such as `0000-00-00`, are refused; `NULLIF` or a CAST to `char` carries them.

use std::fmt::Write as _;

use arrow_buffer::i256;
use cofferdam_call::{Column, DataType, Refusal, VALUE_BYTES_MAX};
use mysql_common::constants::ColumnFlags;

use super::{read::Fields, wire::Broken};
use crate::{
    calendar,
    frames::{Cell, FrameWriter},
    refusals,
};

/// The character set of bytes.
const BINARY: u16 = 63;

/// How the values of a column come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Int1(bool),
    Int2(bool),
    Int4(bool),
    Int8,
    Unsigned8,
    Float,
    Double,
    Decimal { scale: u8, wide: bool },
    Bit,
    Bit64,
    Date,
    Moment,
    Time,
    Text,
    Bytes,
    Hex,
}

/// One column of a result.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    name: String,
    kind: Kind,
    data_type: DataType,
}

impl Definition {
    /// A column's packet. `extended`: MariaDB says more of some types.
    pub(super) fn read(packet: &[u8], extended: bool) -> Result<Self, Broken> {
        let mut fields = Fields(packet);
        // Catalog, schema, table, the table's own name.
        for _ in 0..4 {
            fields.bytes()?;
        }
        let name = cofferdam_call::shorten(&String::from_utf8_lossy(fields.bytes()?), 255);
        fields.bytes()?;
        let (mut of, mut format) = (String::new(), String::new());
        if extended {
            let mut more = Fields(fields.bytes()?);
            while !more.is_empty() {
                let meant = if more.u8()? == 0 { &mut of } else { &mut format };
                *meant = cofferdam_call::shorten(&String::from_utf8_lossy(more.bytes()?), 64);
            }
        }
        let mut fields = Fields(fields.bytes()?);
        let charset = fields.u16()?;
        let length = fields.u32()?;
        let code = fields.u8()?;
        let flags = ColumnFlags::from_bits_truncate(fields.u16()?);
        let decimals = fields.u8()?;
        let (kind, data_type) = shape(code, charset, length, flags, decimals, &of, &format);
        Ok(Self { name, kind, data_type })
    }

    /// As the guest sees it. The server's word on NULL is not always right, so it may be anywhere.
    pub(super) fn column(&self) -> Column {
        Column { name: self.name.clone(), data_type: self.data_type.clone(), nullable: true }
    }
}

fn shape(
    code: u8,
    charset: u16,
    length: u32,
    flags: ColumnFlags,
    decimals: u8,
    of: &str,
    format: &str,
) -> (Kind, DataType) {
    let signed = !flags.contains(ColumnFlags::UNSIGNED_FLAG);
    let whole = |kind| (kind, DataType::Int64);
    let big = || DataType::Decimal { precision: 20, scale: 0 };
    match code {
        1 => whole(Kind::Int1(signed)),
        2 => whole(Kind::Int2(signed)),
        13 => whole(Kind::Int2(false)),
        3 | 9 => whole(Kind::Int4(signed)),
        8 if signed => whole(Kind::Int8),
        8 => (Kind::Unsigned8, big()),
        4 => (Kind::Float, DataType::Float64),
        5 => (Kind::Double, DataType::Float64),
        0 | 246 => decimal(length, signed, decimals),
        16 if length < 64 => whole(Kind::Bit),
        16 => (Kind::Bit64, big()),
        10 | 14 => (Kind::Date, DataType::Date),
        12 => (Kind::Moment, DataType::Timestamp),
        // The session's time zone is UTC.
        7 => (Kind::Moment, DataType::TimestampUtc),
        11 => (Kind::Time, DataType::Time),
        6 => (Kind::Null, DataType::Text),
        245 => (Kind::Text, DataType::Json),
        255 => (Kind::Hex, DataType::Other(if of.is_empty() { "geometry" } else { of }.to_owned())),
        _ if format == "json" => (Kind::Text, DataType::Json),
        // `uuid`, `inet6` and the like come as text.
        _ if !of.is_empty() => (Kind::Text, DataType::Other(of.to_owned())),
        _ if charset == BINARY => (Kind::Bytes, DataType::Bytes),
        _ => (Kind::Text, DataType::Text),
    }
}

fn decimal(length: u32, signed: bool, decimals: u8) -> (Kind, DataType) {
    let scale = decimals.min(38);
    let digits = length.saturating_sub(u32::from(signed)).saturating_sub(u32::from(scale > 0));
    let precision = u8::try_from(digits).unwrap_or(u8::MAX).clamp(scale.max(1), 76);
    (Kind::Decimal { scale, wide: precision > 38 }, DataType::Decimal { precision, scale })
}

/// Bytes a row of the result takes in a frame, at most.
pub(super) fn row_bytes(row: &[u8], columns: usize) -> usize {
    // Text and bytes are in the packet as they are in the frame; the rest has a width. Bytes that
    // become hexadecimal digits double.
    row.len() * 2 + columns * 33
}

/// The columns of a result.
pub(super) struct Decoder {
    definitions: Vec<Definition>,
    tight: bool,
    scratch: String,
}

impl Decoder {
    pub(super) fn new(definitions: Vec<Definition>) -> Self {
        let tight = definitions.iter().all(|d| d.kind != Kind::Hex);
        Self { definitions, tight, scratch: String::new() }
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        self.definitions.iter().map(Definition::column).collect()
    }

    /// Bytes a row takes in a frame, at most.
    pub(super) fn bytes(&self, row: &[u8]) -> usize {
        let bytes = row_bytes(row, self.definitions.len());
        if self.tight { bytes - row.len() } else { bytes }
    }

    /// Adds a row to the frame that is being filled.
    pub(super) fn push(&mut self, row: &[u8], writer: &mut FrameWriter) -> Result<(), Refusal> {
        let Self { definitions, scratch, .. } = self;
        let mut fields = Fields(row);
        // The first two bits mean nothing.
        let nulls = fields.take((definitions.len() + 9) / 8).map_err(Broken::refusal)?;
        for (n, definition) in definitions.iter().enumerate() {
            let bit = n + 2;
            if nulls[bit / 8] >> (bit % 8) & 1 == 1 {
                writer.push(n, Cell::Null)?;
                continue;
            }
            match value(definition, &mut fields)? {
                Decoded::Cell(cell) => writer.push(n, cell)?,
                Decoded::Wide(number) => writer.push(n, Cell::Wide(&number))?,
                Decoded::Hex(bytes) => {
                    scratch.clear();
                    for byte in bytes {
                        // Writing to a string cannot fail.
                        let _ = write!(scratch, "{byte:02x}");
                    }
                    writer.push(n, Cell::Text(scratch))?;
                }
            }
        }
        writer.end_row();
        if fields.is_empty() {
            return Ok(());
        }
        Err(Broken::Protocol("a row is longer than its columns").refusal())
    }
}

enum Decoded<'a> {
    Cell(Cell<'a>),
    Wide(i256),
    Hex(&'a [u8]),
}

fn value<'a>(definition: &Definition, fields: &mut Fields<'a>) -> Result<Decoded<'a>, Refusal> {
    let broken = Broken::refusal;
    Ok(Decoded::Cell(match definition.kind {
        Kind::Null => Cell::Null,
        Kind::Int1(true) => Cell::Int(i8::from_le_bytes(fields.array().map_err(broken)?).into()),
        Kind::Int1(false) => Cell::Int(fields.u8().map_err(broken)?.into()),
        Kind::Int2(true) => Cell::Int(i16::from_le_bytes(fields.array().map_err(broken)?).into()),
        Kind::Int2(false) => Cell::Int(fields.u16().map_err(broken)?.into()),
        Kind::Int4(true) => Cell::Int(i32::from_le_bytes(fields.array().map_err(broken)?).into()),
        Kind::Int4(false) => Cell::Int(fields.u32().map_err(broken)?.into()),
        Kind::Int8 => Cell::Int(i64::from_le_bytes(fields.array().map_err(broken)?)),
        Kind::Unsigned8 => Cell::Decimal(fields.u64().map_err(broken)?.into()),
        Kind::Float => Cell::Float(f32::from_le_bytes(fields.array().map_err(broken)?).into()),
        Kind::Double => Cell::Float(f64::from_le_bytes(fields.array().map_err(broken)?)),
        Kind::Decimal { scale, wide } => {
            let text = fields.bytes().map_err(broken)?;
            let none = || Broken::Protocol("a decimal is none").refusal();
            if wide {
                return Ok(Decoded::Wide(parse_wide(text, scale).ok_or_else(none)?));
            }
            Cell::Decimal(parse_decimal(text, scale).ok_or_else(none)?)
        }
        Kind::Bit => {
            let bits = bits(fields.bytes().map_err(broken)?);
            Cell::Int(bits.and_then(|bits| i64::try_from(bits).ok()).ok_or_else(no_bits)?)
        }
        Kind::Bit64 => Cell::Decimal(bits(fields.bytes().map_err(broken)?).ok_or_else(no_bits)?.into()),
        Kind::Date => Cell::Days(days(fields).map_err(broken)?.ok_or_else(|| no_date(definition))?),
        Kind::Moment => Cell::Micros(moment(fields).map_err(broken)?.ok_or_else(|| no_date(definition))?),
        Kind::Time => Cell::Micros(time(fields).map_err(broken)?.ok_or_else(|| no_time(definition))?),
        Kind::Text => Cell::Text(text(definition, limited(definition, fields)?)?),
        Kind::Bytes => Cell::Bytes(limited(definition, fields)?),
        Kind::Hex => return Ok(Decoded::Hex(limited(definition, fields)?)),
    }))
}

fn limited<'a>(definition: &Definition, fields: &mut Fields<'a>) -> Result<&'a [u8], Refusal> {
    let bytes = fields.bytes().map_err(Broken::refusal)?;
    if bytes.len() > VALUE_BYTES_MAX {
        let name = &definition.name;
        return Err(refusals::limit(format!("column `{name}` holds a value over {VALUE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn text<'a>(definition: &Definition, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| {
        let name = &definition.name;
        refusals::misfit(format!("column `{name}` holds text that is not UTF-8; CAST it AS BINARY"))
    })
}

fn no_bits() -> Refusal {
    Broken::Protocol("a value of bits is too long").refusal()
}

fn no_date(definition: &Definition) -> Refusal {
    let name = &definition.name;
    refusals::misfit(format!(
        "column `{name}` holds a date that is none, such as 0000-00-00; make it NULL in the statement, or CAST it AS CHAR"
    ))
}

fn no_time(definition: &Definition) -> Refusal {
    let name = &definition.name;
    refusals::misfit(format!(
        "column `{name}` holds a time outside of 00:00:00 to 24:00:00; CAST it AS CHAR, or use TIME_TO_SEC"
    ))
}

fn bits(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

fn day(fields: &mut Fields<'_>) -> Result<Option<i32>, Broken> {
    let (year, month, day) = (fields.u16()?, fields.u8()?, fields.u8()?);
    Ok(calendar::date(year.into(), month.into(), day.into()))
}

fn days(fields: &mut Fields<'_>) -> Result<Option<i32>, Broken> {
    let mut inner = Fields(counted(fields)?);
    if inner.is_empty() { Ok(None) } else { day(&mut inner) }
}

const DAY_US: i64 = 86_400_000_000;

fn moment(fields: &mut Fields<'_>) -> Result<Option<i64>, Broken> {
    let mut inner = Fields(counted(fields)?);
    if inner.is_empty() {
        return Ok(None);
    }
    let days = day(&mut inner)?;
    let within = clock(&mut inner)?;
    Ok(days.zip(within).map(|(days, within)| i64::from(days) * DAY_US + within))
}

fn time(fields: &mut Fields<'_>) -> Result<Option<i64>, Broken> {
    let mut inner = Fields(counted(fields)?);
    if inner.is_empty() {
        return Ok(Some(0));
    }
    let (negative, days) = (inner.u8()? != 0, inner.u32()?);
    let within = clock(&mut inner)?;
    Ok(within.filter(|within| days == 0 && (!negative || *within == 0)))
}

/// Hours, minutes, seconds and microseconds, as far as they are there.
fn clock(fields: &mut Fields<'_>) -> Result<Option<i64>, Broken> {
    if fields.is_empty() {
        return Ok(Some(0));
    }
    let (hour, minute, second) = (fields.u8()?, fields.u8()?, fields.u8()?);
    let micros = if fields.is_empty() { 0 } else { fields.u32()? };
    let valid = hour < 24 && minute < 60 && second < 60 && micros < 1_000_000;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Ok(valid.then(|| seconds * 1_000_000 + i64::from(micros)))
}

fn counted<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], Broken> {
    let length = fields.u8()?;
    fields.take(length.into())
}

/// Digits of a decimal without its point: as many behind it as the column has.
fn digits(text: &[u8], scale: u8, mut add: impl FnMut(u8) -> Option<()>) -> Option<bool> {
    let (negative, rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let mut behind = None;
    for byte in rest {
        match (byte, behind) {
            (b'.', None) => behind = Some(0_u8),
            (b'0'..=b'9', _) => {
                add(byte - b'0')?;
                behind = behind.map(|n| n + 1);
            }
            _ => return None,
        }
    }
    for _ in behind.unwrap_or(0)..scale {
        add(0)?;
    }
    (behind.unwrap_or(0) <= scale).then_some(negative)
}

fn parse_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let mut number = 0_i128;
    let negative = digits(text, scale, |digit| {
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        Some(())
    })?;
    Some(if negative { -number } else { number })
}

fn parse_wide(text: &[u8], scale: u8) -> Option<i256> {
    let (mut number, ten) = (i256::ZERO, i256::from_i128(10));
    let negative = digits(text, scale, |digit| {
        number = number.checked_mul(ten)?.checked_add(i256::from_i128(digit.into()))?;
        Some(())
    })?;
    if negative { number.checked_neg() } else { Some(number) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(parse_decimal(b"-12.5", 3), Some(-12_500));
        assert_eq!(parse_decimal(b"7", 0), Some(7));
        assert_eq!(parse_decimal(b".5", 1), Some(5));
        assert_eq!(parse_decimal(b"1.25", 1), None, "more digits than the column has");
        assert_eq!(parse_decimal(b"1e3", 0), None);
        let nines = "9".repeat(65);
        assert_eq!(parse_wide(nines.as_bytes(), 0).unwrap().to_string(), nines);
        assert_eq!(parse_decimal(nines.as_bytes(), 0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_column_or_refused(bytes: Vec<u8>, extended: bool) {
            let _ = Definition::read(&bytes, extended);
        }

        #[test]
        fn any_bytes_are_a_row_or_refused(bytes: Vec<u8>, codes in prop::collection::vec(0..=255_u8, 1..8), charset in 62..64_u16) {
            let flags = ColumnFlags::empty();
            let definitions = codes.iter().map(|code| {
                let (kind, data_type) = shape(*code, charset, 20, flags, 2, "", "");
                Definition { name: "x".to_owned(), kind, data_type }
            });
            let mut decoder = Decoder::new(definitions.collect());
            let (mut writer, _) = FrameWriter::new(decoder.columns()).unwrap();
            let _ = decoder.push(&bytes, &mut writer);
        }
    }
}

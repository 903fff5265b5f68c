//! Values a statement is executed with.

use arrow_array::{
    Array as _, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float64Array, Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType as Arrow, TimeUnit};
use cofferdam_call::{Refusal, Value};

use super::connection::Prepared;
use crate::{calendar, refusals};

const COM_STMT_EXECUTE: u8 = 0x17;
const TINY: u8 = 1;
const DOUBLE: u8 = 5;
const NULL: u8 = 6;
const LONGLONG: u8 = 8;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;
const DAY_US: i64 = 86_400_000_000;

/// The values of one execution, in the order of their marks.
#[derive(Default)]
pub(super) struct Values {
    nulls: Vec<u8>,
    types: Vec<u8>,
    bytes: Vec<u8>,
    count: usize,
}

impl Values {
    /// A guest's values.
    pub(super) fn of(values: &[Value]) -> Result<Self, Refusal> {
        let mut made = Self::default();
        for value in values {
            match value {
                Value::Null => made.null(),
                Value::Boolean(value) => made.add(TINY, &[u8::from(*value)]),
                Value::Int64(value) => made.add(LONGLONG, &value.to_le_bytes()),
                Value::Float64(value) => made.float(*value)?,
                Value::Text(value) => made.counted(VAR_STRING, value.as_bytes()),
                Value::Bytes(value) => made.counted(BLOB, value),
            }
        }
        Ok(made)
    }

    /// Adds one value of a column of Arrow's.
    pub(super) fn cell(&mut self, array: &ArrayRef, row: usize) -> Result<(), Refusal> {
        fn at<T: 'static>(array: &ArrayRef) -> Result<&T, Refusal> {
            array.as_any().downcast_ref().ok_or_else(|| refusals::bad_frame("a column is not of its type"))
        }
        if array.is_null(row) {
            self.null();
            return Ok(());
        }
        match array.data_type() {
            Arrow::Boolean => self.add(TINY, &[at::<BooleanArray>(array)?.value(row).into()]),
            Arrow::Int64 => self.add(LONGLONG, &at::<Int64Array>(array)?.value(row).to_le_bytes()),
            Arrow::Float64 => self.float(at::<Float64Array>(array)?.value(row))?,
            Arrow::Utf8 => self.counted(VAR_STRING, at::<StringArray>(array)?.value(row).as_bytes()),
            Arrow::Binary => self.counted(BLOB, at::<BinaryArray>(array)?.value(row)),
            Arrow::Date32 => self.date(at::<Date32Array>(array)?.value(row))?,
            Arrow::Time64(TimeUnit::Microsecond) => {
                self.time(at::<Time64MicrosecondArray>(array)?.value(row))?;
            }
            Arrow::Timestamp(TimeUnit::Microsecond, _) => {
                self.moment(at::<TimestampMicrosecondArray>(array)?.value(row))?;
            }
            Arrow::Decimal128(..) => {
                let text = at::<Decimal128Array>(array)?.value_as_string(row);
                self.counted(VAR_STRING, text.as_bytes());
            }
            Arrow::Decimal256(..) => {
                let text = at::<Decimal256Array>(array)?.value_as_string(row);
                self.counted(VAR_STRING, text.as_bytes());
            }
            _ => return Err(refusals::bad_frame("a column is of a type that is not taken")),
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes the command takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.types.len() + self.nulls.len() + 16
    }

    /// The command that executes a statement with them.
    pub(super) fn command(&self, statement: Prepared) -> Vec<u8> {
        let mut command = Vec::with_capacity(self.bytes());
        command.push(COM_STMT_EXECUTE);
        command.extend_from_slice(&statement.id.to_le_bytes());
        // No cursor; once.
        command.extend_from_slice(&[0, 1, 0, 0, 0]);
        if self.count > 0 {
            command.extend_from_slice(&self.nulls);
            command.push(1);
            command.extend_from_slice(&self.types);
            command.extend_from_slice(&self.bytes);
        }
        command
    }

    pub(super) fn clear(&mut self) {
        self.nulls.clear();
        self.types.clear();
        self.bytes.clear();
        self.count = 0;
    }

    fn kind(&mut self, kind: u8) {
        if self.count.is_multiple_of(8) {
            self.nulls.push(0);
        }
        self.types.extend_from_slice(&[kind, 0]);
        self.count += 1;
    }

    fn null(&mut self) {
        self.kind(NULL);
        let bit = (self.count - 1) % 8;
        if let Some(last) = self.nulls.last_mut() {
            *last |= 1 << bit;
        }
    }

    fn add(&mut self, kind: u8, bytes: &[u8]) {
        self.kind(kind);
        self.bytes.extend_from_slice(bytes);
    }

    fn float(&mut self, value: f64) -> Result<(), Refusal> {
        if !value.is_finite() {
            return Err(refusals::misfit("MySQL keeps neither infinity nor what is not a number"));
        }
        self.add(DOUBLE, &value.to_le_bytes());
        Ok(())
    }

    fn counted(&mut self, kind: u8, bytes: &[u8]) {
        self.kind(kind);
        let length = (bytes.len() as u64).to_le_bytes();
        match bytes.len() {
            0..=250 => self.bytes.push(length[0]),
            251..=0xffff => self.bytes.extend_from_slice(&[0xfc, length[0], length[1]]),
            0x1_0000..=0xff_ffff => self.bytes.extend_from_slice(&[0xfd, length[0], length[1], length[2]]),
            _ => {
                self.bytes.push(0xfe);
                self.bytes.extend_from_slice(&length);
            }
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn date(&mut self, days: i32) -> Result<(), Refusal> {
        let (year, month, day) = calendar::civil(days).ok_or_else(outside)?;
        let year = year.to_le_bytes();
        self.add(DATE, &[4, year[0], year[1], month, day]);
        Ok(())
    }

    fn time(&mut self, micros: i64) -> Result<(), Refusal> {
        let ([hour, minute, second], fraction) = clock(micros)?;
        self.add(TIME, &[12, 0, 0, 0, 0, 0, hour, minute, second]);
        self.bytes.extend_from_slice(&fraction.to_le_bytes());
        Ok(())
    }

    fn moment(&mut self, micros: i64) -> Result<(), Refusal> {
        let days = i32::try_from(micros.div_euclid(DAY_US)).map_err(|_| outside())?;
        let (year, month, day) = calendar::civil(days).ok_or_else(outside)?;
        let ([hour, minute, second], fraction) = clock(micros.rem_euclid(DAY_US))?;
        let year = year.to_le_bytes();
        self.add(DATETIME, &[11, year[0], year[1], month, day, hour, minute, second]);
        self.bytes.extend_from_slice(&fraction.to_le_bytes());
        Ok(())
    }
}

fn outside() -> Refusal {
    refusals::misfit("a date or time is outside of the years 0000 to 9999, or of a day")
}

/// Hours, minutes and seconds; and microseconds.
fn clock(micros: i64) -> Result<([u8; 3], u32), Refusal> {
    if !(0..DAY_US).contains(&micros) {
        return Err(outside());
    }
    let seconds = micros / 1_000_000;
    let part = |n: i64| u8::try_from(n).map_err(|_| outside());
    let fraction = u32::try_from(micros % 1_000_000).map_err(|_| outside())?;
    Ok(([part(seconds / 3600)?, part(seconds / 60 % 60)?, part(seconds % 60)?], fraction))
}

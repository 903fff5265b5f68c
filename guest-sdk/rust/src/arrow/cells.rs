//! Batches to rows of plain values, and rows to batches.
//!
//! In and out: [`Value`]s. Days, times, moments and decimals are text there, in ISO 8601 and in
//! digits; numbers and truths may also come as text, as they stand in a CSV file.
//! Fails: with `Invalid`, naming row and column.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, RecordBatch, RecordBatchOptions, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
    cast::AsArray,
    types::{
        Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, Time64MicrosecondType,
        TimestampMicrosecondType,
    },
};
use arrow_buffer::i256;
use arrow_schema::DataType as Arrow;

use super::{calendar, schema, schema::UTC};
use crate::{Column, DataType, Failure, Value, codes};

/// The rows of a batch. `Invalid` where a type is none a frame may carry.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, Failure> {
    super::columns(batch.schema_ref())?;
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for array in batch.columns() {
        for (index, row) in rows.iter_mut().enumerate() {
            row.push(if array.is_null(index) { Value::Null } else { cell(array.as_ref(), index) });
        }
    }
    Ok(rows)
}

fn cell(array: &dyn Array, index: usize) -> Value {
    match array.data_type() {
        Arrow::Boolean => Value::Boolean(array.as_boolean().value(index)),
        Arrow::Int64 => Value::Int64(array.as_primitive::<Int64Type>().value(index)),
        Arrow::Float64 => Value::Float64(array.as_primitive::<Float64Type>().value(index)),
        Arrow::Decimal128(_, scale) => {
            Value::Text(point(&array.as_primitive::<Decimal128Type>().value(index).to_string(), *scale))
        }
        Arrow::Decimal256(_, scale) => {
            Value::Text(point(&array.as_primitive::<Decimal256Type>().value(index).to_string(), *scale))
        }
        Arrow::Utf8 => Value::Text(array.as_string::<i32>().value(index).to_owned()),
        Arrow::Binary => Value::Bytes(array.as_binary::<i32>().value(index).to_vec()),
        Arrow::Date32 => {
            Value::Text(calendar::format_date(array.as_primitive::<Date32Type>().value(index).into()))
        }
        Arrow::Time64(_) => {
            Value::Text(calendar::format_time(array.as_primitive::<Time64MicrosecondType>().value(index)))
        }
        Arrow::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(index);
            let text = calendar::format_timestamp(micros);
            Value::Text(if zone.is_some() { format!("{text}Z") } else { text })
        }
        // `rows` has looked at the types before.
        _ => Value::Null,
    }
}

/// The digits of a whole number with a point before the last `scale` of them.
fn point(digits: &str, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return digits.to_owned();
    }
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// A batch of these rows. Text is read as the type of its column asks for.
pub fn batch(columns: &[Column], rows: &[Vec<Value>]) -> Result<RecordBatch, Failure> {
    for (index, row) in rows.iter().enumerate() {
        if row.len() != columns.len() {
            return Err(Failure::invalid(
                codes::VALUE,
                format!("row {} has {} values for {} columns", index + 1, row.len(), columns.len()),
            ));
        }
    }
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(index, column)| array(column, rows.iter().map(|row| &row[index])))
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema::schema(columns), arrays, &options)
        .map_err(|error| Failure::invalid(codes::VALUE, error.to_string()))
}

fn array<'a>(column: &Column, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef, Failure> {
    Ok(match &column.data_type {
        DataType::Boolean => Arc::new(BooleanArray::from(collect(column, values, "true or false", boolean)?)),
        DataType::Int64 => Arc::new(Int64Array::from(collect(column, values, "a whole number", int64)?)),
        DataType::Float64 => Arc::new(Float64Array::from(collect(column, values, "a number", float64)?)),
        DataType::Decimal { precision, scale } => {
            let what = format!("a number of at most {precision} digits, {scale} of them behind the point");
            let values = collect(column, values, &what, |value| decimal(value, *precision, *scale))?;
            let signed = i8::try_from(*scale).unwrap_or(i8::MAX);
            if *precision <= 38 {
                let values = values.into_iter().map(|value| value.and_then(i256::to_i128));
                let array = values.collect::<Decimal128Array>().with_precision_and_scale(*precision, signed);
                Arc::new(array.map_err(|error| no_type(column, &error.to_string()))?)
            } else {
                let array = values.into_iter().collect::<Decimal256Array>();
                let array = array.with_precision_and_scale(*precision, signed);
                Arc::new(array.map_err(|error| no_type(column, &error.to_string()))?)
            }
        }
        DataType::Text | DataType::Json | DataType::Other(_) => {
            Arc::new(StringArray::from(collect(column, values, "text", text)?))
        }
        DataType::Bytes => {
            let values = collect(column, values, "bytes", bytes)?;
            Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
        DataType::Date => {
            let date = |value: &Value| i32::try_from(calendar::parse_date(as_text(value)?)?).ok();
            Arc::new(Date32Array::from(collect(column, values, "a day as YYYY-MM-DD", date)?))
        }
        DataType::Time => {
            let time = |value: &Value| calendar::parse_time(as_text(value)?);
            Arc::new(Time64MicrosecondArray::from(collect(column, values, "a time as HH:MM:SS", time)?))
        }
        DataType::Timestamp => {
            let moment = |value: &Value| calendar::parse_timestamp(as_text(value)?);
            let what = "a date and time as YYYY-MM-DD HH:MM:SS";
            Arc::new(TimestampMicrosecondArray::from(collect(column, values, what, moment)?))
        }
        DataType::TimestampUtc => {
            let moment = |value: &Value| calendar::parse_timestamp_utc(as_text(value)?);
            let what = "a moment as YYYY-MM-DDTHH:MM:SSZ";
            let array = TimestampMicrosecondArray::from(collect(column, values, what, moment)?);
            Arc::new(array.with_timezone(UTC))
        }
    })
}

fn no_type(column: &Column, why: &str) -> Failure {
    Failure::invalid(codes::VALUE, format!("column `{}`: {why}", column.name))
}

fn collect<'a, T>(
    column: &Column,
    values: impl Iterator<Item = &'a Value>,
    what: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>, Failure> {
    let refuse = |index: usize, says: String| {
        Failure::invalid(codes::VALUE, format!("row {}, column `{}`: {says}", index + 1, column.name))
    };
    values
        .enumerate()
        .map(|(index, value)| match value {
            Value::Null if column.nullable => Ok(None),
            Value::Null => Err(refuse(index, "NULL may not stand there".into())),
            value => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(refuse(index, format!("{} is not {what}", shown(value)))),
            },
        })
        .collect()
}

/// A value in a message: short, so that a message never carries a document.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        Value::Text(value) if value.chars().count() <= 40 => format!("`{value}`"),
        Value::Text(value) => format!("`{}…`", value.chars().take(40).collect::<String>()),
        Value::Bytes(value) => format!("a value of {} bytes", value.len()),
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text.trim()),
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Int64(0) => Some(false),
        Value::Int64(1) => Some(true),
        value => match as_text(value)?.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Some(true),
            "false" | "f" | "0" => Some(false),
            _ => None,
        },
    }
}

fn int64(value: &Value) -> Option<i64> {
    match value {
        Value::Int64(value) => Some(*value),
        value => as_text(value)?.parse().ok(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a whole number in a column of doubles is rounded, as in SQL")]
fn float64(value: &Value) -> Option<f64> {
    match value {
        Value::Float64(value) => Some(*value),
        Value::Int64(value) => Some(*value as f64),
        value => as_text(value)?.parse().ok(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(value) => Some(value.clone()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Int64(value) => Some(value.to_string()),
        Value::Float64(value) => Some(value.to_string()),
        Value::Null | Value::Bytes(_) => None,
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(value) => Some(value.clone()),
        Value::Text(value) => Some(value.clone().into_bytes()),
        _ => None,
    }
}

/// The digits of a decimal without its point. Digits behind the scale must be zeros.
fn decimal(value: &Value, precision: u8, scale: u8) -> Option<i256> {
    let owned = match value {
        Value::Int64(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        value => as_text(value)?.to_owned(),
    };
    let (sign, number) = match owned.as_bytes().first()? {
        b'-' => ("-", &owned[1..]),
        b'+' => ("", &owned[1..]),
        _ => ("", owned.as_str()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale.into()));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let digits = format!("{whole}{kept:0<width$}", width = usize::from(scale));
    let digits = digits.trim_start_matches('0');
    if digits.len() > precision.into() {
        return None;
    }
    i256::from_string(&format!("{sign}{}", if digits.is_empty() { "0" } else { digits }))
}

//! The shared types of columns, as Arrow carries them.

use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use cofferdam_call::{Column, DataType};

/// The Arrow type that carries a column.
pub(crate) fn arrow_type(data_type: &DataType) -> Arrow {
    match data_type {
        DataType::Boolean => Arrow::Boolean,
        DataType::Int64 => Arrow::Int64,
        DataType::Float64 => Arrow::Float64,
        DataType::Decimal { precision, scale } => {
            let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
            if *precision > 38 {
                Arrow::Decimal256(*precision, scale)
            } else {
                Arrow::Decimal128(*precision, scale)
            }
        }
        DataType::Text | DataType::Json | DataType::Other(_) => Arrow::Utf8,
        DataType::Bytes => Arrow::Binary,
        DataType::Date => Arrow::Date32,
        DataType::Time => Arrow::Time64(TimeUnit::Microsecond),
        DataType::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, None),
        DataType::TimestampUtc => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The Arrow schema of some columns.
pub(crate) fn schema(columns: &[Column]) -> Arc<Schema> {
    let fields: Vec<Field> =
        columns.iter().map(|c| Field::new(&c.name, arrow_type(&c.data_type), c.nullable)).collect();
    Arc::new(Schema::new(fields))
}

/// The name of a type as a message says it.
pub(crate) fn name(data_type: &DataType) -> &str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int64 => "int64",
        DataType::Float64 => "float64",
        DataType::Decimal { .. } => "decimal",
        DataType::Text => "text",
        DataType::Bytes => "bytes",
        DataType::Date => "date",
        DataType::Time => "time",
        DataType::Timestamp => "timestamp",
        DataType::TimestampUtc => "timestamp-utc",
        DataType::Json => "json",
        DataType::Other(name) => name,
    }
}

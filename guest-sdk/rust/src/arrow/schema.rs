//! Columns of the contracts as an Arrow schema, and back.

use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};

use crate::{Column, DataType, Failure, codes};

/// The zone of a moment, as Arrow writes it.
pub(super) const UTC: &str = "UTC";

/// The Arrow schema of these columns.
pub fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| Field::new(&column.name, arrow_type(&column.data_type), column.nullable))
            .collect::<Vec<_>>(),
    ))
}

/// The columns of an Arrow schema. JSON documents and the warehouse's own types are text there.
/// `Invalid` where a type is none of the contracts'.
pub fn columns(schema: &Schema) -> Result<Vec<Column>, Failure> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let data_type = our_type(field.data_type()).ok_or_else(|| {
                Failure::invalid(
                    codes::FRAME,
                    format!(
                        "column `{}` has the type {}, which no frame may carry",
                        field.name(),
                        field.data_type()
                    ),
                )
            })?;
            Ok(Column { name: field.name().clone(), data_type, nullable: field.is_nullable() })
        })
        .collect()
}

fn arrow_type(data_type: &DataType) -> Arrow {
    match data_type {
        DataType::Boolean => Arrow::Boolean,
        DataType::Int64 => Arrow::Int64,
        DataType::Float64 => Arrow::Float64,
        DataType::Decimal { precision, scale } => {
            let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
            if *precision <= 38 {
                Arrow::Decimal128(*precision, scale)
            } else {
                Arrow::Decimal256(*precision, scale)
            }
        }
        DataType::Text | DataType::Json | DataType::Other(_) => Arrow::Utf8,
        DataType::Bytes => Arrow::Binary,
        DataType::Date => Arrow::Date32,
        DataType::Time => Arrow::Time64(TimeUnit::Microsecond),
        DataType::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, None),
        DataType::TimestampUtc => Arrow::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

fn our_type(data_type: &Arrow) -> Option<DataType> {
    Some(match data_type {
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int64 => DataType::Int64,
        Arrow::Float64 => DataType::Float64,
        Arrow::Decimal128(precision, scale) | Arrow::Decimal256(precision, scale) => {
            DataType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        Arrow::Utf8 => DataType::Text,
        Arrow::Binary => DataType::Bytes,
        Arrow::Date32 => DataType::Date,
        Arrow::Time64(TimeUnit::Microsecond) => DataType::Time,
        Arrow::Timestamp(TimeUnit::Microsecond, None) => DataType::Timestamp,
        Arrow::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == UTC => DataType::TimestampUtc,
        _ => return None,
    })
}

//! Values of `wit/types` as the door's, and back, with the door's limits.

use cofferdam_call::{
    Access, COLUMNS_MAX, Column, DataType, FRAME_BYTES_MAX, FailureKind, Refusal, STATEMENT_BYTES_MAX,
    VALUE_BYTES_MAX, VALUES_MAX, Value, shorten,
};

use crate::{
    bindings::adapter::cofferdam::types::{
        data as wit,
        failures::{Detail, Failure},
    },
    stopped::{LANE_BROKEN, Stopped, VALUE_TOO_LARGE},
    text::clean,
};

/// Bytes of a name: a column's, a relation's part, a type's.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// A value from a guest that is over its limit; the guest gets it as the case `limit`.
pub(crate) fn too_large(what: &str, size: usize, limit: usize) -> Failure {
    Failure::Limit(Detail {
        code: VALUE_TOO_LARGE.to_string(),
        message: format!("{what} is {size} long; the limit is {limit}"),
    })
}

/// A reply of another kind than the call's.
pub(crate) fn mismatch() -> wasmtime::Error {
    Stopped::new(LANE_BROKEN, "the broker answered with another kind of reply").into()
}

pub(crate) fn bounded(what: &str, size: usize, limit: usize) -> Result<(), Failure> {
    if size > limit { Err(too_large(what, size, limit)) } else { Ok(()) }
}

pub(crate) fn name(what: &str, text: &str) -> Result<(), Failure> {
    bounded(what, text.len(), NAME_BYTES_MAX)
}

pub(crate) fn statement(text: &str) -> Result<(), Failure> {
    bounded("the statement", text.len(), STATEMENT_BYTES_MAX)
}

pub(crate) fn frame(bytes: &[u8]) -> Result<(), Failure> {
    bounded("the frame", bytes.len(), FRAME_BYTES_MAX)
}

pub(crate) fn wit_columns(columns: &[wit::Column]) -> Result<(), Failure> {
    bounded("the list of columns", columns.len(), COLUMNS_MAX)?;
    columns.iter().try_for_each(|column| {
        name("a column's name", &column.name)?;
        wit_data_type(&column.data_type)
    })
}

pub(crate) fn wit_data_type(data_type: &wit::DataType) -> Result<(), Failure> {
    match data_type {
        wit::DataType::Other(text) => name("a type's name", text),
        _ => Ok(()),
    }
}

pub(crate) fn wit_values(values: &[wit::Value]) -> Result<(), Failure> {
    bounded("the list of values", values.len(), VALUES_MAX)?;
    values.iter().try_for_each(wit_value)
}

pub(crate) fn wit_value(value: &wit::Value) -> Result<(), Failure> {
    let size = match value {
        wit::Value::Text(text) => text.len(),
        wit::Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    bounded("a value", size, VALUE_BYTES_MAX)
}

pub(crate) fn wit_relation(relation: &wit::Relation) -> Result<(), Failure> {
    let parts = [relation.database.as_deref(), relation.schema.as_deref(), Some(&*relation.name)];
    parts.into_iter().flatten().try_for_each(|part| name("a part of the relation's name", part))
}

pub(crate) fn values(values: Vec<wit::Value>) -> Result<Vec<Value>, Failure> {
    wit_values(&values)?;
    Ok(values.into_iter().map(value).collect())
}

fn value(value: wit::Value) -> Value {
    match value {
        wit::Value::Null => Value::Null,
        wit::Value::Boolean(b) => Value::Boolean(b),
        wit::Value::Int64(n) => Value::Int64(n),
        wit::Value::Float64(x) => Value::Float64(x),
        wit::Value::Text(text) => Value::Text(text),
        wit::Value::Bytes(bytes) => Value::Bytes(bytes),
    }
}

pub(crate) fn access(access: wit::Access) -> Access {
    match access {
        wit::Access::Read => Access::Read,
        wit::Access::Write => Access::Write,
        wit::Access::Admin => Access::Admin,
    }
}

pub(crate) fn columns(columns: Vec<wit::Column>) -> Result<Vec<Column>, Failure> {
    wit_columns(&columns)?;
    Ok(columns.into_iter().map(column).collect())
}

fn column(column: wit::Column) -> Column {
    let data_type = match column.data_type {
        wit::DataType::Boolean => DataType::Boolean,
        wit::DataType::Int64 => DataType::Int64,
        wit::DataType::Float64 => DataType::Float64,
        wit::DataType::Decimal(d) => DataType::Decimal { precision: d.precision, scale: d.scale },
        wit::DataType::Text => DataType::Text,
        wit::DataType::Bytes => DataType::Bytes,
        wit::DataType::Date => DataType::Date,
        wit::DataType::Time => DataType::Time,
        wit::DataType::Timestamp => DataType::Timestamp,
        wit::DataType::TimestampUtc => DataType::TimestampUtc,
        wit::DataType::Json => DataType::Json,
        wit::DataType::Other(name) => DataType::Other(name),
    };
    Column { name: column.name, data_type, nullable: column.nullable }
}

pub(crate) fn to_wit_columns(columns: Vec<Column>) -> Vec<wit::Column> {
    columns.into_iter().map(to_wit_column).collect()
}

fn to_wit_column(column: Column) -> wit::Column {
    let data_type = match column.data_type {
        DataType::Boolean => wit::DataType::Boolean,
        DataType::Int64 => wit::DataType::Int64,
        DataType::Float64 => wit::DataType::Float64,
        DataType::Decimal { precision, scale } => {
            wit::DataType::Decimal(wit::DecimalShape { precision, scale })
        }
        DataType::Text => wit::DataType::Text,
        DataType::Bytes => wit::DataType::Bytes,
        DataType::Date => wit::DataType::Date,
        DataType::Time => wit::DataType::Time,
        DataType::Timestamp => wit::DataType::Timestamp,
        DataType::TimestampUtc => wit::DataType::TimestampUtc,
        DataType::Json => wit::DataType::Json,
        DataType::Other(name) => wit::DataType::Other(name),
    };
    wit::Column { name: column.name, data_type, nullable: column.nullable }
}

/// A refusal of the broker, as the case the guest can branch on.
pub(crate) fn failure(refusal: Refusal) -> Failure {
    let detail = Detail { code: refusal.code.to_string(), message: refusal.message };
    match refusal.kind {
        FailureKind::Refused => Failure::Refused(detail),
        FailureKind::Invalid => Failure::Invalid(detail),
        FailureKind::Constraint => Failure::Constraint(detail),
        FailureKind::Permission => Failure::Permission(detail),
        FailureKind::Transient => Failure::Transient(detail),
        FailureKind::Unavailable => Failure::Unavailable(detail),
        FailureKind::Limit => Failure::Limit(detail),
        FailureKind::Cancelled => Failure::Cancelled(detail),
    }
}

/// A failure an adapter reported, cut to its limits before a task sees it.
pub(crate) fn trimmed(mut failure: Failure) -> Failure {
    let (Failure::Refused(detail)
    | Failure::Invalid(detail)
    | Failure::Constraint(detail)
    | Failure::Permission(detail)
    | Failure::Transient(detail)
    | Failure::Unavailable(detail)
    | Failure::Limit(detail)
    | Failure::Cancelled(detail)) = &mut failure;
    detail.code = shorten(&clean(&detail.code), 16);
    detail.message = shorten(&clean(&detail.message), cofferdam_call::MESSAGE_BYTES_MAX);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_every_type_survive_the_way_there_and_back() {
        let types = [
            DataType::Boolean,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal { precision: 38, scale: 9 },
            DataType::Text,
            DataType::Bytes,
            DataType::Date,
            DataType::Time,
            DataType::Timestamp,
            DataType::TimestampUtc,
            DataType::Json,
            DataType::Other("geometry".to_owned()),
        ];
        let all: Vec<_> =
            types.map(|data_type| Column { name: "c".to_owned(), data_type, nullable: true }).into();
        assert_eq!(columns(to_wit_columns(all.clone())).unwrap(), all);
    }

    #[test]
    fn values_over_their_limit_are_refused_as_a_limit() {
        let long = || "x".repeat(VALUE_BYTES_MAX + 1);
        assert!(matches!(values(vec![wit::Value::Text(long())]), Err(Failure::Limit(_))));
        assert!(matches!(values(vec![wit::Value::Bytes(long().into())]), Err(Failure::Limit(_))));
        assert!(matches!(values(vec![wit::Value::Null; VALUES_MAX + 1]), Err(Failure::Limit(_))));
        assert!(values(vec![wit::Value::Text("x".repeat(VALUE_BYTES_MAX))]).is_ok());
        assert!(matches!(name("a name", &"x".repeat(256)), Err(Failure::Limit(_))));
        assert!(matches!(frame(&vec![0; FRAME_BYTES_MAX + 1]), Err(Failure::Limit(_))));
    }
}

//! Bound values: their types as the server is told, and their bytes.

use bytes::BytesMut;
use cofferdam_call::{Refusal, Value};
use postgres_protocol::{IsNull, message::frontend};

use super::{errors::Fault, types::oid};
use crate::refusals;

/// Bytes of all values of one statement. The wire counts in `i32`; this is far below.
const VALUES_BYTES_MAX: usize = 64 << 20;

/// The types the values are announced with; text and NULL take the type the statement wants.
pub(super) fn types(values: &[Value]) -> impl Iterator<Item = u32> + '_ {
    values.iter().map(|value| match value {
        Value::Null | Value::Text(_) => 0,
        Value::Boolean(_) => oid::BOOL,
        Value::Int64(_) => oid::INT8,
        Value::Float64(_) => oid::FLOAT8,
        Value::Bytes(_) => oid::BYTEA,
    })
}

/// Checks what has to hold before a byte is sent.
pub(super) fn check(values: &[Value]) -> Result<(), Refusal> {
    let bytes = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 8,
    };
    if values.iter().map(bytes).sum::<usize>() > VALUES_BYTES_MAX {
        return Err(refusals::limit("the values of a statement are over 64 MiB long"));
    }
    if values.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0'))) {
        return Err(refusals::invalid("a text holds a NUL character, which PostgreSQL cannot store"));
    }
    Ok(())
}

/// Adds the request that binds the values of the guest's statement.
pub(super) fn bind(
    name: &str,
    values: &[Value],
    result_forms: impl Iterator<Item = i16>,
    out: &mut BytesMut,
) -> Result<(), Fault> {
    let forms = values.iter().map(|value| i16::from(!matches!(value, Value::Null | Value::Text(_))));
    let write = |value: &Value, out: &mut BytesMut| {
        match value {
            Value::Null => return Ok(IsNull::Yes),
            Value::Boolean(value) => out.extend_from_slice(&[u8::from(*value)]),
            Value::Int64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Float64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    };
    frontend::bind("", name, forms, values, write, result_forms, out)
        .map_err(|_| Fault::Here(refusals::limit("the values of the statement cannot be sent")))
}

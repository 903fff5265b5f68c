//! PostgreSQL's types and the contracts' types, turned into each other.
//!
//! In: what `format_type` says of a column. Out: a [`DataType`], and back.
//! Source: `docs/guides/types.md`; the host's driver reads values by the same table.

use cofferdam_sdk::{DataType, adapter::decimal};

/// The type as a table declares it.
pub fn declared(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal { precision, scale } => format!("numeric({precision}, {scale})"),
        DataType::Text => "text".into(),
        DataType::Bytes => "bytea".into(),
        DataType::Date => "date".into(),
        DataType::Time => "time".into(),
        DataType::Timestamp => "timestamp".into(),
        DataType::TimestampUtc => "timestamp with time zone".into(),
        DataType::Json => "jsonb".into(),
        DataType::Other(name) if name.is_empty() => "text".into(),
        DataType::Other(name) => name.clone(),
    }
}

/// The type that a declared one stands for; what the contracts have no word for is `Other`.
pub fn data_type(declared: &str) -> DataType {
    let declared = declared.trim();
    // `timestamp(3) with time zone` keeps its digits in the middle.
    let (name, shape) = match (declared.find('('), declared.find(')')) {
        (Some(open), Some(close)) if open < close => {
            (format!("{}{}", &declared[..open], &declared[close + 1..]), &declared[open + 1..close])
        }
        _ => (declared.to_owned(), ""),
    };
    match name.as_str() {
        "boolean" => DataType::Boolean,
        "smallint" | "integer" | "bigint" | "oid" => DataType::Int64,
        "real" | "double precision" => DataType::Float64,
        "numeric" => decimal(shape).unwrap_or_else(|| DataType::Other("numeric".into())),
        "text" | "character varying" | "character" | "name" => DataType::Text,
        "bytea" => DataType::Bytes,
        "date" => DataType::Date,
        "time without time zone" | "time" => DataType::Time,
        "timestamp without time zone" | "timestamp" => DataType::Timestamp,
        "timestamp with time zone" => DataType::TimestampUtc,
        "json" | "jsonb" => DataType::Json,
        _ => DataType::Other(declared.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_from_its_declaration() {
        for of in [
            DataType::Boolean,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal { precision: 10, scale: 2 },
            DataType::Decimal { precision: 76, scale: 76 },
            DataType::Text,
            DataType::Bytes,
            DataType::Date,
            DataType::Time,
            DataType::Timestamp,
            DataType::TimestampUtc,
            DataType::Json,
            DataType::Other("integer[]".into()),
        ] {
            assert_eq!(data_type(&declared(&of)), of);
        }
    }

    #[test]
    fn types_are_known_as_the_catalog_writes_them() {
        for (text, known) in [
            ("character varying(20)", DataType::Text),
            ("character(3)", DataType::Text),
            ("integer", DataType::Int64),
            ("numeric(12,0)", DataType::Decimal { precision: 12, scale: 0 }),
            ("numeric", DataType::Other("numeric".into())),
            ("numeric(100,0)", DataType::Other("numeric".into())),
            ("numeric(4,-2)", DataType::Other("numeric".into())),
            ("timestamp(3) with time zone", DataType::TimestampUtc),
            ("timestamp(3) without time zone", DataType::Timestamp),
            ("time with time zone", DataType::Other("time with time zone".into())),
            ("uuid", DataType::Other("uuid".into())),
            ("integer[]", DataType::Other("integer[]".into())),
            ("interval", DataType::Other("interval".into())),
        ] {
            assert_eq!(data_type(text), known, "{text}");
        }
    }
}

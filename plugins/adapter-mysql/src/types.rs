//! MySQL's and MariaDB's types and the contracts' types, turned into each other.
//!
//! In: what `information_schema` says of a column. Out: a [`DataType`], and back.
//! Source: `docs/guides/types.md`; the host's driver reads values by the same table.

use cofferdam_sdk::{DataType, adapter::decimal};

/// The type as a table declares it. Text is compared letter by letter, as everywhere else; a
/// moment without `NULL` behind it would take the time of every change.
pub fn declared(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
        DataType::Text => "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".into(),
        DataType::Bytes => "longblob".into(),
        DataType::Date => "date".into(),
        DataType::Time => "time(6)".into(),
        // A moment is kept as it reads in UTC: `timestamp` ends in 2038.
        DataType::Timestamp | DataType::TimestampUtc => "datetime(6)".into(),
        DataType::Json => "json".into(),
        DataType::Other(name) if name.is_empty() => declared(&DataType::Text),
        DataType::Other(name) => name.clone(),
    }
}

/// The type that a declared one stands for; what the contracts have no word for is `Other`.
pub fn data_type(declared: &str) -> DataType {
    let lower = declared.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(lower.len());
    let shape = lower[end..].strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(shape, _)| shape);
    match &lower[..end] {
        "bigint" if lower.contains("unsigned") => DataType::Decimal { precision: 20, scale: 0 },
        "bit" if shape == Some("64") => DataType::Decimal { precision: 20, scale: 0 },
        "boolean" | "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "year" | "bit" => {
            DataType::Int64
        }
        "float" | "double" | "real" => DataType::Float64,
        "decimal" | "numeric" => {
            shape.and_then(decimal).unwrap_or(DataType::Decimal { precision: 10, scale: 0 })
        }
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            DataType::Text
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => DataType::Bytes,
        "date" => DataType::Date,
        "time" => DataType::Time,
        "datetime" => DataType::Timestamp,
        "timestamp" => DataType::TimestampUtc,
        "json" => DataType::Json,
        _ => DataType::Other(declared.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_from_its_declaration_or_as_what_stands_for_it() {
        for of in [
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal { precision: 65, scale: 30 },
            DataType::Text,
            DataType::Bytes,
            DataType::Date,
            DataType::Time,
            DataType::Timestamp,
            DataType::Json,
            DataType::Other("uuid".into()),
        ] {
            assert_eq!(data_type(&declared(&of)), of);
        }
        assert_eq!(data_type(&declared(&DataType::Boolean)), DataType::Int64);
        assert_eq!(data_type(&declared(&DataType::TimestampUtc)), DataType::Timestamp);
    }

    #[test]
    fn types_are_known_as_the_catalog_writes_them() {
        for (text, known) in [
            ("tinyint(1)", DataType::Int64),
            ("bigint(20) unsigned", DataType::Decimal { precision: 20, scale: 0 }),
            ("int unsigned", DataType::Int64),
            ("decimal(10,2)", DataType::Decimal { precision: 10, scale: 2 }),
            ("varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", DataType::Text),
            ("enum('a','b')", DataType::Text),
            ("timestamp(6)", DataType::TimestampUtc),
            ("datetime", DataType::Timestamp),
            ("varbinary(16)", DataType::Bytes),
            ("year(4)", DataType::Int64),
            ("point", DataType::Other("point".into())),
            ("inet6", DataType::Other("inet6".into())),
        ] {
            assert_eq!(data_type(text), known, "{text}");
        }
    }
}

//! SQLite's declared types and the contracts' types, turned into each other.
//!
//! In: what stands behind a column's name in `CREATE TABLE`. Out: a [`DataType`], and back.
//! SQLite keeps any value in any column; a declared type is a wish with an affinity. So names that
//! everybody means alike are taken at their word first, and the affinity decides for the rest.
//! Source: "Datatypes In SQLite", section 3.1, determination of column affinity.

use cofferdam_sdk::{DataType, adapter::decimal};

/// What SQLite does to a value on its way into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Whole numbers where the value is one.
    Integer,
    /// Text of everything but bytes.
    Text,
    /// Nothing.
    Blob,
    /// Floating point numbers.
    Real,
    /// Numbers where the value looks like one.
    Numeric,
}

impl Affinity {
    /// The affinity of a declared type.
    pub fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.trim().is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// A declared type of this affinity that every reader of SQL knows.
    pub fn declared(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
            Self::Real => "REAL",
            Self::Numeric => "NUMERIC",
        }
    }
}

/// The declared type that carries a type.
pub fn declared(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int64 => "INTEGER".into(),
        DataType::Float64 => "REAL".into(),
        DataType::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        DataType::Text => "TEXT".into(),
        DataType::Bytes => "BLOB".into(),
        DataType::Date => "DATE".into(),
        DataType::Time => "TIME".into(),
        DataType::Timestamp => "TIMESTAMP".into(),
        DataType::TimestampUtc => "TIMESTAMPTZ".into(),
        DataType::Json => "JSON".into(),
        DataType::Other(name) => name.clone(),
    }
}

/// The type that a declared type stands for. A number of unknown shape and a column without a type
/// are `Other`, by their declared type.
pub fn data_type(declared: &str) -> DataType {
    let upper = declared.trim().to_ascii_uppercase();
    let (name, shape) = upper.split_once('(').map_or((upper.as_str(), None), |(name, rest)| {
        (name.trim_end(), rest.split_once(')').map(|(shape, _)| shape))
    });
    match name {
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "DATE" => DataType::Date,
        "TIME" => DataType::Time,
        "TIMESTAMP" | "DATETIME" | "TIMESTAMP WITHOUT TIME ZONE" => {
            // `TIMESTAMP(6) WITH TIME ZONE` keeps its zone behind the digits.
            if upper.ends_with("WITH TIME ZONE") { DataType::TimestampUtc } else { DataType::Timestamp }
        }
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => DataType::TimestampUtc,
        "JSON" | "JSONB" => DataType::Json,
        "DECIMAL" | "NUMERIC" | "DEC" => {
            shape.and_then(decimal).unwrap_or_else(|| DataType::Other(declared.trim().to_owned()))
        }
        _ => match Affinity::of(&upper) {
            Affinity::Integer => DataType::Int64,
            Affinity::Text => DataType::Text,
            Affinity::Blob if upper.is_empty() => DataType::Other(String::new()),
            Affinity::Blob => DataType::Bytes,
            Affinity::Real => DataType::Float64,
            Affinity::Numeric => DataType::Other(declared.trim().to_owned()),
        },
    }
}

/// Whether a type says more than its affinity does, so that a table made from a select would
/// lose it.
pub(crate) fn is_more_than_affinity(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Decimal { .. }
        | DataType::Date
        | DataType::Time
        | DataType::Timestamp
        | DataType::TimestampUtc
        | DataType::Bytes
        | DataType::Json => true,
        DataType::Int64 | DataType::Float64 | DataType::Text | DataType::Other(_) => false,
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
            DataType::Other("POINTZ".into()),
        ] {
            let back = data_type(&declared(&of));
            // A name with INT in it has the affinity of whole numbers, whoever chose it.
            if of == DataType::Other("POINTZ".into()) {
                assert_eq!(back, DataType::Int64);
            } else {
                assert_eq!(back, of);
            }
        }
    }

    #[test]
    fn names_are_known_however_they_are_spelled() {
        for (text, known) in [
            ("varchar(20)", DataType::Text),
            ("BIGINT", DataType::Int64),
            ("int", DataType::Int64),
            ("double precision", DataType::Float64),
            ("bool", DataType::Boolean),
            ("datetime", DataType::Timestamp),
            ("timestamp with time zone", DataType::TimestampUtc),
            ("timestamp(6) with time zone", DataType::TimestampUtc),
            ("numeric(12)", DataType::Decimal { precision: 12, scale: 0 }),
            ("decimal( 12 , 4 )", DataType::Decimal { precision: 12, scale: 4 }),
            ("", DataType::Other(String::new())),
            ("NUM", DataType::Other("NUM".into())),
            ("numeric", DataType::Other("numeric".into())),
            ("uuid", DataType::Other("uuid".into())),
        ] {
            assert_eq!(data_type(text), known, "{text}");
        }
    }

    #[test]
    fn a_decimal_of_no_possible_shape_is_none() {
        for text in ["DECIMAL(0)", "DECIMAL(77)", "DECIMAL(4, 5)", "DECIMAL(4, -1)", "DECIMAL(x)", "DECIMAL("]
        {
            assert_eq!(data_type(text), DataType::Other(text.into()), "{text}");
        }
    }
}

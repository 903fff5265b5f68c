//! Values, columns and access modes, as `wit/types` has them.

use serde::{Deserialize, Serialize};

/// How far a SQL session may go. Ordered: `Read < Write < Admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Reads only.
    Read,
    /// Reads, and changes to data and relations.
    Write,
    /// Also changes to the warehouse's shape.
    Admin,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// Arrow `Boolean`.
    Boolean,
    /// Arrow `Int64`.
    Int64,
    /// Arrow `Float64`.
    Float64,
    /// Arrow `Decimal128` or, above 38 digits, `Decimal256`.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Arrow `Utf8`.
    Text,
    /// Arrow `Binary`.
    Bytes,
    /// Arrow `Date32`.
    Date,
    /// Arrow `Time64(us)`.
    Time,
    /// Arrow `Timestamp(us)`.
    Timestamp,
    /// Arrow `Timestamp(us, "UTC")`.
    TimestampUtc,
    /// Arrow `Utf8` holding a JSON document.
    Json,
    /// Arrow `Utf8`; the warehouse's own name of the type.
    Other(String),
}

/// One column of a result or relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name as the warehouse spells it.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether NULL may stand in it.
    pub nullable: bool,
}

/// One bound parameter of a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A floating point number.
    Float64(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
}

//! Values, columns and relations, as `wit/types` has them.
//!
//! In and out: plain Rust values, the same natively and inside a component.
//! Never: speaks to the host.
//! Fails: not at all.
//! Source: `wit/types/types.wit`.

/// The type of a column, in terms every warehouse shares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// True or false. Arrow `Boolean`.
    Boolean,
    /// Whole numbers from -2^63 to 2^63-1. Arrow `Int64`.
    Int64,
    /// IEEE 754 double. Arrow `Float64`.
    Float64,
    /// Exact decimals. Arrow `Decimal128` or, above 38 digits, `Decimal256`.
    Decimal {
        /// All digits, 1 to 76.
        precision: u8,
        /// Digits behind the point, 0 to `precision`.
        scale: u8,
    },
    /// UTF-8 text. Arrow `Utf8`.
    Text,
    /// Bytes. Arrow `Binary`.
    Bytes,
    /// A calendar day. Arrow `Date32`.
    Date,
    /// A time of day to the microsecond. Arrow `Time64(us)`.
    Time,
    /// A date and time without a zone, to the microsecond. Arrow `Timestamp(us)`.
    Timestamp,
    /// A moment, kept in UTC, to the microsecond. Arrow `Timestamp(us, UTC)`.
    TimestampUtc,
    /// A JSON document as text. Arrow `Utf8`.
    Json,
    /// Anything else, by the warehouse's own name for it. Arrow `Utf8`.
    Other(String),
}

/// One column of a result or of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// The name as the warehouse spells it, 1 to 255 characters.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether NULL may stand in it. `true` where the warehouse does not say.
    pub nullable: bool,
}

impl Column {
    /// A column in which NULL may stand.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true }
    }

    /// The same column without NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }
}

/// One parameter of a statement, always bound, never pasted into its text; also one cell of a
/// [`crate::Table`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A floating point number.
    Float64(f64),
    /// Text, at most 1 MiB. Days, times and decimals travel as text, in ISO 8601 and in digits.
    Text(String),
    /// Bytes, at most 1 MiB.
    Bytes(Vec<u8>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int64(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float64(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// How far a session may go. Each mode has its own credential on the host's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Reads only.
    Read,
    /// Reads, and changes to data and relations.
    Write,
    /// Also changes to the warehouse's shape: schemas, roles' rights.
    Admin,
}

/// A table or view by name. Which parts a warehouse has is its dialect's affair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The database or catalog; none for the gateway's own.
    pub database: Option<String>,
    /// The schema; none for the gateway's default.
    pub schema: Option<String>,
    /// The name of the table or view itself, unquoted.
    pub name: String,
}

impl Relation {
    /// A relation of the gateway's own database.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { database: None, schema: Some(schema.into()), name: name.into() }
    }
}

impl std::fmt::Display for Relation {
    /// The parts with dots between them, unquoted: for messages, not for statements.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.name)
    }
}

/// What kind of thing a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A table that holds rows.
    Table,
    /// A view: a stored query.
    View,
}

/// One relation the warehouse has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelationInfo {
    /// Its full name.
    pub relation: Relation,
    /// What it is.
    pub kind: RelationKind,
}

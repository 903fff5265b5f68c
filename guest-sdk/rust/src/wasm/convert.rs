//! Our types and those of the bindings, turned into each other.

use super::bindings::shared::cofferdam::types::{data as d, failures as f};
use crate::{Access, Column, DataType, Detail, Failure, Relation, Value};

/// Turns every item of a list.
pub(super) fn list<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}

#[cfg(any(feature = "adapter", feature = "task"))]
/// Turns a copy of every item of a slice.
pub(super) fn copies<A: Clone, B: From<A>>(items: &[A]) -> Vec<B> {
    items.iter().cloned().map(B::from).collect()
}

impl From<f::Failure> for Failure {
    fn from(failure: f::Failure) -> Self {
        let detail = |detail: f::Detail| Detail { code: detail.code, message: detail.message };
        match failure {
            f::Failure::Refused(of) => Self::Refused(detail(of)),
            f::Failure::Invalid(of) => Self::Invalid(detail(of)),
            f::Failure::Constraint(of) => Self::Constraint(detail(of)),
            f::Failure::Permission(of) => Self::Permission(detail(of)),
            f::Failure::Transient(of) => Self::Transient(detail(of)),
            f::Failure::Unavailable(of) => Self::Unavailable(detail(of)),
            f::Failure::Limit(of) => Self::Limit(detail(of)),
            f::Failure::Cancelled(of) => Self::Cancelled(detail(of)),
        }
    }
}

impl From<Failure> for f::Failure {
    fn from(failure: Failure) -> Self {
        let detail = |detail: Detail| f::Detail { code: detail.code, message: detail.message };
        match failure {
            Failure::Refused(of) => Self::Refused(detail(of)),
            Failure::Invalid(of) => Self::Invalid(detail(of)),
            Failure::Constraint(of) => Self::Constraint(detail(of)),
            Failure::Permission(of) => Self::Permission(detail(of)),
            Failure::Transient(of) => Self::Transient(detail(of)),
            Failure::Unavailable(of) => Self::Unavailable(detail(of)),
            Failure::Limit(of) => Self::Limit(detail(of)),
            Failure::Cancelled(of) => Self::Cancelled(detail(of)),
        }
    }
}

impl From<d::DataType> for DataType {
    fn from(data_type: d::DataType) -> Self {
        match data_type {
            d::DataType::Boolean => Self::Boolean,
            d::DataType::Int64 => Self::Int64,
            d::DataType::Float64 => Self::Float64,
            d::DataType::Decimal(shape) => Self::Decimal { precision: shape.precision, scale: shape.scale },
            d::DataType::Text => Self::Text,
            d::DataType::Bytes => Self::Bytes,
            d::DataType::Date => Self::Date,
            d::DataType::Time => Self::Time,
            d::DataType::Timestamp => Self::Timestamp,
            d::DataType::TimestampUtc => Self::TimestampUtc,
            d::DataType::Json => Self::Json,
            d::DataType::Other(name) => Self::Other(name),
        }
    }
}

impl From<DataType> for d::DataType {
    fn from(data_type: DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int64 => Self::Int64,
            DataType::Float64 => Self::Float64,
            DataType::Decimal { precision, scale } => Self::Decimal(d::DecimalShape { precision, scale }),
            DataType::Text => Self::Text,
            DataType::Bytes => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Time => Self::Time,
            DataType::Timestamp => Self::Timestamp,
            DataType::TimestampUtc => Self::TimestampUtc,
            DataType::Json => Self::Json,
            DataType::Other(name) => Self::Other(name),
        }
    }
}

impl From<d::Column> for Column {
    fn from(column: d::Column) -> Self {
        Self { name: column.name, data_type: column.data_type.into(), nullable: column.nullable }
    }
}

impl From<Column> for d::Column {
    fn from(column: Column) -> Self {
        Self { name: column.name, data_type: column.data_type.into(), nullable: column.nullable }
    }
}

impl From<d::Value> for Value {
    fn from(value: d::Value) -> Self {
        match value {
            d::Value::Null => Self::Null,
            d::Value::Boolean(value) => Self::Boolean(value),
            d::Value::Int64(value) => Self::Int64(value),
            d::Value::Float64(value) => Self::Float64(value),
            d::Value::Text(value) => Self::Text(value),
            d::Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl From<Value> for d::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Int64(value) => Self::Int64(value),
            Value::Float64(value) => Self::Float64(value),
            Value::Text(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl From<d::Access> for Access {
    fn from(access: d::Access) -> Self {
        match access {
            d::Access::Read => Self::Read,
            d::Access::Write => Self::Write,
            d::Access::Admin => Self::Admin,
        }
    }
}

impl From<Access> for d::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
            Access::Admin => Self::Admin,
        }
    }
}

impl From<d::Relation> for Relation {
    fn from(relation: d::Relation) -> Self {
        Self { database: relation.database, schema: relation.schema, name: relation.name }
    }
}

impl From<Relation> for d::Relation {
    fn from(relation: Relation) -> Self {
        Self { database: relation.database, schema: relation.schema, name: relation.name }
    }
}

/// The types of the package `warehouse` exist twice: as a task imports them and as an adapter
/// exports them.
#[cfg(any(feature = "adapter", feature = "task"))]
macro_rules! warehouse_types {
    ($w:path) => {
        const _: () = {
            use $w as w;

            use crate::{
                ChangeMark, ColumnDeclaration, Dialect, HardDeletes, HistoryNames, MergeStrategy,
                RelationInfo, RelationKind, Snapshot, ValueRange,
            };

            impl From<w::Dialect> for Dialect {
                fn from(of: w::Dialect) -> Self {
                    Self {
                        name: of.name,
                        quote: of.quote,
                        default_schema: of.default_schema,
                        transactional_ddl: of.transactional_ddl,
                    }
                }
            }

            impl From<Dialect> for w::Dialect {
                fn from(of: Dialect) -> Self {
                    Self {
                        name: of.name,
                        quote: of.quote,
                        default_schema: of.default_schema,
                        transactional_ddl: of.transactional_ddl,
                    }
                }
            }

            impl From<w::RelationInfo> for RelationInfo {
                fn from(of: w::RelationInfo) -> Self {
                    let kind = match of.kind {
                        w::RelationKind::Table => RelationKind::Table,
                        w::RelationKind::View => RelationKind::View,
                    };
                    Self { relation: of.relation.into(), kind }
                }
            }

            impl From<RelationInfo> for w::RelationInfo {
                fn from(of: RelationInfo) -> Self {
                    let kind = match of.kind {
                        RelationKind::Table => w::RelationKind::Table,
                        RelationKind::View => w::RelationKind::View,
                    };
                    Self { relation: of.relation.into(), kind }
                }
            }

            impl From<w::ColumnDeclaration> for ColumnDeclaration {
                fn from(of: w::ColumnDeclaration) -> Self {
                    Self { name: of.name, declared: of.declared, nullable: of.nullable }
                }
            }

            impl From<ColumnDeclaration> for w::ColumnDeclaration {
                fn from(of: ColumnDeclaration) -> Self {
                    Self { name: of.name, declared: of.declared, nullable: of.nullable }
                }
            }

            impl From<w::MergeStrategy> for MergeStrategy {
                fn from(of: w::MergeStrategy) -> Self {
                    match of {
                        w::MergeStrategy::Append => Self::Append,
                        w::MergeStrategy::DeleteInsert(key) => Self::DeleteInsert(key),
                        w::MergeStrategy::Merge(key) => Self::Merge(key),
                    }
                }
            }

            impl From<MergeStrategy> for w::MergeStrategy {
                fn from(of: MergeStrategy) -> Self {
                    match of {
                        MergeStrategy::Append => Self::Append,
                        MergeStrategy::DeleteInsert(key) => Self::DeleteInsert(key),
                        MergeStrategy::Merge(key) => Self::Merge(key),
                    }
                }
            }

            impl From<w::SnapshotSpec> for Snapshot {
                fn from(of: w::SnapshotSpec) -> Self {
                    let mark = match of.mark {
                        w::ChangeMark::UpdatedAt(column) => ChangeMark::UpdatedAt(column),
                        w::ChangeMark::Columns(columns) => ChangeMark::Columns(columns),
                    };
                    let hard_deletes = match of.hard_deletes {
                        w::HardDeletes::Ignore => HardDeletes::Ignore,
                        w::HardDeletes::Invalidate => HardDeletes::Invalidate,
                    };
                    let w::HistoryNames { id, valid_from, valid_to, updated_at } = of.names;
                    let names = HistoryNames { id, valid_from, valid_to, updated_at };
                    Self { key: of.key, mark, hard_deletes, at: of.at, names }
                }
            }

            impl From<Snapshot> for w::SnapshotSpec {
                fn from(of: Snapshot) -> Self {
                    let mark = match of.mark {
                        ChangeMark::UpdatedAt(column) => w::ChangeMark::UpdatedAt(column),
                        ChangeMark::Columns(columns) => w::ChangeMark::Columns(columns),
                    };
                    let hard_deletes = match of.hard_deletes {
                        HardDeletes::Ignore => w::HardDeletes::Ignore,
                        HardDeletes::Invalidate => w::HardDeletes::Invalidate,
                    };
                    let HistoryNames { id, valid_from, valid_to, updated_at } = of.names;
                    let names = w::HistoryNames { id, valid_from, valid_to, updated_at };
                    Self { key: of.key, mark, hard_deletes, at: of.at, names }
                }
            }

            impl From<w::ValueRange> for ValueRange {
                fn from(of: w::ValueRange) -> Self {
                    Self { column: of.column, start: of.start.into(), end: of.end.into() }
                }
            }

            impl From<ValueRange> for w::ValueRange {
                fn from(of: ValueRange) -> Self {
                    Self { column: of.column, start: of.start.into(), end: of.end.into() }
                }
            }
        };
    };
}

#[cfg(any(feature = "adapter", feature = "task"))]
pub(super) use warehouse_types;

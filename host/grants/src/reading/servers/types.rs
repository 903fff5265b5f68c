//! Types a statement may convert to. `regclass` and its kin tell what the catalog tells, which any
//! SQL grant may read; what is left of the server's own types is refused.

use sqlparser::ast::{ArrayElemTypeDef, DataType};

use super::Found;
use crate::reading::ReadingProblem;

/// PostgreSQL's types for its own use.
const CATALOG_TYPES: [&str; 3] = ["aclitem", "regconfig", "regdictionary"];

/// Whether a word is the name of such a type.
pub(super) fn is_catalog_type(word: &str) -> bool {
    CATALOG_TYPES.contains(&word)
}

pub(super) fn check(data_type: &DataType) -> Found<()> {
    let refuse = || Err(ReadingProblem::Type(data_type.to_string().chars().take(60).collect()));
    match data_type {
        DataType::Custom(name, _) => {
            let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
            let catalog = parts.last().is_none_or(|last| {
                is_catalog_type(&last.value) || (last.value.starts_with("pg_") && last.value != "pg_lsn")
            });
            if catalog || parts.len() > 2 || parts.len() != name.0.len() { refuse() } else { Ok(()) }
        }
        DataType::Array(element) => match element {
            ArrayElemTypeDef::AngleBracket(inner)
            | ArrayElemTypeDef::SquareBracket(inner, _)
            | ArrayElemTypeDef::Parenthesis(inner) => check(inner),
            ArrayElemTypeDef::None => Ok(()),
            ArrayElemTypeDef::Qualified(..) => refuse(),
        },
        DataType::Table(_)
        | DataType::NamedTable { .. }
        | DataType::Map(..)
        | DataType::Tuple(_)
        | DataType::Nested(_)
        | DataType::Struct(..)
        | DataType::Union(_)
        | DataType::Nullable(_)
        | DataType::LowCardinality(_)
        | DataType::Unspecified
        | DataType::Trigger
        | DataType::AnyType => refuse(),
        _ => Ok(()),
    }
}

//! `exceptions.*`.
//!
//! In: messages. Out: never a value but for warnings.
//! Never: goes on after an error.
//! Fails: with what the project says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/exceptions>.

use std::any::Any;

use minijinja::Value;

use super::super::error::RenderKind;
use super::super::interp::Interp;
use super::super::problem::{Outcome, failure};
use super::super::value::{self, Args, Python, native};

/// `exceptions`.
#[derive(Debug)]
struct Exceptions;

pub(super) fn exceptions() -> Value {
    native(Exceptions)
}

const METHODS: [&str; 24] = [
    "CompilationError",
    "column_type_missing",
    "missing_config",
    "missing_materialization",
    "missing_relation",
    "raise_ambiguous_alias",
    "raise_ambiguous_catalog_match",
    "raise_cache_inconsistent",
    "raise_compiler_error",
    "raise_contract_error",
    "raise_database_error",
    "raise_dataclass_not_dict",
    "raise_dep_not_found",
    "raise_dependency_error",
    "raise_duplicate_macro_name",
    "raise_duplicate_patch_name",
    "raise_duplicate_resource_name",
    "raise_fail_fast_error",
    "raise_invalid_property_yml_version",
    "raise_not_implemented",
    "raise_parsing_error",
    "relation_wrong_type",
    "warn",
    "warn_snapshot_timestamp_data_types",
];

impl Python for Exceptions {
    fn type_name(&self) -> &'static str {
        "exceptions"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [&'static str] {
        &METHODS
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if !METHODS.contains(&name) {
            return None;
        }
        let mut given = args.rest();
        given.extend(args.named.drain(..).filter(|(name, _)| &**name != "node").map(|(_, value)| value));
        let first = given.first().map(value::text).unwrap_or_default();
        if name.starts_with("warn") {
            cx.world.warn(&first);
            return Some(Ok(Value::from("")));
        }
        let message = match name {
            "missing_config" => {
                let setting = given.get(1).map(value::text).unwrap_or_default();
                format!("the setting `{setting}` is required")
            }
            "missing_relation" => format!("the relation {first} is missing"),
            "missing_materialization" => format!("there is no materialization for {first}"),
            "relation_wrong_type" => {
                let wanted = given.get(1).map(value::text).unwrap_or_default();
                format!("the relation {first} is not a {wanted}, which is expected here")
            }
            "column_type_missing" => format!(
                "a contract needs the type of every column; it is missing for: {}",
                given.first().map(names).unwrap_or_default()
            ),
            "raise_contract_error" => {
                let found = given.get(1).cloned().unwrap_or_default();
                contract(&given.first().cloned().unwrap_or_default(), &found)
            }
            "raise_fail_fast_error" | "raise_not_implemented" => first,
            _ => first,
        };
        Some(Err(failure(RenderKind::Raised, message)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn names(value: &Value) -> String {
    match value::items(value) {
        Ok(values) if value.as_str().is_none() => {
            values.iter().map(value::text).collect::<Vec<_>>().join(", ")
        }
        _ => value::text(value),
    }
}

/// The columns a contract names and those its model has, side by side.
fn contract(wanted: &Value, found: &Value) -> String {
    let columns = |value: &Value| -> Vec<(String, String)> {
        let part = |column: &Value, names: [&str; 2]| {
            let found = names.iter().find_map(|name| value::item(column, &Value::from(*name)));
            found.map(|found| value::text(&found)).unwrap_or_default()
        };
        let columns = value::items(value).unwrap_or_default();
        columns
            .iter()
            .map(|column| (part(column, ["name", "column_name"]), part(column, ["data_type", "formatted"])))
            .collect()
    };
    let (wanted, found) = (columns(wanted), columns(found));
    let mut told = String::from("the model does not have the columns of its contract:");
    for (name, kind) in &wanted {
        match found.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => told.push_str(&format!(" `{name}` is missing;")),
            Some((_, other)) if !other.eq_ignore_ascii_case(kind) => {
                told.push_str(&format!(" `{name}` is {other}, not {kind};"));
            }
            Some(_) => {}
        }
    }
    for (name, _) in &found {
        if !wanted.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            told.push_str(&format!(" `{name}` is not in the contract;"));
        }
    }
    told.trim_end_matches(';').to_owned()
}

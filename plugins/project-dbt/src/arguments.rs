//! The arguments of a generic test, from the words of a properties file to values.
//!
//! In: the `kwargs` of a test's metadata, a world. Out: what the test's macro is called with.
//! Never: renders the name of a column, which is text as it stands.
//! Fails: with a [`RenderError`], where an argument's Jinja cannot be rendered.
//! Source: dbt renders texts that look like `ref(…)`, `source(…)`, `var(…)`, `env_var(…)` and
//! `doc(…)` as if they stood in braces.

use minijinja::Value;
use serde_json::Value as Json;

use crate::jinja::{Engine, RenderError, World, dict_of, from_json, list_of};

/// How deep lists and maps are followed.
const DEPTH_MAX: usize = 64;

/// The arguments of a test, rendered: what `_dbt_generic_test_kwargs` is.
///
/// # Errors
/// Where one of them cannot be rendered.
pub fn rendered(
    engine: &Engine,
    package: &str,
    path: &str,
    arguments: &Json,
    world: &dyn World,
) -> Result<Value, RenderError> {
    let mut values = Vec::new();
    for (name, value) in arguments.as_object().into_iter().flatten() {
        let value = match (name.as_str(), value) {
            ("column_name", Json::String(column)) => Value::from(column.as_str()),
            _ => one(engine, package, path, value, world, DEPTH_MAX)?,
        };
        values.push((name.clone(), value));
    }
    Ok(dict_of(values))
}

fn one(
    engine: &Engine,
    package: &str,
    path: &str,
    value: &Json,
    world: &dyn World,
    depth: usize,
) -> Result<Value, RenderError> {
    match value {
        Json::String(text) if looks_like_a_call(text) => {
            engine.native(package, path, &format!("{{{{ {text} }}}}"), world)
        }
        Json::String(text) if text.contains("{{") || text.contains("{%") => {
            engine.native(package, path, text, world)
        }
        Json::Array(items) if depth > 0 && has_text(value) => {
            let items = items
                .iter()
                .map(|item| one(engine, package, path, item, world, depth - 1))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(list_of(items))
        }
        Json::Object(map) if depth > 0 && has_text(value) => {
            let mut entries = Vec::new();
            for (key, value) in map {
                entries.push((key.clone(), one(engine, package, path, value, world, depth - 1)?));
            }
            Ok(dict_of(entries))
        }
        other => Ok(from_json(other)),
    }
}

/// Whether something in it is to be rendered.
fn has_text(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("{{") || text.contains("{%") || looks_like_a_call(text),
        Json::Array(items) => items.iter().any(has_text),
        Json::Object(map) => map.values().any(has_text),
        _ => false,
    }
}

/// Whether a text is a call such as `ref('orders')`.
#[must_use]
pub fn looks_like_a_call(text: &str) -> bool {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else { return false };
    matches!(name.trim_end(), "env_var" | "ref" | "var" | "source" | "doc")
        && rest.ends_with(')')
        && rest.len() > 1
        && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_other_texts() {
        for call in ["ref('a')", " source('a', 'b') ", "var('x')", "env_var('HOME')"] {
            assert!(looks_like_a_call(call), "{call}");
        }
        for text in ["a", "ref", "ref()", "refer('a')", "ref('a') + 1", "{{ ref('a') }}"] {
            assert!(!looks_like_a_call(text), "{text}");
        }
    }
}

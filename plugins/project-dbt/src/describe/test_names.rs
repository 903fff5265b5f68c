//! Names and ids of generic tests, as dbt makes them.
//!
//! In: the test's name, what it looks at, its arguments. Out: names, and the digest in its id.
//! Never: reads anything.
//! Fails: not at all.
//! Source: manifests of dbt 1.8 to 1.12; `[^0-9a-zA-Z_]+` becomes `_`, names of 64 letters and more
//! are cut to 30 and an MD5.

use md5::{Digest as _, Md5};
use serde_json::{Map, Value as Json};

use super::nodes::hex;
use crate::python;

/// The short and the full name of a test of this kind on this target.
pub(super) fn names(kind: &str, target: &str, arguments: &Map<String, Json>) -> (String, String) {
    let mut sorted: Vec<(&String, &Json)> = arguments.iter().filter(|(name, _)| *name != "model").collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let mut parts = Vec::new();
    for (_, value) in sorted {
        match value {
            Json::Object(map) => parts.extend(map.values().map(python::text)),
            Json::Array(items) => parts.extend(items.iter().map(python::text)),
            other => parts.push(python::text(other)),
        }
    }
    let unique = parts.iter().map(|part| flat(part)).collect::<Vec<_>>().join("__");
    let identifier = format!("{kind}_{target}");
    let full = format!("{identifier}_{unique}");
    if full.chars().count() < 64 {
        return (full.clone(), full);
    }
    let start: String = identifier.chars().take(30).collect();
    (format!("{start}_{}", md5(&full)), full)
}

/// The last ten digits of a digest of name and metadata: they end the test's id.
pub(super) fn digest(name: &str, metadata: &Json) -> String {
    let digest = md5(&format!("{name}{}", python::repr(&hashable(metadata))));
    digest[digest.len() - 10..].to_owned()
}

/// A value with sorted keys, everything that is no list and no map as text.
fn hashable(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut sorted: Vec<(&String, &Json)> = map.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            Json::Object(sorted.into_iter().map(|(key, value)| (key.clone(), hashable(value))).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(hashable).collect()),
        other => Json::String(python::text(other)),
    }
}

/// Everything but letters, digits and `_` made one `_`.
fn flat(text: &str) -> String {
    let mut flat = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            flat.push(c);
            inside = false;
        } else if !inside {
            flat.push('_');
            inside = true;
        }
    }
    flat
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_test_is_named_as_dbt_names_it() {
        let arguments =
            json!({"column_name": "order_item_id", "model": "{{ get_where_subquery(ref('order_items')) }}"});
        let (short, full) = names("not_null", "order_items", arguments.as_object().unwrap());
        assert_eq!((short.as_str(), full.as_str()), ("not_null_order_items_order_item_id", short.as_str()));
        let metadata = json!({"namespace": null, "name": "not_null", "kwargs": arguments});
        assert_eq!(digest(&full, &metadata), "c6fda366bd");
    }

    #[test]
    fn a_long_name_is_cut_and_told_apart_by_a_digest() {
        let arguments = json!({"column_name": "status", "values": ["a b", 1, true], "quote": "x".repeat(60)});
        let (short, full) = names("accepted_values", "orders", arguments.as_object().unwrap());
        assert_eq!(short.len(), "accepted_values_orders_".len() + 32);
        assert!(short.starts_with("accepted_values_orders_"));
        assert!(full.ends_with("__a_b__1__True"));
    }
}

//! What nodes ask for that only some warehouses have.
//!
//! In: a node's kind and configuration, the dialect. Out: what is not to be had there.
//! Never: says anything of PostgreSQL, which has all of it, or of materializations of a project's own.
//! Fails: not at all.
//! Source: `docs/errors/CD0928.md`.

use serde_json::{Map, Value as Json};

/// What a node asks for that a warehouse of this dialect does not have, each with the setting's name.
#[must_use]
pub fn lacking(dialect: &str, config: &Map<String, Json>) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if dialect == "postgres" {
        return all;
    }
    let mut add = |key: &'static str, what: String| all.push((key, what));
    let word = |key: &str| config.get(key).and_then(Json::as_str).unwrap_or_default();
    for key in ["grants", "persist_docs", "incremental_predicates"] {
        let asks = config.get(key).is_some_and(|told| match told {
            Json::Object(map) => {
                map.values().any(|value| *value != Json::Bool(false) && *value != Json::Array(Vec::new()))
            }
            Json::Array(list) => !list.is_empty(),
            Json::Null => false,
            _ => true,
        });
        if asks {
            add(key, format!("`{key}`"));
        }
    }
    for index in config.get("indexes").and_then(Json::as_array).into_iter().flatten() {
        if let Some(kind) = index.get("type").and_then(Json::as_str).filter(|kind| *kind != "btree") {
            add("indexes", format!("an index of the type `{kind}`"));
        }
    }
    if config.get("contract").and_then(|contract| contract.get("enforced")) == Some(&Json::Bool(true)) {
        add("contract", "an enforced contract".to_owned());
    }
    if word("materialized") == "materialized_view" {
        add("materialized", "`materialized: materialized_view`".to_owned());
    }
    if word("materialized") == "snapshot" {
        if word("hard_deletes") == "new_record" {
            add("hard_deletes", "`hard_deletes: new_record`".to_owned());
        }
        if config.get("dbt_valid_to_current").is_some_and(|told| !told.is_null()) {
            add("dbt_valid_to_current", "`dbt_valid_to_current`".to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_warehouse_lacks_is_named_and_what_asks_for_nothing_is_let_pass() {
        let asks = json!({
            "materialized": "snapshot", "grants": {"select": ["ana"]}, "persist_docs": {"relation": true},
            "indexes": [{"columns": ["a"]}, {"columns": ["b"], "type": "gin"}], "contract": {"enforced": true},
            "dbt_valid_to_current": "now()", "hard_deletes": "new_record", "incremental_predicates": ["a > 1"],
        });
        let quiet = json!({
            "materialized": "table", "grants": {}, "persist_docs": {"relation": false}, "indexes": [],
            "contract": {"enforced": false}, "dbt_valid_to_current": null, "incremental_predicates": null,
        });
        let keys = |dialect: &str, config: &Json| -> Vec<&str> {
            lacking(dialect, config.as_object().unwrap()).into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            keys("sqlite", &asks),
            [
                "grants",
                "persist_docs",
                "incremental_predicates",
                "indexes",
                "contract",
                "hard_deletes",
                "dbt_valid_to_current"
            ]
        );
        assert_eq!(keys("mysql", &quiet).len() + keys("postgres", &asks).len(), 0);
    }
}

//! What a project says of one node: `materialized`, `schema`, `tags` and the rest.
//!
//! In: configurations from `dbt_project.yml`, a schema file and `config()` in the file itself, in
//! this order; later ones win, tags add up.
//! Out: a [`Config`].
//! Never: takes a setting it would not honour; what would change the work and is not supported is
//! an error, what only describes (`meta`, `docs`, own words) is kept for `config.get`.
//! Fails: with a sentence on the setting; the caller knows the file and line.
//! Source: <https://docs.getdbt.com/reference/configs-and-properties>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The configuration of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether the node is part of the project. Yes unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How a model becomes a relation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialized: Option<Materialized>,
    /// Its schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The relation's name where it differs from the node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Labels for selection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The columns that tell rows of an incremental model apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unique_key: Vec<String>,
    /// How new rows meet old ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incremental_strategy: Option<Strategy>,
    /// Whether a full refresh is asked for or forbidden, whatever the run says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_refresh: Option<bool>,
    /// Types of seed columns, instead of the inferred ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub column_types: BTreeMap<String, String>,
    /// What stands between the fields of a seed. A comma unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// What a failing test means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The rows a generic test looks at.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Everything else, for `config.get`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub other: Map<String, Json>,
}

/// How a model becomes a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialized {
    /// A table, built anew each time.
    Table,
    /// A view.
    View,
    /// A table that new rows are brought into.
    Incremental,
}

/// How new rows meet old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// They are added.
    #[serde(rename = "append")]
    Append,
    /// Rows with the same key go first.
    #[serde(rename = "delete+insert")]
    DeleteInsert,
    /// Rows with the same key are updated.
    #[serde(rename = "merge")]
    Merge,
}

/// What a failing test means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The test fails, and what stands on the tested model is skipped.
    Error,
    /// A line in the log.
    Warn,
}

/// The settings that [`Config::set`] knows by name.
pub const KNOWN: [&str; 13] = [
    "enabled",
    "materialized",
    "schema",
    "alias",
    "tags",
    "unique_key",
    "incremental_strategy",
    "full_refresh",
    "column_types",
    "delimiter",
    "severity",
    "where",
    "on_schema_change",
];

/// Settings of dbt that would change what is done, and that we do not honour.
const UNSUPPORTED: [&str; 17] = [
    "batch_size",
    "contract",
    "database",
    "error_if",
    "event_time",
    "fail_calc",
    "incremental_predicates",
    "limit",
    "merge_exclude_columns",
    "merge_update_columns",
    "post-hook",
    "post_hook",
    "pre-hook",
    "pre_hook",
    "sql_header",
    "store_failures",
    "warn_if",
];

impl Config {
    /// Takes one setting.
    ///
    /// # Errors
    /// Where the value is not one the setting can have, or the setting is not supported.
    pub fn set(&mut self, name: &str, value: &Json) -> Result<(), String> {
        match name {
            "enabled" => self.enabled = Some(boolean(name, value)?),
            "materialized" => self.materialized = Some(materialized(&text(name, value)?)?),
            "schema" => self.schema = optional_text(name, value)?,
            "alias" => self.alias = optional_text(name, value)?,
            "tags" => {
                for tag in words(name, value)? {
                    if !self.tags.contains(&tag) {
                        self.tags.push(tag);
                    }
                }
            }
            "unique_key" => self.unique_key = words(name, value)?,
            "incremental_strategy" => self.incremental_strategy = Some(strategy(&text(name, value)?)?),
            "full_refresh" => self.full_refresh = Some(boolean(name, value)?),
            "column_types" => self.column_types = column_types(value)?,
            "delimiter" => self.delimiter = Some(delimiter(&text(name, value)?)?),
            "severity" => self.severity = Some(severity(&text(name, value)?)?),
            "where" => self.condition = optional_text(name, value)?,
            "on_schema_change" => match value.as_str() {
                Some("ignore") => {}
                _ => return Err("`on_schema_change` can only be `ignore` (the default); after a change of columns run with `full_refresh`".to_owned()),
            },
            _ if UNSUPPORTED.contains(&name) && asks_for_something(value) => {
                return Err(format!("the setting `{name}` is not supported; remove it, so that nothing is expected of it"));
            }
            _ => {
                self.other.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    /// Takes what a later, more specific place says.
    pub fn overlay(&mut self, later: &Config) {
        fn take<T: Clone>(mine: &mut Option<T>, later: &Option<T>) {
            if later.is_some() {
                mine.clone_from(later);
            }
        }
        take(&mut self.enabled, &later.enabled);
        take(&mut self.materialized, &later.materialized);
        take(&mut self.schema, &later.schema);
        take(&mut self.alias, &later.alias);
        take(&mut self.incremental_strategy, &later.incremental_strategy);
        take(&mut self.full_refresh, &later.full_refresh);
        take(&mut self.delimiter, &later.delimiter);
        take(&mut self.severity, &later.severity);
        take(&mut self.condition, &later.condition);
        for tag in &later.tags {
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        if !later.unique_key.is_empty() {
            self.unique_key.clone_from(&later.unique_key);
        }
        self.column_types.extend(later.column_types.clone());
        self.other.extend(later.other.clone());
    }

    /// How the model becomes a relation: a view unless set, as in dbt.
    #[must_use]
    pub fn materialized(&self) -> Materialized {
        self.materialized.unwrap_or(Materialized::View)
    }

    /// How new rows meet old ones: by key where there is one, added otherwise.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        let by_key = if self.unique_key.is_empty() { Strategy::Append } else { Strategy::DeleteInsert };
        self.incremental_strategy.unwrap_or(by_key)
    }

    /// What is wrong with the whole, once every place has spoken.
    ///
    /// # Errors
    /// Where a strategy lacks its key.
    pub fn check(&self) -> Result<(), String> {
        let incremental = self.materialized() == Materialized::Incremental;
        match self.strategy() {
            Strategy::DeleteInsert | Strategy::Merge if incremental && self.unique_key.is_empty() => {
                Err("this `incremental_strategy` needs a `unique_key`; name the columns, or use `append`"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The value of a setting as `config.get` gives it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Json> {
        if let Some(value) = self.other.get(name) {
            return Some(value.clone());
        }
        let all = serde_json::to_value(self).ok()?;
        all.get(name).filter(|value| !value.is_null() && KNOWN.contains(&name)).cloned()
    }
}

/// Whether an unsupported setting was given a value that asks for anything.
fn asks_for_something(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => entries.get("enforced") != Some(&Json::Bool(false)) && !entries.is_empty(),
        Json::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}

fn materialized(word: &str) -> Result<Materialized, String> {
    match word {
        "table" => Ok(Materialized::Table),
        "view" => Ok(Materialized::View),
        "incremental" => Ok(Materialized::Incremental),
        _ => Err(format!("`materialized` can be `table`, `view` or `incremental`, not `{word}`")),
    }
}

fn strategy(word: &str) -> Result<Strategy, String> {
    match word {
        "append" => Ok(Strategy::Append),
        "delete+insert" => Ok(Strategy::DeleteInsert),
        "merge" => Ok(Strategy::Merge),
        _ => Err(format!("`incremental_strategy` can be `append`, `delete+insert` or `merge`, not `{word}`")),
    }
}

fn severity(word: &str) -> Result<Severity, String> {
    match word.to_ascii_lowercase().as_str() {
        "error" => Ok(Severity::Error),
        "warn" => Ok(Severity::Warn),
        _ => Err(format!("`severity` can be `error` or `warn`, not `{word}`")),
    }
}

fn delimiter(word: &str) -> Result<char, String> {
    match word.replace("\\t", "\t").chars().collect::<Vec<_>>()[..] {
        [one] if one.is_ascii() && one != '"' && one != '\n' => Ok(one),
        _ => Err(format!("`delimiter` is one ASCII character, not `{word}`")),
    }
}

fn column_types(value: &Json) -> Result<BTreeMap<String, String>, String> {
    let wrong = || "`column_types` is a map of column names to types".to_owned();
    let map = value.as_object().ok_or_else(wrong)?;
    map.iter()
        .map(|(column, kind)| Ok((column.clone(), kind.as_str().ok_or_else(wrong)?.to_owned())))
        .collect()
}

fn boolean(name: &str, value: &Json) -> Result<bool, String> {
    match value {
        Json::Bool(value) => Ok(*value),
        Json::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("`{name}` is true or false, not `{value}`")),
    }
}

fn text(name: &str, value: &Json) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` is a text, not `{value}`"))
}

fn optional_text(name: &str, value: &Json) -> Result<Option<String>, String> {
    if value.is_null() { Ok(None) } else { text(name, value).map(Some) }
}

/// One word or a list of words.
fn words(name: &str, value: &Json) -> Result<Vec<String>, String> {
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => items.iter().map(|item| text(name, item)).collect(),
        other => Ok(vec![text(name, other)?]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_more_specific_place_wins_and_tags_add_up() {
        let mut config = Config::default();
        config.set("materialized", &json!("table")).unwrap();
        config.set("tags", &json!("nightly")).unwrap();
        let mut later = Config::default();
        later.set("materialized", &json!("incremental")).unwrap();
        later.set("unique_key", &json!("id")).unwrap();
        later.set("tags", &json!(["nightly", "money"])).unwrap();
        config.overlay(&later);
        assert_eq!(config.materialized(), Materialized::Incremental);
        assert_eq!(config.strategy(), Strategy::DeleteInsert);
        assert_eq!(config.tags, ["nightly", "money"]);
    }

    #[test]
    fn what_would_not_be_honoured_is_refused_and_what_describes_is_kept() {
        let mut config = Config::default();
        assert!(config.set("post_hook", &json!("drop table x")).unwrap_err().contains("not supported"));
        assert!(config.set("contract", &json!({"enforced": false})).is_ok());
        assert!(config.set("materialized", &json!("ephemeral")).is_err());
        assert!(config.set("on_schema_change", &json!("fail")).is_err());
        config.set("meta", &json!({"owner": "data"})).unwrap();
        assert_eq!(config.get("meta"), Some(json!({"owner": "data"})));
    }

    #[test]
    fn a_merge_without_a_key_is_refused() {
        let mut config = Config::default();
        config.set("materialized", &json!("incremental")).unwrap();
        config.set("incremental_strategy", &json!("merge")).unwrap();
        assert!(config.check().is_err());
        config.set("unique_key", &json!(["id"])).unwrap();
        assert!(config.check().is_ok());
    }
}

//! The configuration of a node: what every place says, merged as dbt merges it.
//!
//! In: configurations by folder of the node's own project and of the root project, what a
//! properties file says, what `config()` in the node's own file says.
//! Out: the whole configuration with dbt's defaults, and the parts of it as they were written.
//! Never: takes a value of a wrong shape for one that counts.
//! Fails: with a sentence on the setting; the caller knows file and line.
//! Source: <https://docs.getdbt.com/reference/configs-and-properties>; defaults and the way each
//! setting is merged are those of manifest v12.

use serde_json::{Map, Value as Json, json};

use super::file::ProjectFile;

/// Kinds of nodes that have a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A model.
    Model,
    /// A seed.
    Seed,
    /// A snapshot.
    Snapshot,
    /// A data test, singular or generic.
    Test,
    /// A query that is compiled only.
    Analysis,
    /// An on-run hook.
    Operation,
    /// A table of a source.
    Source,
    /// An exposure.
    Exposure,
    /// A unit test.
    UnitTest,
    /// A semantic model.
    SemanticModel,
    /// A metric.
    Metric,
    /// A saved query.
    SavedQuery,
}

impl Kind {
    /// The kind's name in ids and in the manifest.
    pub(crate) fn resource_type(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
            Self::Source => "source",
            Self::Exposure => "exposure",
            Self::UnitTest => "unit_test",
            Self::SemanticModel => "semantic_model",
            Self::Metric => "metric",
            Self::SavedQuery => "saved_query",
        }
    }

    /// The key of the project file with this kind's configurations.
    fn key(self) -> &'static str {
        match self {
            Self::Model | Self::Analysis | Self::Operation => "models",
            Self::Seed => "seeds",
            Self::Snapshot => "snapshots",
            Self::Test => "data_tests",
            Self::Source => "sources",
            Self::Exposure => "exposures",
            Self::UnitTest => "unit_tests",
            Self::SemanticModel => "semantic-models",
            Self::Metric => "metrics",
            Self::SavedQuery => "saved-queries",
        }
    }

    /// What holds where nothing is said, in the manifest's order.
    fn defaults(self) -> Map<String, Json> {
        let defaults = match self {
            Self::Source => json!({
                "enabled": true, "event_time": null, "freshness": threshold(), "loaded_at_field": null,
                "loaded_at_query": null, "meta": {}, "tags": [], "static_analysis": null,
            }),
            Self::Exposure => json!({"enabled": true, "tags": [], "meta": {}}),
            Self::SemanticModel | Self::Metric => json!({"enabled": true, "group": null, "meta": {}}),
            Self::SavedQuery => json!({
                "enabled": true, "group": null, "meta": {}, "export_as": null, "schema": null,
                "cache": {"enabled": false},
            }),
            Self::UnitTest => json!({"tags": [], "meta": {}, "enabled": true, "static_analysis": null}),
            Self::Test => with(
                common(Json::from("dbt_test__audit")),
                json!({
                    "materialized": "test", "severity": "ERROR", "store_failures": null,
                    "store_failures_as": null, "sql_header": null, "where": null, "limit": null,
                    "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0",
                }),
            ),
            Self::Model => with(
                node("view"),
                json!({
                    "access": "protected", "freshness": null, "on_error": null,
                    "latest_version_pointer": {"enabled": null, "alias": null},
                }),
            ),
            Self::Seed => with(node("seed"), json!({"delimiter": ",", "quote_columns": null})),
            Self::Snapshot => with(
                node("snapshot"),
                json!({
                    "strategy": null, "target_schema": null, "target_database": null, "updated_at": null,
                    "check_cols": null,
                    "snapshot_meta_column_names": {
                        "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null,
                        "dbt_updated_at": null, "dbt_is_deleted": null,
                    },
                    "dbt_valid_to_current": null,
                }),
            ),
            Self::Analysis | Self::Operation => node("view"),
        };
        match defaults {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// No expectation of freshness.
pub(crate) fn threshold() -> Json {
    json!({
        "warn_after": {"count": null, "period": null},
        "error_after": {"count": null, "period": null},
        "filter": null,
    })
}

fn common(schema: Json) -> Json {
    json!({
        "enabled": true, "alias": null, "schema": schema, "database": null, "tags": [], "meta": {},
        "group": null, "static_analysis": null,
    })
}

fn node(materialized: &str) -> Json {
    with(
        common(Json::Null),
        json!({
            "materialized": materialized, "incremental_strategy": null, "batch_size": null, "lookback": 1,
            "begin": null, "persist_docs": {}, "post-hook": [], "pre-hook": [], "quoting": {},
            "column_types": {}, "full_refresh": null, "unique_key": null, "on_schema_change": "ignore",
            "on_configuration_change": "apply", "grants": {}, "packages": [],
            "docs": {"show": true, "node_color": null},
            "contract": {"enforced": false, "alias_types": true}, "event_time": null,
            "concurrent_batches": null,
        }),
    )
}

fn with(mut all: Json, more: Json) -> Json {
    if let (Json::Object(all), Json::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

/// How a later value meets an earlier one.
enum Merging {
    /// It takes its place.
    Replace,
    /// Lists add up.
    Append,
    /// Maps are united.
    Update,
    /// Maps of lists; a key that begins with `+` adds to the list.
    AppendByKey,
}

fn merging(kind: Kind, setting: &str) -> Merging {
    match (kind, setting) {
        (Kind::Source, "meta") => Merging::Update,
        (Kind::Source | Kind::Exposure, _) => Merging::Replace,
        (_, "tags") => Merging::Append,
        (_, "meta") => Merging::Update,
        (Kind::Test | Kind::UnitTest, _) => Merging::Replace,
        (_, "pre-hook" | "post-hook" | "packages") => Merging::Append,
        (_, "quoting" | "column_types" | "docs" | "contract") => Merging::Update,
        (Kind::Model, "latest_version_pointer") => Merging::Update,
        (Kind::Snapshot, "snapshot_meta_column_names") => Merging::Update,
        (_, "grants") => Merging::AppendByKey,
        _ => Merging::Replace,
    }
}

/// The configuration of one node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Resolved {
    /// Every setting, defaults included.
    pub(crate) config: Map<String, Json>,
    /// What was said, the last word on each setting.
    pub(crate) unrendered: Map<String, Json>,
}

/// Where configurations come from.
pub(crate) struct Places<'a> {
    /// The project file of the node's package.
    pub(crate) own: &'a ProjectFile,
    /// The project file of the root project.
    pub(crate) root: &'a ProjectFile,
    /// The node's name by its parts.
    pub(crate) fqn: &'a [String],
    /// What a properties file says.
    pub(crate) patch: &'a Map<String, Json>,
    /// What `config()` says.
    pub(crate) call: &'a Map<String, Json>,
}

impl Places<'_> {
    /// The configuration of a node of this kind.
    ///
    /// # Errors
    /// Where a setting has a value it cannot have.
    pub(crate) fn resolve(&self, kind: Kind) -> Result<Resolved, String> {
        let mut resolved = Resolved { config: kind.defaults(), unrendered: Map::new() };
        for level in levels(self.own, kind, self.fqn, true) {
            resolved.take(kind, &level)?;
        }
        for level in levels(self.own, kind, self.fqn, false) {
            resolved.note(&level);
        }
        for said in [self.patch, self.call] {
            let said = hooks_renamed(said);
            resolved.take(kind, &said)?;
            resolved.note(&said);
        }
        if self.own.name != self.root.name {
            for level in levels(self.root, kind, self.fqn, true) {
                resolved.take(kind, &level)?;
            }
            for level in levels(self.root, kind, self.fqn, false) {
                resolved.note(&level);
            }
        }
        resolved.finish(kind)?;
        Ok(resolved)
    }
}

impl Resolved {
    fn note(&mut self, said: &Map<String, Json>) {
        self.unrendered.extend(said.clone());
    }

    fn take(&mut self, kind: Kind, said: &Map<String, Json>) -> Result<(), String> {
        for (setting, value) in said {
            let merging = merging(kind, setting);
            let Some(before) = self.config.get_mut(setting) else {
                self.config.insert(setting.clone(), value.clone());
                continue;
            };
            merge(setting, before, value, &merging)?;
        }
        Ok(())
    }

    /// Checks the whole, and brings it into the manifest's shape.
    fn finish(&mut self, kind: Kind) -> Result<(), String> {
        let config = &mut self.config;
        let wrong =
            |setting: &str, shape: &str, value: &Json| Err(format!("`{setting}` is {shape}, not `{value}`"));
        if let Some(value) = config.get("enabled")
            && !value.is_boolean()
        {
            return wrong("enabled", "true or false", value);
        }
        for setting in ["materialized", "on_schema_change", "severity", "strategy", "delimiter", "fail_calc"]
        {
            if let Some(value) = config.get(setting)
                && !value.is_string()
                && !value.is_null()
            {
                return wrong(setting, "a text", value);
            }
        }
        for setting in ["schema", "alias", "database", "group"] {
            match config.get(setting) {
                // A name of digits alone is a number in YAML.
                Some(Json::Number(number)) => {
                    let text = number.to_string();
                    config.insert(setting.to_owned(), text.into());
                }
                Some(value) if !value.is_string() && !value.is_null() => {
                    return wrong(setting, "a text", value);
                }
                _ => {}
            }
        }
        if let Some(tags) = config.get_mut("tags") {
            if let Json::String(tag) = tags {
                *tags = json!([tag]);
            }
            if tags.as_array().is_none_or(|tags| !tags.iter().all(Json::is_string)) {
                return wrong("tags", "a text or a list of texts", tags);
            }
        }
        for setting in ["pre-hook", "post-hook"] {
            if let Some(Json::Array(hooks)) = config.get_mut(setting) {
                for hook in hooks {
                    *hook = hook_of(hook)
                        .ok_or_else(|| format!("`{setting}` holds `{hook}`, which is not a statement"))?;
                }
            }
        }
        if let Some(Json::Object(grants)) = config.get_mut("grants") {
            for value in grants.values_mut() {
                *value = Json::Array(list(value));
            }
        }
        self.finish_kind(kind)
    }

    fn finish_kind(&mut self, kind: Kind) -> Result<(), String> {
        let config = &mut self.config;
        let text = |config: &Map<String, Json>, key: &str| {
            config.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let fixed = match kind {
            Kind::Seed => "seed",
            Kind::Snapshot => "snapshot",
            Kind::Test => "test",
            _ => "",
        };
        if !fixed.is_empty() && text(config, "materialized") != fixed {
            return Err(format!("a {fixed} is `materialized` as `{fixed}`, nothing else"));
        }
        match kind {
            Kind::Test => {
                let severity = text(config, "severity").to_ascii_lowercase();
                if !matches!(severity.as_str(), "warn" | "error") {
                    return Err(format!(
                        "`severity` is `error` or `warn`, not `{}`",
                        text(config, "severity")
                    ));
                }
                store_failures(config);
            }
            Kind::Model => {
                let build_after = config.get("freshness").is_some_and(|f| f.get("build_after").is_some());
                if !build_after {
                    config.insert("freshness".to_owned(), Json::Null);
                }
                if let Some(Json::Bool(enabled)) = config.get("latest_version_pointer").cloned() {
                    config.insert(
                        "latest_version_pointer".to_owned(),
                        json!({"enabled": enabled, "alias": null}),
                    );
                }
                let enforced =
                    config.get("contract").and_then(|c| c.get("enforced")) == Some(&Json::Bool(true));
                let change = text(config, "on_schema_change");
                if enforced
                    && text(config, "materialized") == "incremental"
                    && !matches!(change.as_str(), "append_new_columns" | "fail")
                {
                    return Err(format!(
                        "`on_schema_change` is `{change}`; an incremental model with an enforced contract needs `append_new_columns` or `fail`"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `store_failures` and `store_failures_as` follow from one another.
fn store_failures(config: &mut Map<String, Json>) {
    let kept = match config.get("store_failures_as").and_then(Json::as_str) {
        Some(kind) => ("store_failures", Json::Bool(kind != "ephemeral")),
        None => match config.get("store_failures") {
            Some(Json::Bool(true)) => ("store_failures_as", "table".into()),
            Some(Json::Bool(false)) => ("store_failures_as", "ephemeral".into()),
            _ => return,
        },
    };
    config.insert(kept.0.to_owned(), kept.1);
}

fn merge(setting: &str, before: &mut Json, value: &Json, merging: &Merging) -> Result<(), String> {
    let map_wanted = || format!("`{setting}` is a map, not `{value}`");
    match merging {
        Merging::Replace => *before = value.clone(),
        Merging::Append => {
            let mut all = list(before);
            all.extend(list(value));
            *before = Json::Array(all);
        }
        Merging::Update if value.is_boolean() && setting == "latest_version_pointer" => {
            *before = json!({"enabled": value, "alias": null});
        }
        Merging::Update => {
            let Some(more) = value.as_object() else {
                return if value.is_null() { Ok(()) } else { Err(map_wanted()) };
            };
            match before {
                Json::Object(all) => all.extend(more.clone()),
                other => *other = value.clone(),
            }
        }
        Merging::AppendByKey => {
            let Some(more) = value.as_object() else {
                return if value.is_null() { Ok(()) } else { Err(map_wanted()) };
            };
            let all = before.as_object_mut().ok_or_else(map_wanted)?;
            for (key, value) in more {
                match key.strip_prefix('+') {
                    Some(name) => {
                        let mut together = all.get(name).map(list).unwrap_or_default();
                        together.extend(list(value));
                        all.insert(name.to_owned(), Json::Array(together));
                    }
                    None => {
                        all.insert(key.clone(), Json::Array(list(value)));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Adds the settings of one more `config()` of a file to those before.
///
/// # Errors
/// Where a setting that is a map is something else.
pub(crate) fn add_call(all: &mut Map<String, Json>, more: &Map<String, Json>) -> Result<(), String> {
    if all.is_empty() {
        all.clone_from(more);
        return Ok(());
    }
    for (setting, value) in more {
        let merging = match setting.as_str() {
            "pre-hook" | "pre_hook" | "post-hook" | "post_hook" | "tags" | "packages" => Merging::Append,
            "quoting" | "column_types" | "meta" | "docs" | "contract" | "snapshot_meta_column_names" => {
                Merging::Update
            }
            "grants" => Merging::AppendByKey,
            _ => Merging::Replace,
        };
        match all.get_mut(setting) {
            Some(before) => merge(setting, before, value, &merging)?,
            None => {
                let value =
                    if matches!(merging, Merging::Append) { Json::Array(list(value)) } else { value.clone() };
                all.insert(setting.clone(), value);
            }
        }
    }
    Ok(())
}

/// What the folders on a node's way say, outermost first. A setting that is a map needs its `+`.
fn levels(file: &ProjectFile, kind: Kind, fqn: &[String], rendered: bool) -> Vec<Map<String, Json>> {
    let Some(mut here) = file.configs(kind.key(), rendered) else { return Vec::new() };
    let mut levels = vec![level(here)];
    for part in fqn {
        let Some(next) = here.get(part).and_then(Json::as_object) else { break };
        levels.push(level(next));
        here = next;
    }
    levels
}

fn level(map: &Map<String, Json>) -> Map<String, Json> {
    let settings = map.iter().filter_map(|(key, value)| match key.strip_prefix('+') {
        Some(setting) => Some((setting.trim().to_owned(), value.clone())),
        None if !value.is_object() => Some((key.clone(), value.clone())),
        None => None,
    });
    hooks_renamed(&settings.collect())
}

/// `pre_hook` is `pre-hook`.
fn hooks_renamed(said: &Map<String, Json>) -> Map<String, Json> {
    said.iter()
        .map(|(key, value)| match key.as_str() {
            "pre_hook" => ("pre-hook".to_owned(), value.clone()),
            "post_hook" => ("post-hook".to_owned(), value.clone()),
            _ => (key.clone(), value.clone()),
        })
        .collect()
}

/// A value as a list: itself, or a list of it.
pub(crate) fn list(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

/// A hook in the manifest's shape: a statement, a map with `sql`, or such a map as JSON text.
fn hook_of(hook: &Json) -> Option<Json> {
    let map = match hook {
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(Json::Object(map)) => map,
            _ => return Some(json!({"sql": text, "transaction": true, "index": null})),
        },
        Json::Object(map) => map.clone(),
        _ => return None,
    };
    let sql = map.get("sql")?.as_str()?;
    let transaction = map.get("transaction").and_then(Json::as_bool).unwrap_or(true);
    Some(json!({"sql": sql, "transaction": transaction, "index": map.get("index").cloned()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Json) -> Map<String, Json> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn tags_add_up_maps_unite_and_the_last_word_counts() {
        let mut resolved = Resolved { config: Kind::Model.defaults(), unrendered: Map::new() };
        let first =
            object(json!({"tags": "a", "meta": {"x": 1}, "schema": "one", "grants": {"select": "me"}}));
        let second =
            object(json!({"tags": ["b"], "meta": {"y": 2}, "schema": "two", "grants": {"+select": ["you"]}}));
        for said in [&first, &second] {
            resolved.take(Kind::Model, said).unwrap_or_default();
        }
        let got = |key: &str| resolved.config[key].clone();
        assert_eq!(got("tags"), json!(["a", "b"]));
        assert_eq!(got("meta"), json!({"x": 1, "y": 2}));
        assert_eq!(got("schema"), "two");
        assert_eq!(got("grants"), json!({"select": ["me", "you"]}));
    }

    #[test]
    fn hooks_are_statements_maps_or_json_texts() {
        let expected = json!({"sql": "vacuum", "transaction": false, "index": null});
        assert_eq!(hook_of(&json!({"sql": "vacuum", "transaction": false})), Some(expected.clone()));
        assert_eq!(hook_of(&json!("{\"sql\": \"vacuum\", \"transaction\": false}")), Some(expected));
        assert_eq!(hook_of(&json!("x")).map(|hook| hook["transaction"].clone()), Some(Json::Bool(true)));
        assert_eq!(hook_of(&json!(7)), None);
    }

    #[test]
    fn a_setting_of_the_wrong_shape_is_refused() {
        for (kind, said, why) in [
            (Kind::Model, json!({"enabled": "maybe"}), "`enabled` is true or false, not `\"maybe\"`"),
            (Kind::Test, json!({"severity": "fatal"}), "`severity` is `error` or `warn`, not `fatal`"),
            (Kind::Seed, json!({"materialized": "view"}), "a seed is `materialized` as `seed`, nothing else"),
            (Kind::Model, json!({"meta": 1}), "`meta` is a map, not `1`"),
        ] {
            let mut resolved = Resolved { config: kind.defaults(), unrendered: Map::new() };
            let result = resolved.take(kind, &object(said)).and_then(|()| resolved.finish(kind));
            assert_eq!(result, Err(why.to_owned()));
        }
    }
}

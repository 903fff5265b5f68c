//! dbt's manifest, schema v12.
//!
//! In: resolved items. Out: the bytes of `manifest.json`.
//! Never: holds a moment or an id of this build: the same files give the same manifest.
//! Fails: not at all.
//! Source: <https://schemas.getdbt.com/dbt/manifest/v12.json>.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde_json::{Map, Value as Json, json};

use super::Build;
use super::nodes::hex;
use crate::project::config::Kind;

/// The moment that stands for that of the build.
const GENERATED_AT: &str = "2000-01-01T00:00:00.000000Z";
/// The version of dbt whose manifests these are.
const DBT_VERSION: &str = "1.10.0";

impl Build<'_> {
    /// The manifest, as JSON.
    pub(super) fn manifest(&mut self) -> Vec<u8> {
        let macros = self.macros_json();
        let docs = self.docs_json();
        let mut nodes = Map::new();
        let mut sources = Map::new();
        let mut exposures = Map::new();
        let mut unit_tests = Map::new();
        let (mut metrics, mut models, mut queries) = (Map::new(), Map::new(), Map::new());
        let mut disabled: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut items = std::mem::take(&mut self.items);
        items.sort_by(|a, b| a.id.cmp(&b.id));
        for item in items {
            if !item.enabled {
                disabled.entry(item.id).or_default().push(Json::Object(item.node));
                continue;
            }
            let mut above: Vec<String> = item.depends.iter().chain(&item.depends_more).cloned().collect();
            above.sort();
            above.dedup();
            parents.insert(item.id.clone(), above);
            if let Some(group) = item.node.get("group").and_then(Json::as_str) {
                members.entry(group.to_owned()).or_default().push(item.id.clone());
            }
            let into = match item.kind {
                Kind::Source => &mut sources,
                Kind::Exposure => &mut exposures,
                Kind::UnitTest => &mut unit_tests,
                Kind::Metric => &mut metrics,
                Kind::SemanticModel => &mut models,
                Kind::SavedQuery => &mut queries,
                _ => &mut nodes,
            };
            into.insert(item.id, Json::Object(item.node));
        }
        for group in self.groups.values() {
            if let Some(name) = group["name"].as_str() {
                members.entry(name.to_owned()).or_default();
            }
        }
        let (children, selectors) = (json!(children_of(&parents)), self.selectors());
        let groups = std::mem::take(&mut self.groups);
        // Moved, not copied: a large project's nodes are most of what is in memory here.
        let parts = [
            ("metadata", self.metadata()),
            ("nodes", Json::Object(nodes)),
            ("sources", Json::Object(sources)),
            ("macros", Json::Object(macros)),
            ("docs", Json::Object(docs)),
            ("exposures", Json::Object(exposures)),
            ("metrics", Json::Object(metrics)),
            ("groups", Json::Object(groups.into_iter().collect())),
            ("selectors", selectors),
            (
                "disabled",
                Json::Object(disabled.into_iter().map(|(id, nodes)| (id, Json::Array(nodes))).collect()),
            ),
            ("parent_map", json!(parents)),
            ("child_map", children),
            ("group_map", json!(members)),
            ("saved_queries", Json::Object(queries)),
            ("semantic_models", Json::Object(models)),
            ("unit_tests", Json::Object(unit_tests)),
            ("functions", json!({})),
        ];
        let manifest: Map<String, Json> =
            parts.into_iter().map(|(key, part)| (key.to_owned(), part)).collect();
        serde_json::to_vec(&manifest).unwrap_or_default()
    }

    fn metadata(&self) -> Json {
        let shared = &self.around.shared;
        let name = &shared.project.name;
        let mut quoting = shared.project.quoting.clone();
        quoting.insert("column".to_owned(), Json::Null);
        json!({
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": DBT_VERSION, "generated_at": GENERATED_AT, "invocation_id": null,
            "invocation_started_at": null, "env": {}, "project_name": name,
            "project_id": hex(&Md5::digest(name.as_bytes())), "user_id": null,
            "send_anonymous_usage_stats": false, "adapter_type": shared.target.kind, "quoting": quoting,
            "run_started_at": null,
        })
    }

    /// The selectors of `selectors.yml`, by name.
    fn selectors(&self) -> Json {
        let Ok(text) = self.cx.files.read_text(&format!("{}selectors.yml", self.root)) else {
            return json!({});
        };
        let Ok(tree) = crate::yaml::parse(&text) else { return json!({}) };
        let mut all = Map::new();
        for selector in tree.get("selectors").map(crate::yaml::Node::items).unwrap_or_default() {
            if let Some(name) = selector.get("name").and_then(|name| name.text()) {
                all.insert(name.to_owned(), selector.to_json());
            }
        }
        Json::Object(all)
    }
}

/// What stands on each node.
fn children_of(parents: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, Vec<&str>> {
    let mut children: BTreeMap<&str, Vec<&str>> =
        parents.keys().map(|id| (id.as_str(), Vec::new())).collect();
    for (id, above) in parents {
        for parent in above {
            children.entry(parent).or_default().push(id);
        }
    }
    children
}

//! Saved queries and their exports.
//!
//! In: entries under `saved_queries`. Out: items.
//! Never: makes an export; dbt's own commands only count them as well.
//! Fails: by adding problems with the line of the query.
//! Source: <https://docs.getdbt.com/docs/build/saved-queries>.

use serde_json::{Map, Value as Json, json};

use super::super::Build;
use super::super::nodes::Item;
use super::shapes::{filter, name_of, said, said_or, word};
use crate::project::config::Kind;
use crate::project::properties::Entry;
use crate::python;

impl Build<'_> {
    /// Adds the saved query of an entry.
    pub(super) fn add_saved_query(&mut self, entry: &Entry) {
        let mut draft = self.semantic_draft(entry, Kind::SavedQuery, &entry.name, &entry.config(&[]));
        let tags = entry.tags(&draft.config);
        draft.node.insert("unrendered_config".to_owned(), Json::Object(entry.config(&[])));
        let Some(asked) = entry.data.get("query_params").and_then(Json::as_object) else {
            let why = "it needs `query_params` with its `metrics`";
            self.semantic_problem(entry, 0, "saved query", &entry.name, why);
            return;
        };
        let exports = entry.data.get("exports").and_then(Json::as_array);
        let mut made = Vec::new();
        for export in exports.into_iter().flatten().filter_map(Json::as_object) {
            match self.export(entry, export, &draft.config) {
                Ok(export) => made.push(export),
                Err(why) => {
                    let why = format!("an export: {why}");
                    self.semantic_problem(entry, 0, "saved query", &entry.name, &why);
                }
            }
        }
        let node = json!({
            "query_params": {
                "metrics": said_or(asked, "metrics", json!([])),
                "group_by": said_or(asked, "group_by", json!([])),
                "where": filter(asked.get("where")), "order_by": said_or(asked, "order_by", json!([])),
                "limit": said(asked, "limit"),
            },
            "exports": made,
            "description": self.semantic_description(entry, entry.data.get("description")),
            "label": said(&entry.data, "label"), "tags": tags,
        });
        self.items.push(draft.item(Kind::SavedQuery, node));
    }

    /// One export: where the query's rows would go.
    fn export(
        &mut self,
        entry: &Entry,
        export: &Map<String, Json>,
        around: &Map<String, Json>,
    ) -> Result<Json, String> {
        let name = name_of(export)?;
        let own = export.get("config").and_then(Json::as_object).cloned().unwrap_or_default();
        let mut all = around.clone();
        all.extend(own.clone());
        let kind = word(&all, "export_as", &["table", "view"])?;
        let custom = |key: &str| all.get(key).filter(|value| !value.is_null()).cloned();
        let schema = custom("schema_name").or_else(|| custom("schema"));
        // The names are made as those of models are.
        let package = self.packages[entry.file.package].name();
        let mut named = Item::new(
            Kind::Analysis,
            entry.file.package,
            &entry.file.path,
            entry.line,
            json!({
                "name": name, "resource_type": "saved_query", "package_name": package, "unique_id": name,
                "config": {"schema": schema, "alias": custom("alias"), "database": custom("database")},
            }),
        );
        self.name(&mut named);
        let schema = schema.map_or_else(|| named.text("schema").to_owned(), |schema| python::text(&schema));
        let alias = custom("alias").map_or_else(|| named.text("alias").to_owned(), |own| python::text(&own));
        Ok(json!({
            "name": name,
            "config": {
                "export_as": kind, "schema_name": schema, "alias": alias, "database": named.text("database"),
            },
            "unrendered_config": own,
        }))
    }
}

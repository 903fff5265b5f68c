//! Tables of sources.
//!
//! In: entries under `sources`, overrides of other packages among them. Out: one item per table.
//! Never: looks whether a table is there.
//! Fails: by adding problems: a table without a name, one described twice, fields that exclude one
//! another.
//! Source: <https://docs.getdbt.com/reference/source-properties>.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::Build;
use super::nodes::Item;
use super::patches::deep_merge;
use crate::project::config::{Kind, Places, list};
use crate::project::properties::{Entry, config_of};
use crate::python;

/// A table, with the entry it stands in.
struct Table<'a> {
    entry: &'a Entry,
    /// What is said of the source, overrides laid over it.
    source: Map<String, Json>,
    /// What is said of the table, overrides laid over it.
    table: Map<String, Json>,
    /// The file with the overrides.
    patched_in: Option<String>,
}

impl Build<'_> {
    /// Reads all tables of all sources.
    pub(super) fn read_sources(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        let all = entries.iter().filter(|entry| entry.kind == "sources");
        let (overrides, own): (Vec<&Entry>, Vec<&Entry>) =
            all.partition(|entry| entry.data.get("overrides").is_some_and(Json::is_string));
        let mut used = BTreeSet::new();
        for entry in own {
            let package = self.packages[entry.file.package].name().to_owned();
            let over = overrides
                .iter()
                .position(|over| over.text("overrides") == package && over.name == entry.name);
            let mut source = entry.data.clone();
            if let Some(at) = over {
                used.insert(at);
                let more = overrides[at]
                    .data
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "tables" | "overrides"));
                source.extend(more.map(|(key, value)| (key.clone(), value.clone())));
            }
            for table in list(entry.data.get("tables").unwrap_or(&Json::Null)) {
                let Some(name) = table.get("name").filter(|name| !name.is_null()).map(python::text) else {
                    let why = format!("a table of the source `{}` has no `name`", entry.name);
                    self.problems.add(&entry.file.path, entry.line, why);
                    continue;
                };
                let mut table = table.as_object().cloned().unwrap_or_default();
                let more = over.and_then(|at| {
                    list(overrides[at].data.get("tables").unwrap_or(&Json::Null))
                        .into_iter()
                        .find(|more| more.get("name").map(python::text).as_deref() == Some(&name))
                });
                if let Some(Json::Object(more)) = more {
                    table.extend(more);
                }
                let patched_in = over.map(|at| overrides[at].file.original.clone());
                let table = Table { entry, source: source.clone(), table, patched_in };
                let item = self.source_table(&table, &name);
                self.items.push(item);
            }
        }
        for (at, over) in overrides.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
            let _ = at;
            self.notes.0.push(format!(
                "{}:{}: there is no source `{}` in the package `{}` to override",
                over.file.path,
                over.line,
                over.name,
                over.text("overrides")
            ));
        }
        self.entries = entries;
    }

    fn source_table(&mut self, table: &Table<'_>, name: &str) -> Item {
        let entry = table.entry;
        let file = &entry.file;
        let package = self.packages[file.package].name().to_owned();
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.extend([entry.name.clone(), name.to_owned()]);
        let patch = self.source_config(table, name);
        let none = Map::new();
        let places = Places {
            own: &self.packages[file.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: &patch,
            call: &none,
        };
        let resolved = places.resolve(Kind::Source).unwrap_or_else(|why| {
            self.problems.add(&file.path, entry.line, format!("the source `{}`: {why}", entry.name));
            crate::project::config::Resolved::default()
        });
        let config = Json::Object(resolved.config);
        let text = |map: &Map<String, Json>, key: &str| {
            map.get(key).filter(|value| !value.is_null()).map(python::text).filter(|text| !text.is_empty())
        };
        let database =
            text(&table.source, "database").unwrap_or_else(|| self.around.shared.target.database.clone());
        let schema = text(&table.source, "schema").unwrap_or_else(|| entry.name.clone());
        let identifier = text(&table.table, "identifier").unwrap_or_else(|| name.to_owned());
        let quoting = source_quoting(&table.source, &table.table);
        let mut relation = self.around.relation(&database, &schema, &identifier);
        relation.quoting = self.quoting(Some(&quoting));
        let mut source_meta = table.source.get("meta").and_then(Json::as_object).cloned().unwrap_or_default();
        let config_meta =
            table.source.get("config").and_then(|config| config.get("meta")).and_then(Json::as_object);
        source_meta.extend(config_meta.cloned().unwrap_or_default());
        let columns = self.columns(entry, table.table.get("columns"));
        let (description, blocks) =
            self.description(entry, &text(&table.table, "description").unwrap_or_default());
        let (about, _) = self.description(entry, &text(&table.source, "description").unwrap_or_default());
        let id = format!("source.{package}.{}.{name}", entry.name);
        let node = json!({
            "database": database, "schema": schema, "name": name, "resource_type": "source",
            "package_name": package, "path": file.original, "original_file_path": file.original,
            "unique_id": id, "fqn": fqn, "source_name": entry.name, "source_description": about,
            "loader": text(&table.source, "loader").unwrap_or_default(), "identifier": identifier,
            "quoting": quoting, "loaded_at_field": config["loaded_at_field"],
            "loaded_at_query": config["loaded_at_query"], "freshness": config["freshness"],
            "external": external(table.table.get("external")), "description": description,
            "columns": columns, "meta": config["meta"], "source_meta": source_meta, "tags": config["tags"],
            "config": config, "patch_path": table.patched_in.as_ref().map(|path| format!("{}://{path}", self.packages[0].name())),
            "unrendered_config": resolved.unrendered, "relation_name": relation.render(), "created_at": 0.0,
            "unrendered_database": written(entry, "database"), "unrendered_schema": written(entry, "schema"),
            "doc_blocks": blocks,
        });
        let enabled = node["config"]["enabled"] != Json::Bool(false);
        let mut item = Item::new(Kind::Source, file.package, &file.path, table_line(entry, name), node);
        item.enabled = enabled;
        item
    }

    /// What source and table say together, as one configuration.
    fn source_config(&mut self, table: &Table<'_>, name: &str) -> Map<String, Json> {
        let (source, own) = (&table.source, &table.table);
        let (source_config, own_config) = (config_of(source, &[]), config_of(own, &[]));
        let mut config = source_config.clone();
        config.extend(own_config.clone());
        let said = |map: &Map<String, Json>, inner: &Map<String, Json>, key: &str| {
            map.get(key)
                .filter(|value| !value.is_null())
                .or_else(|| inner.get(key).filter(|value| !value.is_null()))
                .cloned()
        };
        let mut freshness = None;
        for (map, inner) in [(source, &source_config), (own, &own_config)] {
            for place in [map.get("freshness"), inner.get("freshness")].into_iter().flatten() {
                freshness = Some(merged_freshness(freshness.flatten(), place));
            }
        }
        match freshness {
            Some(Some(freshness)) => {
                config.insert("freshness".to_owned(), freshness);
            }
            Some(None) => {
                config.insert("freshness".to_owned(), Json::Null);
            }
            None => {
                config.remove("freshness");
            }
        }
        let own_field = said(own, &own_config, "loaded_at_field");
        let own_query = said(own, &own_config, "loaded_at_query");
        let present = own.contains_key("loaded_at_field") || own_field.is_some();
        if present && own_query.is_some() {
            let why = format!(
                "the table `{name}` has both `loaded_at_field` and `loaded_at_query`; keep one of them"
            );
            self.problems.add(&table.entry.file.path, table_line(table.entry, name), why);
        }
        let field = if present {
            own_field
        } else if own_query.is_some() {
            None
        } else {
            said(source, &source_config, "loaded_at_field")
        };
        let query = match own_query {
            Some(query) => Some(query),
            None if own.contains_key("loaded_at_field") => None,
            None => said(source, &source_config, "loaded_at_query"),
        };
        config.insert("loaded_at_field".to_owned(), field.unwrap_or_default());
        config.insert("loaded_at_query".to_owned(), query.unwrap_or_default());
        let mut meta = Map::new();
        let mut tags = BTreeSet::new();
        for map in [source, &source_config, own, &own_config] {
            deep_replace(&mut meta, map.get("meta"));
            for tag in list(map.get("tags").unwrap_or(&Json::Null)) {
                tags.insert(python::text(&tag));
            }
        }
        config.insert("meta".to_owned(), Json::Object(meta));
        config.insert("tags".to_owned(), tags.into_iter().collect());
        config
    }
}

fn deep_replace(into: &mut Map<String, Json>, more: Option<&Json>) {
    into.extend(more.and_then(Json::as_object).cloned().unwrap_or_default());
}

/// Quoting of source and table together.
fn source_quoting(source: &Map<String, Json>, table: &Map<String, Json>) -> Json {
    let mut quoting = json!({"database": null, "schema": null, "identifier": null, "column": null});
    for said in [source.get("quoting"), table.get("quoting")].into_iter().flatten() {
        if let (Json::Object(quoting), Json::Object(said)) = (&mut quoting, said) {
            let said = said.iter().filter(|(key, value)| quoting_key(key) && !value.is_null());
            let said: Vec<_> = said.map(|(key, value)| (key.clone(), value.clone())).collect();
            quoting.extend(said);
        }
    }
    quoting
}

fn quoting_key(key: &str) -> bool {
    matches!(key, "database" | "schema" | "identifier" | "column")
}

/// An expectation of freshness laid over another; none where it is switched off.
fn merged_freshness(before: Option<Json>, said: &Json) -> Option<Json> {
    let said = said.as_object()?;
    let mut all = before.unwrap_or_else(crate::project::config::threshold);
    let Json::Object(map) = &mut all else { return None };
    for key in ["warn_after", "error_after"] {
        match said.get(key) {
            None => {}
            Some(Json::Object(time)) => {
                let time = json!({"count": time.get("count"), "period": time.get("period")});
                match (map.get_mut(key), &time) {
                    (Some(Json::Object(before)), Json::Object(time)) => deep_merge(before, time),
                    _ => {
                        map.insert(key.to_owned(), time);
                    }
                }
            }
            Some(_) => {
                map.insert(key.to_owned(), Json::Null);
            }
        }
    }
    if let Some(filter) = said.get("filter") {
        map.insert("filter".to_owned(), filter.clone());
    }
    Some(all)
}

/// Where an external table lies.
fn external(said: Option<&Json>) -> Json {
    let Some(said) = said.and_then(Json::as_object) else { return Json::Null };
    let mut all = Map::new();
    for key in ["location", "file_format", "row_format", "tbl_properties", "partitions"] {
        all.insert(key.to_owned(), said.get(key).cloned().unwrap_or_default());
    }
    all.extend(said.clone());
    Json::Object(all)
}

/// A text of an entry as it is written.
fn written(entry: &Entry, key: &str) -> Json {
    entry.node.get(key).map_or(Json::Null, crate::yaml::Node::to_json)
}

/// The line of a table.
pub(super) fn table_line(entry: &Entry, name: &str) -> u32 {
    let tables = entry.node.get("tables").map(crate::yaml::Node::items).unwrap_or_default();
    let named = |table: &&crate::yaml::Node| table.get("name").and_then(|node| node.text()) == Some(name);
    tables.iter().find(named).map_or(entry.line, |table| table.line)
}

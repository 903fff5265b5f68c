//! Semantic models, metrics and saved queries.
//!
//! In: entries under `semantic_models`, `metrics` and `saved_queries`, and what entries of models
//! say of the same. Out: items, linked with what they stand on.
//! Never: answers a query of a metric; what is kept is what tools read of the manifest.
//! Fails: by adding problems: an unknown type, a measure or a metric that is not there, a circle.
//! Source: <https://docs.getdbt.com/docs/build/semantic-models>,
//! <https://docs.getdbt.com/docs/build/metrics-overview>, <https://docs.getdbt.com/docs/build/saved-queries>.

pub(super) mod columns;
mod links;
mod metrics;
mod models;
mod queries;
mod shapes;

use serde_json::{Map, Value as Json};

use super::Build;
use super::nodes::Item;
use crate::project::config::{Kind, Places, Resolved};
use crate::project::properties::Entry;

/// An item's name, file and resolved configuration.
struct Draft {
    name: String,
    package: usize,
    path: String,
    line: u32,
    /// The manifest's node, as far as all three have it in common.
    node: Map<String, Json>,
    config: Map<String, Json>,
}

impl Draft {
    fn item(mut self, kind: Kind, more: Json) -> Item {
        let enabled = self.config.get("enabled") != Some(&Json::Bool(false));
        let group = self.config.get("group").cloned().unwrap_or_default();
        self.node.insert("group".to_owned(), group);
        self.node.insert("config".to_owned(), Json::Object(self.config));
        if let Json::Object(more) = more {
            self.node.extend(more);
        }
        let mut item = Item::new(kind, self.package, &self.path, self.line, Json::Object(self.node));
        item.enabled = enabled;
        item
    }
}

impl Build<'_> {
    /// Reads all of them.
    pub(super) fn add_semantics(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            match entry.kind {
                "semantic_models" => self.add_semantic_model(entry),
                "metrics" => self.add_metric(entry),
                "saved_queries" => self.add_saved_query(entry),
                "models" => self.add_semantics_of_model(entry),
                _ => {}
            }
        }
        self.entries = entries;
    }

    /// What an item of an entry is made of.
    fn semantic_draft(&mut self, entry: &Entry, kind: Kind, name: &str, said: &Map<String, Json>) -> Draft {
        let file = &entry.file;
        let package = self.packages[file.package].name().to_owned();
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(name.to_owned());
        let none = Map::new();
        let places = Places {
            own: &self.packages[file.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: said,
            call: &none,
        };
        let resolved = places.resolve(kind).unwrap_or_else(|why| {
            let what = kind.resource_type().replace('_', " ");
            self.problems.add(&file.path, entry.line, format!("the {what} `{name}`: {why}"));
            Resolved::default()
        });
        let node = serde_json::json!({
            "name": name, "resource_type": kind.resource_type(), "package_name": package,
            "path": file.relative, "original_file_path": file.original,
            "unique_id": format!("{}.{package}.{name}", kind.resource_type()), "fqn": fqn,
            "metadata": null, "unrendered_config": resolved.unrendered,
            "depends_on": {"macros": [], "nodes": []}, "refs": [], "created_at": 0.0,
        });
        Draft {
            name: name.to_owned(),
            package: file.package,
            path: file.path.clone(),
            line: entry.line,
            node: node.as_object().cloned().unwrap_or_default(),
            config: resolved.config,
        }
    }

    /// Adds a problem of an entry.
    fn semantic_problem(&mut self, entry: &Entry, line: u32, what: &str, name: &str, why: &str) {
        let line = if line == 0 { entry.line } else { line };
        self.problems.add(&entry.file.path, line, format!("the {what} `{name}`: {why}"));
    }

    /// A description with its docs blocks; null where there is none.
    fn semantic_description(&mut self, entry: &Entry, text: Option<&Json>) -> Json {
        match text.and_then(Json::as_str) {
            Some(text) => self.description(entry, text).0.into(),
            None => Json::Null,
        }
    }
}

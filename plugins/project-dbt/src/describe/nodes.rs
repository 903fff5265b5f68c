//! Nodes with code of their own: models, seeds, snapshots, analyses, singular tests, on-run hooks.
//!
//! In: a file's text, what properties files say of it. Out: an [`Item`]: the manifest's node, and
//! what its template asked for.
//! Never: leads a name anywhere; looks at two nodes at a time.
//! Fails: by adding problems; the node is then marked broken, but its name stays known.
//! Source: dbt's manifest v12.

use indexmap::IndexSet;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::Build;
use super::patches::Patch;
use super::world::{Describing, Found, RefAsked};
use crate::project::config::{Kind, Places};

/// A node under construction.
#[derive(Debug)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its id.
    pub(crate) id: String,
    /// The position of its package.
    pub(crate) package: usize,
    /// Its file in the release.
    pub(crate) path: String,
    /// The line its code (or its entry) begins on.
    pub(crate) line: u32,
    /// The properties file and the line of its entry there.
    pub(crate) described: Option<(String, u32)>,
    /// The manifest's node.
    pub(crate) node: Map<String, Json>,
    /// What its code asks for, as dbt finds it.
    pub(crate) refs: Vec<RefAsked>,
    /// What its code asks for where it is built upon what is there, on top of `refs`.
    pub(crate) more_refs: Vec<RefAsked>,
    /// Tables of sources, as dbt finds them.
    pub(crate) sources: Vec<(String, String)>,
    /// The same on top of `sources`.
    pub(crate) more_sources: Vec<(String, String)>,
    /// Metrics that it names, each with the package it names.
    pub(crate) metrics: Vec<(Option<String>, String)>,
    /// Whether it is part of the project.
    pub(crate) enabled: bool,
    /// Whether something is wrong with it; the problem is on the list.
    pub(crate) broken: bool,
    /// Ids of what it stands on.
    pub(crate) depends: IndexSet<String>,
    /// Those of them only found where it is built upon what is there.
    pub(crate) depends_more: IndexSet<String>,
}

impl Item {
    /// An item that asks for nothing yet.
    pub(crate) fn new(kind: Kind, package: usize, path: &str, line: u32, node: Json) -> Self {
        let node = match node {
            Json::Object(node) => node,
            _ => Map::new(),
        };
        let id = node.get("unique_id").and_then(Json::as_str).unwrap_or_default().to_owned();
        Self {
            kind,
            id,
            package,
            path: path.to_owned(),
            line,
            described: None,
            node,
            refs: Vec::new(),
            more_refs: Vec::new(),
            sources: Vec::new(),
            more_sources: Vec::new(),
            metrics: Vec::new(),
            enabled: true,
            broken: false,
            depends: IndexSet::new(),
            depends_more: IndexSet::new(),
        }
    }

    /// A text of the node.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.node.get(key).and_then(Json::as_str).unwrap_or_default()
    }

    /// A setting of the node.
    pub(crate) fn setting(&self, key: &str) -> Option<&Json> {
        self.node.get("config")?.get(key).filter(|value| !value.is_null())
    }

    /// A setting that is text.
    pub(crate) fn setting_text(&self, key: &str) -> Option<&str> {
        self.setting(key)?.as_str()
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    /// Whether it is an ephemeral model.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.kind == Kind::Model && self.setting_text("materialized") == Some("ephemeral")
    }

    /// Whether it is a model built as a view, which is what models are unless they say otherwise.
    pub(crate) fn is_view(&self) -> bool {
        self.kind == Kind::Model && matches!(self.setting_text("materialized"), None | Some("view"))
    }

    /// Whether it keeps the rows a test finds.
    pub(crate) fn stores_failures(&self) -> bool {
        self.kind == Kind::Test && self.setting("store_failures") == Some(&Json::Bool(true))
    }

    /// Whether it has a relation of its own.
    pub(crate) fn is_relational(&self) -> bool {
        match self.kind {
            Kind::Model => !self.is_ephemeral(),
            Kind::Seed | Kind::Snapshot => true,
            _ => self.stores_failures(),
        }
    }

    /// Adds what a template asked for.
    pub(crate) fn take(&mut self, found: Found) {
        self.refs.extend(found.refs);
        self.sources.extend(found.sources);
        self.metrics.extend(found.metrics);
        for id in found.macros {
            self.calls(&id);
        }
    }

    /// Notes that it calls a macro.
    pub(crate) fn calls(&mut self, id: &str) {
        let macros = self.node.get_mut("depends_on").and_then(|on| on.get_mut("macros"));
        if let Some(macros) = macros.and_then(Json::as_array_mut)
            && !macros.iter().any(|known| known.as_str() == Some(id))
        {
            macros.push(id.into());
        }
    }
}

/// What a new node is made of.
pub(crate) struct Draft<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// The position of its package.
    pub(crate) package: usize,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its id.
    pub(crate) id: String,
    /// Its file in the release.
    pub(crate) file: &'a str,
    /// Its path as the manifest has it.
    pub(crate) path: String,
    /// Its file in its package.
    pub(crate) original: &'a str,
    /// Its name by parts.
    pub(crate) fqn: Vec<String>,
    /// Its code, as it stands in the file.
    pub(crate) code: &'a str,
    /// The line the code begins on.
    pub(crate) line: u32,
    /// The digest of its file.
    pub(crate) checksum: Json,
}

/// The digest of a text.
pub(crate) fn checksum(text: &str) -> Json {
    let digest = Sha256::digest(text.as_bytes());
    json!({"name": "sha256", "checksum": hex(&digest)})
}

/// No digest.
pub(crate) fn no_checksum() -> Json {
    json!({"name": "none", "checksum": ""})
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Draft<'_> {
    /// The item with everything that does not depend on its configuration.
    pub(crate) fn item(self, build: &Build<'_>) -> Item {
        let target = &build.around.shared.target;
        let code = self.code.trim();
        let before = self.code.len() - self.code.trim_start().len();
        let line = self.line + u32::try_from(self.code[..before].matches('\n').count()).unwrap_or(0);
        let mut node = json!({
            "database": target.database, "schema": target.schema, "name": self.name,
            "resource_type": self.kind.resource_type(), "package_name": build.packages[self.package].name(),
            "path": self.path, "original_file_path": self.original, "unique_id": self.id,
            "fqn": self.fqn, "alias": self.name, "checksum": self.checksum, "config": {}, "tags": [],
            "description": "", "columns": {}, "meta": {}, "group": null,
            "docs": {"show": true, "node_color": null}, "patch_path": null, "build_path": null,
            "unrendered_config": {}, "created_at": 0.0, "relation_name": null, "raw_code": code,
            "doc_blocks": [],
        });
        let more = match self.kind {
            Kind::Seed => json!({"root_path": null, "depends_on": {"macros": []}}),
            _ => json!({
                "language": "sql", "refs": [], "sources": [], "metrics": [], "functions": [],
                "depends_on": {"macros": [], "nodes": []}, "compiled_path": null,
                "contract": {"enforced": false, "alias_types": true, "checksum": null},
            }),
        };
        let model = match self.kind {
            Kind::Model => json!({
                "access": "protected", "constraints": [], "version": null, "latest_version": null,
                "deprecation_date": null, "primary_key": [], "time_spine": null,
            }),
            _ => json!({}),
        };
        if let Json::Object(node) = &mut node {
            for part in [more, model] {
                if let Json::Object(part) = part {
                    node.extend(part);
                }
            }
        }
        Item::new(self.kind, self.package, self.file, line, node)
    }
}

impl Build<'_> {
    /// Renders an item's code (as it stands in its file, so that lines are those of the file) and
    /// settles its configuration and names.
    pub(crate) fn settle(
        &mut self,
        item: &mut Item,
        code: &str,
        patch: Option<&Patch>,
        call: &Map<String, Json>,
    ) {
        let found = self.render(item, code, false);
        let mut said = call.clone();
        if let Some(found) = found {
            if let Err(why) = crate::project::config::add_call(&mut said, &found.config) {
                self.problems.add(&item.path, line_with(code, "config("), why);
                item.broken = true;
            }
            item.take(found);
        }
        self.configure(item, code, patch, &said);
        if !item.enabled {
            return;
        }
        // dbt sees one branch of `is_incremental()`; names in the other one are needed as well. The
        // macro says false wherever no warehouse is there, so the text itself is turned.
        if matches!(item.kind, Kind::Model)
            && code.contains("is_incremental")
            && !item.broken
            && let Some(more) = self.render(
                item,
                &code.replace("dbt.is_incremental()", "true").replace("is_incremental()", "true"),
                true,
            )
        {
            item.more_refs = more.refs.into_iter().filter(|one| !item.refs.contains(one)).collect();
            item.more_sources = more.sources.into_iter().filter(|one| !item.sources.contains(one)).collect();
        }
        self.render_hooks(item);
    }

    /// Renders an item's code; none where that fails, with the problem on the list.
    fn render(&mut self, item: &mut Item, code: &str, incremental: bool) -> Option<Found> {
        if !code.contains('{') {
            return Some(Found::default());
        }
        let mut world = Describing::of(&self.around, &item.node);
        if incremental {
            world = world.incremental();
        }
        let package = self.packages[item.package].name();
        match self.engine.render(package, &item.path, code, &world) {
            Ok(_) => {
                let mut found = world.found();
                for warning in found.warnings.drain(..) {
                    self.notes.0.push(format!("{}: {warning}", item.path));
                }
                Some(found)
            }
            // Names behind `is_incremental()` are a help; what is wrong there shows in the run.
            Err(_) if incremental => None,
            Err(why) => {
                // A node that is switched off where it stands may be wrong in any way.
                let found = world.found();
                if found.config.get("enabled") == Some(&Json::Bool(false)) {
                    return Some(found);
                }
                let path = if why.path.is_empty() { item.path.clone() } else { why.path.clone() };
                self.problems.add(&path, why.line, why.coded());
                item.broken = true;
                Some(found)
            }
        }
    }

    /// Settles configuration and names.
    pub(crate) fn configure(
        &mut self,
        item: &mut Item,
        code: &str,
        patch: Option<&Patch>,
        call: &Map<String, Json>,
    ) {
        let none = Map::new();
        let fqn: Vec<String> = strings(item.node.get("fqn"));
        let places = Places {
            own: &self.packages[item.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: patch.map_or(&none, |patch| &patch.config),
            call,
        };
        match places.resolve(item.kind) {
            Ok(mut resolved) => {
                if self.keep_failures && item.kind == Kind::Test {
                    keep_failures(&mut resolved.config);
                }
                item.enabled = resolved.config.get("enabled") != Some(&Json::Bool(false));
                item.node.insert("config".to_owned(), Json::Object(resolved.config));
                item.node.insert("unrendered_config".to_owned(), Json::Object(resolved.unrendered));
            }
            Err(why) => {
                let (path, line) = match patch {
                    Some(patch) if !patch.config.is_empty() => (patch.path.clone(), patch.line),
                    _ if code.is_empty() => (item.path.clone(), item.line),
                    _ => (item.path.clone(), line_with(code, "config(")),
                };
                self.problems.add(&path, line, format!("`{}`: {why}", item.name()));
                item.broken = true;
                item.node.insert("config".to_owned(), json!({"enabled": true}));
            }
        }
        copy_settings(item);
        if let Some(patch) = patch {
            patch.apply(item);
        }
        if item.enabled {
            self.name(item);
        }
    }

    /// Renders the hooks of an item for the names they use.
    fn render_hooks(&mut self, item: &mut Item) {
        let mut statements = Vec::new();
        for key in ["pre-hook", "post-hook"] {
            let hooks = item.setting(key).and_then(Json::as_array).cloned().unwrap_or_default();
            statements.extend(hooks.iter().filter_map(|hook| Some(hook.get("sql")?.as_str()?.to_owned())));
        }
        for statement in statements {
            let world = Describing::of(&self.around, &item.node);
            let package = self.packages[item.package].name();
            match self.engine.render(package, &item.path, &statement, &world) {
                Ok(_) => item.take(world.found()),
                Err(why) => {
                    let shown: String = statement.chars().take(80).collect();
                    let message =
                        format!("{}: `{}`: the hook `{shown}`: {}", why.code(), item.name(), why.message);
                    let start = statement.lines().next().unwrap_or_default();
                    let line = line_with(item.text("raw_code"), start);
                    let line = if line == 0 { 0 } else { item.line + line - 1 };
                    self.problems.add(&item.path, line, message);
                    item.broken = true;
                }
            }
        }
    }
}

/// A test that says nothing of the rows it finds keeps them, as the command asks.
fn keep_failures(config: &mut Map<String, Json>) {
    if config.get("store_failures").is_none_or(Json::is_null) {
        config.insert("store_failures".to_owned(), true.into());
        config.insert("store_failures_as".to_owned(), "table".into());
    }
}

/// Settings that the manifest has beside the configuration as well.
fn copy_settings(item: &mut Item) {
    let Some(Json::Object(config)) = item.node.get("config").cloned() else { return };
    let mut tags = item.node.get("tags").and_then(Json::as_array).cloned().unwrap_or_default();
    for tag in config.get("tags").and_then(Json::as_array).into_iter().flatten() {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    item.node.insert("tags".to_owned(), Json::Array(tags));
    let filled = |value: &&Json| match value {
        Json::Null => false,
        Json::Object(map) => !map.is_empty(),
        Json::String(text) => !text.is_empty(),
        _ => true,
    };
    for key in ["meta", "group"] {
        if let Some(value) = config.get(key).filter(filled) {
            item.node.insert(key.to_owned(), value.clone());
        }
    }
    if item.kind == Kind::Model
        && let Some(access) = config.get("access").filter(filled)
    {
        item.node.insert("access".to_owned(), access.clone());
    }
    if let Some(Json::Object(docs)) = config.get("docs") {
        let docs = json!({
            "show": docs.get("show").cloned().unwrap_or(Json::Bool(true)),
            "node_color": docs.get("node_color").cloned(),
        });
        item.node.insert("docs".to_owned(), docs);
    }
    if item.node.contains_key("contract")
        && let Some(Json::Object(contract)) = config.get("contract")
    {
        let contract = json!({
            "enforced": contract.get("enforced").cloned().unwrap_or(Json::Bool(false)),
            "alias_types": contract.get("alias_types").cloned().unwrap_or(Json::Bool(true)),
            "checksum": null,
        });
        item.node.insert("contract".to_owned(), contract);
    }
}

/// A list of texts.
pub(crate) fn strings(value: Option<&Json>) -> Vec<String> {
    let items = value.and_then(Json::as_array).into_iter().flatten();
    items.filter_map(Json::as_str).map(str::to_owned).collect()
}

/// The line on which a text first stands; 0 where it does not.
pub(crate) fn line_with(text: &str, what: &str) -> u32 {
    text.lines()
        .position(|line| line.contains(what))
        .map_or(0, |at| u32::try_from(at + 1).unwrap_or(u32::MAX))
}

//! What properties files say of nodes, ready to be laid over them.
//!
//! In: entries of properties files. Out: [`Patch`]es: configuration, description, columns.
//! Never: looks for the node; that is the caller's.
//! Fails: by adding problems: a column without a name, a constraint of an unknown type.
//! Source: <https://docs.getdbt.com/reference/model-properties>.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::Build;
use super::nodes::{Item, hex};
use super::semantic::columns::of_column;
use super::world::Describing;
use crate::project::config::{Kind, list};
use crate::project::properties::{Entry, config_of};

/// Settings that may stand beside `config`.
const BESIDE: [&str; 5] = ["meta", "docs", "group", "contract", "access"];

/// Kinds of constraints.
const CONSTRAINTS: [&str; 6] = ["check", "not_null", "unique", "primary_key", "foreign_key", "custom"];

/// What one entry says of one node.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    /// The file in the release.
    pub(crate) path: String,
    /// The line of the entry.
    pub(crate) line: u32,
    /// `package://file`.
    pub(crate) place: String,
    /// The configuration.
    pub(crate) config: Map<String, Json>,
    /// The node's fields: description, columns and so on.
    pub(crate) fields: Map<String, Json>,
    /// The version it is of, and the latest one.
    pub(crate) version: Option<(Json, Json)>,
}

impl Patch {
    /// Lays it over an item that has its configuration.
    pub(crate) fn apply(&self, item: &mut Item) {
        item.node.insert("patch_path".to_owned(), self.place.clone().into());
        item.described = Some((self.path.clone(), self.line));
        for (key, value) in &self.fields {
            if item.node.contains_key(key) {
                item.node.insert(key.clone(), value.clone());
            }
        }
        seal_contract(item);
        if item.kind == Kind::Model
            && let Some((version, latest)) = &self.version
        {
            item.node.insert("version".to_owned(), version.clone());
            item.node.insert("latest_version".to_owned(), latest.clone());
        }
    }
}

/// `v2` for the version 2.
pub(crate) fn version_word(version: &Json) -> String {
    format!("v{}", crate::python::text(version))
}

impl Build<'_> {
    /// What an entry says of a node that has no versions.
    pub(crate) fn patch(&mut self, entry: &Entry) -> Patch {
        let columns = self.columns(entry, entry.data.get("columns"));
        self.patch_with(entry, &Map::new(), columns)
    }

    /// What an entry says of one of its versions.
    pub(crate) fn version_patch(
        &mut self,
        entry: &Entry,
        version: &Map<String, Json>,
        latest: &Json,
    ) -> Patch {
        let all = list(entry.data.get("columns").unwrap_or(&Json::Null));
        let columns = version_columns(&all, version.get("columns"));
        let columns = self.columns(entry, Some(&Json::Array(columns)));
        let mut patch = self.patch_with(entry, version, columns);
        let own = config_of(version, &[]);
        deep_merge(&mut patch.config, &own);
        patch.version = Some((version.get("v").cloned().unwrap_or_default(), latest.clone()));
        patch
    }

    fn patch_with(
        &mut self,
        entry: &Entry,
        version: &Map<String, Json>,
        columns: Map<String, Json>,
    ) -> Patch {
        let said = |key: &str| {
            version.get(key).or_else(|| entry.data.get(key)).filter(|value| !value.is_null()).cloned()
        };
        for key in BESIDE {
            let both = entry.data.contains_key(key)
                && entry.data.get("config").and_then(|config| config.get(key)).is_some();
            if both {
                let why = format!(
                    "`{}` has `{key}` beside its `config` and in it; keep the one in `config`",
                    entry.name
                );
                self.problems.add(&entry.file.path, entry.line, why);
            }
        }
        let mut config = entry.config(&BESIDE);
        if let Some(access) = version.get("access") {
            config.insert("access".to_owned(), access.clone());
        }
        if let Some(access) = config.get("access").and_then(Json::as_str)
            && !matches!(access, "private" | "protected" | "public")
        {
            let why =
                format!("`access` of `{}` is `private`, `protected` or `public`, not `{access}`", entry.name);
            self.problems.add(&entry.file.path, entry.line, why);
        }
        let mut fields = Map::new();
        let description =
            said("description").and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default();
        let (description, blocks) = self.description(entry, &description);
        fields.insert("description".to_owned(), description.into());
        fields.insert("doc_blocks".to_owned(), blocks);
        fields.insert("columns".to_owned(), Json::Object(columns));
        if let Some(date) = said("deprecation_date") {
            fields.insert("deprecation_date".to_owned(), deprecation(&date));
        }
        if let Some(constraints) = said("constraints") {
            let constraints =
                list(&constraints).iter().map(|one| self.constraint(entry, one, true)).collect();
            fields.insert("constraints".to_owned(), Json::Array(constraints));
        }
        if let Some(spine) = said("time_spine") {
            let granularities = spine.get("custom_granularities").cloned().unwrap_or_else(|| json!([]));
            let column = spine.get("standard_granularity_column").cloned();
            fields.insert(
                "time_spine".to_owned(),
                json!({"standard_granularity_column": column, "custom_granularities": granularities}),
            );
        }
        Patch {
            path: entry.file.path.clone(),
            line: entry.line,
            place: format!("{}://{}", self.packages[entry.file.package].name(), entry.file.original),
            config,
            fields,
            version: None,
        }
    }

    /// A description with its docs blocks, and their ids.
    pub(crate) fn description(&mut self, entry: &Entry, text: &str) -> (String, Json) {
        if !text.contains("{{") && !text.contains("{%") {
            return (text.to_owned(), json!([]));
        }
        let package = self.packages[entry.file.package].name().to_owned();
        let mut node = Map::new();
        node.insert("package_name".to_owned(), package.clone().into());
        let world = Describing::of(&self.around, &node);
        match self.engine.render(&package, &entry.file.path, text, &world) {
            Ok(text) => (text, world.found().docs.into_iter().collect()),
            Err(why) => {
                let why = format!("the description of `{}`: {}", entry.name, why.message);
                self.problems.add(&entry.file.path, entry.line, why);
                (String::new(), json!([]))
            }
        }
    }

    /// The columns of an entry as the manifest has them, by name.
    pub(crate) fn columns(&mut self, entry: &Entry, columns: Option<&Json>) -> Map<String, Json> {
        let mut all = Map::new();
        let Some(columns) = columns.filter(|columns| !columns.is_null()) else { return all };
        let Some(columns) = columns.as_array() else {
            let why = format!("the `columns` of `{}` are a list", entry.name);
            self.problems.add(&entry.file.path, entry.line, why);
            return all;
        };
        for column in columns {
            let Some((name, data)) = column
                .as_object()
                .and_then(|data| Some((data.get("name").filter(|name| !name.is_null())?, data)))
            else {
                if column.get("include").is_none() {
                    let why = format!("a column of `{}` has no `name`", entry.name);
                    self.problems.add(&entry.file.path, entry.line, why);
                }
                continue;
            };
            let name = crate::python::text(name);
            let column = self.column(entry, &name, data);
            all.insert(name, column);
        }
        all
    }

    fn column(&mut self, entry: &Entry, name: &str, data: &Map<String, Json>) -> Json {
        let said = |key: &str| data.get(key).filter(|value| !value.is_null()).cloned();
        let config = data.get("config").and_then(Json::as_object);
        let mut meta = said("meta").and_then(|meta| meta.as_object().cloned()).unwrap_or_default();
        if let Some(more) = config.and_then(|config| config.get("meta")).and_then(Json::as_object) {
            meta.extend(more.clone());
        }
        let mut tags = list(data.get("tags").unwrap_or(&Json::Null));
        for tag in list(config.and_then(|config| config.get("tags")).unwrap_or(&Json::Null)) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let constraints: Vec<Json> = list(data.get("constraints").unwrap_or(&Json::Null))
            .iter()
            .map(|one| self.constraint(entry, one, false))
            .collect();
        let written =
            said("description").and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default();
        let (description, blocks) = self.description(entry, &written);
        let mut column = json!({
            "name": name, "description": description, "meta": meta, "data_type": said("data_type"),
            "constraints": constraints, "quote": said("quote"),
            "config": {"meta": meta, "tags": tags}, "tags": tags, "granularity": said("granularity"),
            "dimension": of_column(data, "dimension"), "entity": of_column(data, "entity"), "doc_blocks": blocks,
        });
        let known = [
            "name",
            "description",
            "meta",
            "data_type",
            "constraints",
            "quote",
            "config",
            "tags",
            "granularity",
            "tests",
            "data_tests",
            "docs",
            "dimension",
            "entity",
        ];
        if let Json::Object(column) = &mut column {
            for (key, value) in data.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
                column.insert(key.clone(), value.clone());
            }
        }
        column
    }

    /// A constraint as the manifest has it.
    fn constraint(&mut self, entry: &Entry, one: &Json, of_model: bool) -> Json {
        let kind = one.get("type").and_then(Json::as_str).unwrap_or_default();
        if !CONSTRAINTS.contains(&kind) {
            let why = format!(
                "a constraint of `{}` has the type `{kind}`; it is one of {}",
                entry.name,
                CONSTRAINTS.join(", ")
            );
            self.problems.add(&entry.file.path, entry.line, why);
        }
        let said = |key: &str| one.get(key).cloned().unwrap_or_default();
        let columns = |key: &str| one.get(key).cloned().unwrap_or_else(|| json!([]));
        let truth = |key: &str| one.get(key).cloned().unwrap_or(Json::Bool(true));
        let mut constraint = json!({
            "type": kind, "name": said("name"), "expression": said("expression"),
            "warn_unenforced": truth("warn_unenforced"), "warn_unsupported": truth("warn_unsupported"),
            "to": said("to"), "to_columns": columns("to_columns"),
        });
        if of_model && let Json::Object(constraint) = &mut constraint {
            constraint.insert("columns".to_owned(), columns("columns"));
        }
        constraint
    }
}

/// An enforced contract has a digest of its columns and constraints, by which a change is seen.
fn seal_contract(item: &mut Item) {
    let enforced = item.node.get("contract").is_some_and(|contract| contract["enforced"] == Json::Bool(true));
    if item.kind != Kind::Model || !enforced {
        return;
    }
    let mut columns: Vec<&Json> =
        item.node["columns"].as_object().map(|columns| columns.values().collect()).unwrap_or_default();
    columns.sort_by_key(|column| column["name"].as_str().map(str::to_owned));
    let columns: Vec<Json> = columns
        .iter()
        .map(|column| json!([column["name"], column["data_type"], column["constraints"]]))
        .collect();
    let sealed = json!([columns, item.node["constraints"], item.setting("materialized")]);
    let digest = hex(&Sha256::digest(sealed.to_string().as_bytes()));
    if let Some(Json::Object(contract)) = item.node.get_mut("contract") {
        contract.insert("checksum".to_owned(), digest.into());
    }
}

/// A date as the manifest has it.
fn deprecation(date: &Json) -> Json {
    match date.as_str() {
        Some(text) if text.len() == 10 => format!("{text}T00:00:00+00:00").into(),
        _ => date.clone(),
    }
}

/// The columns of a version: those of the model it includes, and its own.
pub(crate) fn version_columns(all: &[Json], own: Option<&Json>) -> Vec<Json> {
    let Some(own) = own.and_then(Json::as_array) else { return all.to_vec() };
    let chosen = own.iter().find(|one| one.get("include").is_some() || one.get("exclude").is_some());
    let named = |value: Option<&Json>, name: &str| {
        list(value.unwrap_or(&Json::Null)).iter().any(|one| one.as_str() == Some(name))
    };
    let everything = |value: Option<&Json>| matches!(value.and_then(Json::as_str), Some("all" | "*"));
    let own_columns: Vec<Json> = own.iter().filter(|one| one.get("name").is_some()).cloned().collect();
    let replaced =
        |name: &str| own_columns.iter().any(|one| one.get("name").and_then(Json::as_str) == Some(name));
    let included = |column: &Json| {
        let name = column.get("name").and_then(Json::as_str).unwrap_or_default();
        let inside = match chosen {
            Some(chosen) => {
                let include = chosen.get("include");
                (everything(include) || include.is_none() || named(include, name))
                    && !named(chosen.get("exclude"), name)
            }
            None => true,
        };
        inside && !replaced(name)
    };
    let mut columns: Vec<Json> = all.iter().filter(|column| included(column)).cloned().collect();
    columns.extend(own_columns);
    columns
}

/// Lays one map over another, maps within maps united.
pub(crate) fn deep_merge(into: &mut Map<String, Json>, more: &Map<String, Json>) {
    for (key, value) in more {
        match (into.get_mut(key), value) {
            (Some(Json::Object(before)), Json::Object(more)) => deep_merge(before, more),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

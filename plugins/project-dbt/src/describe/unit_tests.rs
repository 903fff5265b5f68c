//! Unit tests.
//!
//! In: entries under `unit_tests`, fixtures, seeds named without rows. Out: one item per tested
//! version of a model, its rows in the manifest's shape.
//! Never: runs the model.
//! Fails: by adding problems: a model that is not there, rows of another shape than the format, a
//! fixture that is not there, an incremental model without `is_incremental`.
//! Source: <https://docs.getdbt.com/docs/build/unit-tests>.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::Build;
use super::nodes::{Item, hex};
use super::world::RefAsked;
use crate::project::config::{Kind, Places, list};
use crate::project::properties::Entry;
use crate::python;

impl Build<'_> {
    /// Reads all unit tests.
    pub(super) fn add_unit_tests(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.kind == "unit_tests") {
            self.unit_test(entry);
        }
        self.entries = entries;
    }

    fn unit_test(&mut self, entry: &Entry) {
        let path = entry.file.path.clone();
        let model = entry.text("model").to_owned();
        if model.is_empty() {
            self.problems.add(&path, entry.line, format!("the unit test `{}` names no `model`", entry.name));
            return;
        }
        let mut words = model.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let version = words.next().map(str::to_owned);
        let package = self.packages[entry.file.package].name().to_owned();
        let tested = self.models_named(&name, &package);
        if tested.is_empty() {
            let known = self.items.iter().filter(|item| item.kind == Kind::Model).map(Item::name);
            let hint = crate::problem::did_you_mean(&name, known);
            let why = format!(
                "the unit test `{}` looks at the model `{name}`, which is not there{hint}",
                entry.name
            );
            self.problems.add(&path, entry.line, why);
            return;
        }
        let tested = self.versions_of(entry, &tested, version.as_deref());
        let mut node = match self.definition(entry, &name, &model) {
            Ok(node) => node,
            Err(why) => {
                self.problems.add(&path, entry.line, format!("the unit test `{}`: {why}", entry.name));
                return;
            }
        };
        for at in tested {
            self.check_incremental(entry, at);
            let target = &self.items[at];
            let mut id = format!("unit_test.{package}.{model}.{}", entry.name);
            if let Some(version) = target.node.get("version").filter(|version| !version.is_null()) {
                id = format!("{id}_v{}", python::text(version));
                node.insert("version".to_owned(), version.clone());
            }
            node.insert("unique_id".to_owned(), id.clone().into());
            node.insert("schema".to_owned(), target.text("schema").into());
            let enabled = target.enabled && node["config"]["enabled"] != Json::Bool(false);
            let mut item =
                Item::new(Kind::UnitTest, entry.file.package, &path, entry.line, Json::Object(node.clone()));
            item.enabled = enabled;
            item.broken = target.broken;
            item.depends.insert(target.id.clone());
            let refs: Vec<RefAsked> = target.refs.iter().chain(&target.more_refs).cloned().collect();
            let sources: Vec<(String, String)> =
                target.sources.iter().chain(&target.more_sources).cloned().collect();
            for given in list(entry.data.get("given").unwrap_or(&Json::Null)) {
                let input = given.get("input").map(python::text).unwrap_or_default();
                if input.trim() != "this" {
                    self.call(&mut item, &input);
                }
            }
            // What the model itself reads is looked up in the warehouse for its columns alone.
            item.more_refs = refs.into_iter().filter(|one| !item.refs.contains(one)).collect();
            item.more_sources = sources.into_iter().filter(|one| !item.sources.contains(one)).collect();
            self.items.push(item);
        }
    }

    /// Models of a package by their name: its versions, the ones switched off among them.
    fn models_named(&self, name: &str, package: &str) -> Vec<usize> {
        let all = self.by_name.get(name).into_iter().flatten().copied();
        all.filter(|at| {
            let item = &self.items[*at];
            item.kind == Kind::Model && item.name() == name && item.text("package_name") == package
        })
        .collect()
    }

    /// The versions of the model that are tested.
    fn versions_of(&mut self, entry: &Entry, tested: &[usize], version: Option<&str>) -> Vec<usize> {
        let word = |at: &usize| self.items[*at].node.get("version").map(python::text).unwrap_or_default();
        let versioned = tested.iter().any(|at| !self.items[*at].node["version"].is_null());
        if !versioned {
            let mut all = tested.to_vec();
            all.sort_by_key(|at| !self.items[*at].enabled);
            all.truncate(1);
            return all;
        }
        let said = |key: &str| {
            let versions = entry.data.get("versions").and_then(|versions| versions.get(key))?;
            Some(list(versions).iter().map(python::text).collect::<Vec<_>>())
        };
        tested
            .iter()
            .filter(|at| {
                version.is_none_or(|version| word(at) == version)
                    && said("include").is_none_or(|include| include.contains(&word(at)))
                    && said("exclude").is_none_or(|exclude| !exclude.contains(&word(at)))
            })
            .copied()
            .collect()
    }

    /// An incremental model shows a unit test one of its two faces.
    fn check_incremental(&mut self, entry: &Entry, at: usize) {
        let macros = self.items[at].node["depends_on"]["macros"].as_array().cloned().unwrap_or_default();
        if !macros.contains(&Json::from("macro.dbt.is_incremental")) {
            return;
        }
        let over = entry.data.get("overrides").and_then(|over| over.get("macros"));
        let incremental = over.and_then(|macros| macros.get("is_incremental")).and_then(Json::as_bool);
        let this = list(entry.data.get("given").unwrap_or(&Json::Null))
            .iter()
            .any(|given| given.get("input").and_then(Json::as_str).map(str::trim) == Some("this"));
        let why = match incremental {
            None => {
                "needs `overrides: {macros: {is_incremental: true}}` (or false): its model asks `is_incremental()`"
            }
            Some(true) if !this => {
                "shows its model as incremental and needs an `input: this` among its `given`"
            }
            _ => return,
        };
        self.problems.add(&entry.file.path, entry.line, format!("the unit test `{}` {why}", entry.name));
    }

    fn definition(&mut self, entry: &Entry, name: &str, model: &str) -> Result<Map<String, Json>, String> {
        let file = &entry.file;
        let package = self.packages[file.package].name().to_owned();
        let relative = file.original.split_once('/').map_or("", |(_, rest)| rest);
        let folders = relative.rsplit_once('/').map(|(folders, _)| folders).unwrap_or_default();
        let mut fqn = vec![package.clone()];
        fqn.extend(folders.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned));
        fqn.extend([model.to_owned(), entry.name.clone()]);
        let (patch, none) = (entry.config(&[]), Map::new());
        let places = Places {
            own: &self.packages[file.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: &patch,
            call: &none,
        };
        let config = places.resolve(Kind::UnitTest)?.config;
        let mut given = Vec::new();
        for one in list(entry.data.get("given").unwrap_or(&Json::Null)) {
            let input = one.get("input").map(python::text).ok_or("each of its `given` names an `input`")?;
            let mut fixture = self.rows(entry, &one, Some(&input))?;
            let mut all = json!({"input": input});
            if let Json::Object(all) = &mut all {
                all.append(&mut fixture);
            }
            given.push(all);
        }
        let expected = entry.data.get("expect").ok_or("it says nothing under `expect`")?;
        let expect = self.rows(entry, expected, None)?;
        let overrides = entry.data.get("overrides").filter(|over| !over.is_null()).map(|over| {
            let part = |key: &str| over.get(key).cloned().unwrap_or_else(|| json!({}));
            json!({"macros": part("macros"), "vars": part("vars"), "env_vars": part("env_vars")})
        });
        let versions =
            entry.data.get("versions").filter(|versions| !versions.is_null()).map(
                |versions| json!({"include": versions.get("include"), "exclude": versions.get("exclude")}),
            );
        let (description, _) = self.description(entry, entry.text("description"));
        let all =
            format!("{name}-{}-{}-{}-{}", json!(versions), json!(given), json!(expect), json!(overrides));
        let node = json!({
            "model": model, "given": given, "expect": expect, "name": entry.name,
            "resource_type": "unit_test", "package_name": package, "path": file.relative,
            "original_file_path": file.original, "unique_id": "", "fqn": fqn, "description": description,
            "overrides": overrides, "depends_on": {"macros": [], "nodes": []}, "config": config,
            "checksum": hex(&Sha256::digest(all.as_bytes())), "schema": null, "created_at": 0.0,
            "versions": versions, "version": null,
        });
        Ok(match node {
            Json::Object(node) => node,
            _ => Map::new(),
        })
    }

    /// The rows of one input or of what is expected, as the manifest has them.
    fn rows(&mut self, entry: &Entry, said: &Json, input: Option<&str>) -> Result<Map<String, Json>, String> {
        let what = input.unwrap_or("expect");
        let text = |key: &str| said.get(key).and_then(Json::as_str);
        let fixture = text("fixture");
        let stored = fixture.map(|name| self.fixture(entry, name)).transpose()?;
        let format = match (text("format"), &stored) {
            (Some(format), _) => format.to_owned(),
            (None, Some(_)) => {
                return Err(format!("`{what}` has a `fixture` and needs a `format`: `csv` or `sql`"));
            }
            (None, None) => "dict".to_owned(),
        };
        let written = said.get("rows").filter(|rows| !rows.is_null()).cloned();
        let wrong = || format!("the rows of `{what}` are not in the format `{format}`");
        let rows = match format.as_str() {
            "dict" => match (written, input) {
                (Some(Json::Array(rows)), _) if rows.iter().all(Json::is_object) => first_whole(rows),
                (None, Some(input)) => Json::Array(self.seed_rows(entry, input)?),
                _ => return Err(wrong()),
            },
            "csv" => {
                let text = stored.or_else(|| written?.as_str().map(str::to_owned)).ok_or_else(wrong)?;
                let rows = csv_rows(&text, true).map_err(|why| format!("the rows of `{what}`: {why}"))?;
                first_whole(rows)
            }
            "sql" => stored.or_else(|| written?.as_str().map(str::to_owned)).ok_or_else(wrong)?.into(),
            other => return Err(format!("`format` of `{what}` is `dict`, `csv` or `sql`, not `{other}`")),
        };
        let mut map = Map::new();
        map.insert("rows".to_owned(), rows);
        map.insert("format".to_owned(), format.into());
        map.insert("fixture".to_owned(), fixture.map_or(Json::Null, Json::from));
        Ok(map)
    }

    fn fixture(&self, entry: &Entry, name: &str) -> Result<String, String> {
        let found = self.fixtures.get(&(entry.file.package, name.to_owned()));
        found.map(|(_, text)| text.clone()).ok_or_else(|| {
            let known = self.fixtures.keys().map(|(_, name)| name.as_str());
            let hint = crate::problem::did_you_mean(name, known);
            format!("there is no fixture `{name}` in `tests/fixtures`{hint}")
        })
    }

    /// The rows of a seed that an input names without rows of its own.
    fn seed_rows(&mut self, entry: &Entry, input: &str) -> Result<Vec<Json>, String> {
        let wanted = || format!("`{input}` has no `rows`; only a seed may be named without");
        let name =
            input.trim().strip_prefix("ref(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wanted)?;
        let name = name.trim().trim_matches(['\'', '"']);
        let found = self.by_name.get(name).into_iter().flatten().map(|at| &self.items[*at]);
        let seed = found
            .filter(|item| item.kind == Kind::Seed && item.package == entry.file.package)
            .map(|item| item.path.clone())
            .next()
            .ok_or_else(wanted)?;
        let text = self.cx.files.read_text(&seed).map_err(|why| why.detail().message.clone())?;
        csv_rows(&text, false)
    }
}

/// CSV as maps of texts; an empty field is nothing where `nulls` says so.
fn csv_rows(text: &str, nulls: bool) -> Result<Vec<Json>, String> {
    let text = text.trim_start_matches('\u{feff}').trim_start_matches(['\n', '\r']);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|why| why.to_string())?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|why| why.to_string())?;
        let mut row = Map::new();
        for (at, name) in header.iter().enumerate() {
            let value = match record.get(at) {
                Some("") if nulls => Json::Null,
                Some(field) => field.into(),
                None => Json::Null,
            };
            row.insert(name.to_owned(), value);
        }
        rows.push(Json::Object(row));
    }
    Ok(rows)
}

/// The rows with the first one that lacks nothing in front: it tells the types of the columns.
fn first_whole(mut rows: Vec<Json>) -> Json {
    let whole = |row: &Json| row.as_object().is_some_and(|row| row.values().all(|value| !value.is_null()));
    if let Some(at) = rows.iter().position(whole) {
        rows.swap(0, at);
    }
    Json::Array(rows)
}

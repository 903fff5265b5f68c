//! Macros and docs blocks as the manifest has them.
//!
//! In: the library, entries under `macros`. Out: the manifest's `macros` and `docs`.
//! Never: calls a macro.
//! Fails: by adding a note, where a macro that is described is not there.
//! Source: dbt's manifest v12.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value as Json, json};

use super::Build;
use crate::problem::did_you_mean;
use crate::project::config::list;
use crate::project::properties::{Entry, config_of};
use crate::python;

impl Build<'_> {
    /// The manifest's `macros`.
    pub(super) fn macros_json(&mut self) -> Map<String, Json> {
        let entries = std::mem::take(&mut self.entries);
        let mut patches: HashMap<(String, String), &Entry> = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.kind == "macros") {
            let package = self.packages[entry.file.package].name().to_owned();
            patches.insert((package, entry.name.clone()), entry);
        }
        let library = self.engine.clone();
        let places: HashMap<&str, (&str, &str)> = self
            .files
            .iter()
            .map(|file| (file.path.as_str(), (file.original.as_str(), self.packages[file.package].name())))
            .collect();
        let mut drafts = Vec::new();
        for one in library.library().macros() {
            let original = places.get(one.path.as_str()).map_or(one.path.as_str(), |(original, _)| original);
            drafts.push((one, original.to_owned()));
        }
        drop(places);
        let names: BTreeSet<String> = drafts.iter().map(|(one, _)| one.block.name.clone()).collect();
        let mut all = Map::new();
        for (one, original) in drafts {
            let id = format!("macro.{}.{}", one.package, one.block.name);
            let patch = patches.remove(&(one.package.clone(), one.block.name.clone()));
            let mut node = json!({
                "name": one.block.name, "resource_type": "macro", "package_name": one.package,
                "path": original, "original_file_path": original, "unique_id": id,
                "macro_sql": one.block.text.trim(), "depends_on": {"macros": []}, "description": "",
                "meta": {}, "docs": {"show": true, "node_color": null},
                "config": {"meta": {}, "docs": {"show": true, "node_color": null}}, "patch_path": null,
                "arguments": parameters(&one.block.text), "created_at": 0.0, "supported_languages": null,
            });
            if let (Some(entry), Json::Object(node)) = (patch, &mut node) {
                self.patch_macro(entry, node);
            }
            all.insert(id, node);
        }
        for ((_, name), entry) in patches {
            let hint = did_you_mean(&name, names.iter().map(String::as_str));
            self.notes.0.push(format!(
                "{}:{}: `macros` describes `{name}`, which is not there{hint}",
                entry.file.path, entry.line
            ));
        }
        self.entries = entries;
        all
    }

    fn patch_macro(&mut self, entry: &Entry, node: &mut Map<String, Json>) {
        let (description, _) = self.description(entry, entry.text("description"));
        node.insert("description".to_owned(), description.into());
        let place = format!("{}://{}", self.packages[entry.file.package].name(), entry.file.original);
        node.insert("patch_path".to_owned(), place.into());
        let config = config_of(&entry.data, &["meta", "docs"]);
        for key in ["meta", "docs"] {
            if let Some(value) = config.get(key) {
                let mut value = value.clone();
                if let ("docs", Json::Object(docs)) = (key, &mut value) {
                    docs.entry("show").or_insert(Json::Bool(true));
                    docs.entry("node_color").or_insert(Json::Null);
                }
                node.insert(key.to_owned(), value.clone());
                if let Some(Json::Object(config)) = node.get_mut("config") {
                    config.insert(key.to_owned(), value);
                }
            }
        }
        let mut arguments = Vec::new();
        for argument in list(entry.data.get("arguments").unwrap_or(&Json::Null)) {
            let name = argument.get("name").map(python::text).unwrap_or_default();
            let written = argument.get("description").map(python::text).unwrap_or_default();
            let (description, _) = self.description(entry, &written);
            arguments.push(json!({"name": name, "type": argument.get("type"), "description": description}));
        }
        if !arguments.is_empty() {
            node.insert("arguments".to_owned(), Json::Array(arguments));
        }
    }

    /// The manifest's `docs`.
    pub(super) fn docs_json(&self) -> Map<String, Json> {
        let mut all = Map::new();
        for ((package, name), text) in &self.around.docs {
            let id = format!("doc.{package}.{name}");
            let (relative, original) =
                self.doc_files.get(&(package.clone(), name.clone())).cloned().unwrap_or_default();
            let doc = json!({
                "name": name, "resource_type": "doc", "package_name": package, "path": relative,
                "original_file_path": original, "unique_id": id, "block_contents": text,
            });
            all.insert(id, doc);
        }
        all
    }
}

/// The parameters in the first tag of a macro, as the manifest has them.
fn parameters(text: &str) -> Json {
    let Some((_, rest)) = text.split_once('(') else { return json!([]) };
    if text.split_once("%}").is_some_and(|(tag, _)| !tag.contains('(')) {
        return json!([]);
    }
    let mut depth = 0_u32;
    let mut mark = None;
    let mut parts = vec![String::new()];
    for c in rest.chars() {
        match (mark, c) {
            (Some(open), c) if c == open => mark = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => mark = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')') if depth == 0 => break,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let names = parts.iter().map(|part| part.split('=').next().unwrap_or_default().trim());
    names
        .filter(|name| !name.is_empty())
        .map(|name| json!({"name": name, "type": null, "description": ""}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_without_their_defaults() {
        let named = parameters("{% macro m(a, b='x,y', c=[1, 2], d={'k': f(1)}) -%}{{ f(z) }}{% endmacro %}");
        let names: Vec<&str> =
            named.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(
            parameters("{% materialization m, default %}{{ f(1) }}{% endmaterialization %}"),
            json!([])
        );
    }
}

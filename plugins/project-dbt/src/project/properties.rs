//! Properties files: what the YAML beside the models says of models, seeds, snapshots, sources and
//! the rest, entry by entry.
//!
//! In: the text of one file, and what renders the Jinja in its values. Out: [`Entry`]s.
//! Never: resolves a name; renders descriptions, tests or hooks, whose time comes later.
//! Fails: by adding to [`Problems`], each with its line; the rest of the file is still read.
//! Source: <https://docs.getdbt.com/reference/configs-and-properties>.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::config::list;
use super::file::{Notes, Render};
use super::inventory::SourceFile;
use crate::problem::{Problems, did_you_mean};
use crate::python;
use crate::yaml::{self, Kind, Node};

/// Lists a properties file may hold.
const KINDS: [&str; 14] = [
    "models",
    "seeds",
    "snapshots",
    "sources",
    "macros",
    "analyses",
    "exposures",
    "groups",
    "semantic_models",
    "metrics",
    "saved_queries",
    "unit_tests",
    "data_tests",
    "tests",
];

/// Lists that are left out, with a warning.
const LEFT_OUT: [&str; 1] = ["functions"];

/// One entry of one list of a properties file.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The list: `models`, `sources`, ….
    pub(crate) kind: &'static str,
    /// The file it stands in.
    pub(crate) file: SourceFile,
    /// Its name.
    pub(crate) name: String,
    /// The line it begins on.
    pub(crate) line: u32,
    /// As it is written.
    pub(crate) node: Node,
    /// The same as values, Jinja rendered where it is to be.
    pub(crate) data: Map<String, Json>,
}

impl Entry {
    /// A text of the entry, empty where it has none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.data.get(key).and_then(Json::as_str).unwrap_or_default()
    }

    /// Its tags and those of its resolved configuration, each once, in their order.
    pub(crate) fn tags(&self, config: &Map<String, Json>) -> Vec<String> {
        let all = [self.data.get("tags"), config.get("tags")].into_iter().flatten().flat_map(list);
        all.map(|tag| python::text(&tag)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The `config`, with settings that may stand beside it.
    pub(crate) fn config(&self, beside: &[&str]) -> Map<String, Json> {
        config_of(&self.data, beside)
    }
}

/// The `config` of a map, with settings that may stand beside it.
pub(crate) fn config_of(data: &Map<String, Json>, beside: &[&str]) -> Map<String, Json> {
    let mut config = data.get("config").and_then(Json::as_object).cloned().unwrap_or_default();
    for key in beside {
        if let Some(value) = data.get(*key)
            && !value.is_null()
            && !config.contains_key(*key)
        {
            config.insert((*key).to_owned(), value.clone());
        }
    }
    config
}

/// Reads one file.
pub(crate) fn read(
    file: &SourceFile,
    text: &str,
    render: &Render<'_>,
    notes: &mut Notes,
    problems: &mut Problems,
) -> Vec<Entry> {
    let mut doubles = Vec::new();
    let tree = match yaml::parse_with(text.trim_end(), &mut doubles) {
        Ok(tree) => tree,
        Err(why) => {
            problems.add(&file.path, why.line, why.coded());
            return Vec::new();
        }
    };
    notes.0.extend(doubles.iter().map(|key| key.note(&file.path)));
    if !matches!(tree.kind, Kind::Map(_)) && !tree.is_null() {
        problems.add(&file.path, tree.line, "a properties file is a map of lists, such as `models:`");
        return Vec::new();
    }
    let mut entries = Vec::new();
    for (key, node) in tree.entries() {
        let Some(kind) = KINDS.iter().find(|kind| **kind == key.text) else {
            if LEFT_OUT.contains(&key.text.as_str()) {
                if !node.items().is_empty() {
                    notes.0.push(format!("{}: `{}` is left out; it is not supported", file.path, key.text));
                }
            } else if !matches!(key.text.as_str(), "version" | "anchors" | "owner") {
                let hint = did_you_mean(&key.text, KINDS);
                notes.0.push(format!(
                    "{}:{}: `{}` is not a key of a properties file{hint}",
                    file.path, key.line, key.text
                ));
            }
            continue;
        };
        if !matches!(node.kind, Kind::List(_)) && !node.is_null() {
            problems.add(&file.path, node.line, format!("`{}` is a list", key.text));
        }
        for item in node.items() {
            entries.extend(entry(kind, file, item, render, problems));
        }
    }
    entries
}

/// Whether what stands under these keys of an entry is rendered as the file is read: descriptions,
/// tests and hooks are not, they have their time later.
fn is_rendered(keys: &[&str]) -> bool {
    let (around, config) = match keys.iter().position(|key| *key == "config") {
        Some(at) => (&keys[..at], keys.get(at + 1)),
        None => (keys, None),
    };
    let later = |key: &&str| matches!(*key, "tests" | "data_tests" | "description" | "loaded_at_query");
    let hook = |key: &&str| matches!(*key, "pre_hook" | "post_hook" | "pre-hook" | "post-hook");
    let held = |key: &&str| hook(key) || *key == "loaded_at_query";
    !around.iter().any(|key| later(key) || hook(key)) && !config.is_some_and(held)
}

fn entry(
    kind: &'static str,
    file: &SourceFile,
    item: &Node,
    render: &Render<'_>,
    problems: &mut Problems,
) -> Option<Entry> {
    let Some(name) = item.get("name").filter(|name| !name.is_null()) else {
        problems.add(&file.path, item.line, format!("an entry of `{kind}` is a map with a `name`"));
        return None;
    };
    let name = match &name.kind {
        Kind::Scalar(Json::String(name)) => name.clone(),
        Kind::Scalar(other) => other.to_string(),
        _ => {
            problems.add(&file.path, name.line, "a `name` is a text");
            return None;
        }
    };
    // What is asked of metrics is a template for whoever asks it.
    let filters: &[&str] = match kind {
        "metrics" | "models" if kind == "metrics" || item.get("metrics").is_some() => &["filter"],
        "saved_queries" => &["where"],
        _ => &[],
    };
    let mut wanted = |keys: &[&str]| !keys.iter().any(|key| filters.contains(key)) && is_rendered(keys);
    let mut rendering = |text: &str, line: u32| match render(text, line) {
        Ok(value) => value,
        Err(why) => {
            problems.add(&file.path, line, why);
            Json::Null
        }
    };
    let data = item.rendered(&mut wanted, &mut rendering);
    let data = data.as_object().cloned().unwrap_or_default();
    if let Some(config) = data.get("config")
        && !config.is_object()
        && !config.is_null()
    {
        problems.add(&file.path, item.line, format!("the `config` of `{name}` is a map of settings"));
    }
    Some(Entry { kind, file: file.clone(), name, line: item.line, node: item.clone(), data })
}

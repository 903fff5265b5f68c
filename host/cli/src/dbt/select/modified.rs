//! `state:modified`: what of a node is another than before.

use std::collections::{BTreeSet, HashSet};

use super::{BAD_SELECTOR, Ids};
use crate::{
    dbt::manifest::{Manifest, Node},
    failure::{Failure, Outcome},
    text,
};

/// Parts that can be compared alone.
const PARTS: [&str; 6] = ["body", "configs", "persisted_descriptions", "relation", "macros", "contract"];

/// Compares nodes of a manifest with those of an earlier one.
pub(super) struct Compare<'a> {
    before: &'a Manifest,
    manifest: &'a Manifest,
    part: String,
    macros: HashSet<&'a str>,
}

impl<'a> Compare<'a> {
    /// `part` is empty for all of them.
    pub(super) fn new(manifest: &'a Manifest, before: &'a Manifest, part: &str) -> Outcome<Self> {
        if !part.is_empty() && !PARTS.contains(&part) {
            let what = format!("`{}` is no part of `state:modified`", text::tame(part));
            return Err(Failure::new(BAD_SELECTOR, what, format!("there are: {}", PARTS.join(", "))));
        }
        let other = |(id, now): (&'a String, &crate::dbt::manifest::Macro)| {
            let then = before.macros.get(id);
            then.is_none_or(|then| then.macro_sql != now.macro_sql).then_some(id.as_str())
        };
        let macros = manifest.macros.iter().filter_map(other).collect();
        Ok(Self { before, manifest, part: part.to_owned(), macros })
    }

    /// Whether a node is new or another one.
    pub(super) fn is_modified(&self, node: &Node) -> bool {
        let Some(then) = self.before.node(&node.unique_id) else { return true };
        let asked = |part: &str| self.part.is_empty() || self.part == part;
        (asked("body") && body(node, then))
            || (asked("configs") && configs(node, then))
            || (asked("persisted_descriptions") && descriptions(node, then))
            || (asked("relation") && relation(node, then))
            || (asked("contract") && raw(&node.contract) != raw(&then.contract))
            || (asked("macros") && self.macros_changed(node))
            || (self.part.is_empty() && rest(node, then))
    }

    /// Whether a macro it calls, or one of those, is another.
    fn macros_changed(&self, node: &Node) -> bool {
        let mut open: Vec<&str> = node.depends_on.macros.iter().map(String::as_str).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if self.macros.contains(id) {
                return true;
            }
            if seen.insert(id)
                && let Some(found) = self.manifest.macros.get(id)
            {
                open.extend(found.depends_on.macros.iter().map(String::as_str));
            }
        }
        false
    }
}

fn body(node: &Node, then: &Node) -> bool {
    match (&node.checksum, &then.checksum) {
        // A seed past 1 MiB is known by its path alone.
        (Some(now), Some(then)) if node.resource_type == "seed" => now != then,
        _ => match (&node.raw_code, &then.raw_code) {
            (Some(now), Some(then)) => now.trim() != then.trim(),
            _ => node.checksum != then.checksum,
        },
    }
}

/// Configs as they are written, so that another target alone changes nothing.
fn configs(node: &Node, then: &Node) -> bool {
    if node.unrendered_config.is_empty() && then.unrendered_config.is_empty() {
        return node.config != then.config;
    }
    node.unrendered_config != then.unrendered_config
}

fn descriptions(node: &Node, then: &Node) -> bool {
    let persists = |key: &str| {
        let docs = node.config.get("persist_docs").and_then(|docs| docs.get(key));
        docs.and_then(serde_json::Value::as_bool).unwrap_or(false)
    };
    (persists("relation") && node.description != then.description)
        || (persists("columns") && raw(&node.columns) != raw(&then.columns))
}

fn relation(node: &Node, then: &Node) -> bool {
    let keys = ["database", "schema", "alias"];
    if node.resource_type == "source" {
        return (&node.database, &node.schema, &node.identifier)
            != (&then.database, &then.schema, &then.identifier);
    }
    keys.iter().any(|key| node.unrendered_config.get(*key) != then.unrendered_config.get(*key))
}

/// What has no word of its own.
fn rest(node: &Node, then: &Node) -> bool {
    node.fqn != then.fqn
        || raw(&node.given) != raw(&then.given)
        || raw(&node.expect) != raw(&then.expect)
        || (node.resource_type == "source"
            && (node.freshness != then.freshness || node.loaded_at_field != then.loaded_at_field))
        || (node.resource_type == "exposure" && dependencies(node) != dependencies(then))
}

fn dependencies(node: &Node) -> Ids {
    node.depends_on.nodes.iter().cloned().collect()
}

fn raw(value: &Option<Box<serde_json::value::RawValue>>) -> Option<&str> {
    value.as_ref().map(|value| value.get()).filter(|text| *text != "null")
}

//! The release's manifest, for whoever speaks of all nodes at once.
//!
//! In: the generated file. Out: its sections, its nodes, their ids in order.
//! Never: is read unless a template asks for it.
//! Fails: not at all: what is missing is empty.
//! Source: dbt's manifest v12.

use cofferdam_sdk::Files;
use serde_json::{Value as Json, json};

use crate::document::MANIFEST_PATH;

/// The sections whose members can be selected.
const SELECTED: [&str; 7] =
    ["nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests"];

/// The manifest.
#[derive(Debug, Default)]
pub(super) struct Manifest(Json);

impl Manifest {
    /// Reads it.
    pub(super) fn read(files: &dyn Files) -> Self {
        let text = files.read(MANIFEST_PATH).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// A section.
    pub(super) fn section(&self, key: &str) -> Json {
        self.0.get(key).cloned().unwrap_or_else(|| json!({}))
    }

    /// Every id that can be selected, in order.
    pub(super) fn ids(&self) -> Vec<&str> {
        let sections = SELECTED.iter().filter_map(|key| self.0.get(key)?.as_object());
        let mut ids: Vec<&str> = sections.flat_map(|section| section.keys().map(String::as_str)).collect();
        ids.sort_unstable();
        ids
    }

    /// One node.
    pub(super) fn node(&self, id: &str) -> Option<&Json> {
        SELECTED.iter().find_map(|key| self.0.get(key)?.get(id))
    }

    /// Whether a command only counts it.
    pub(super) fn is_counted(&self, id: &str) -> bool {
        ["exposure.", "saved_query."].iter().any(|kind| id.starts_with(kind))
    }

    /// Whether it is a model that stands inside of others.
    pub(super) fn is_ephemeral(&self, id: &str) -> bool {
        let materialized = self.node(id).and_then(|node| node.pointer("/config/materialized"));
        id.starts_with("model.") && materialized.and_then(Json::as_str) == Some("ephemeral")
    }

    /// Whether dbt tells of a node that ended so: not of ephemeral models that are well, nor of hooks
    /// before the run that are.
    pub(super) fn is_told(&self, id: &str, status: &str) -> bool {
        match id.split('.').next().unwrap_or_default() {
            "model" => status == "error" || !self.is_ephemeral(id),
            "seed" | "snapshot" | "test" | "unit_test" => true,
            "operation" => {
                let tags = self.node(id).and_then(|node| node.get("tags")?.as_array());
                status == "error" && tags.into_iter().flatten().any(|tag| tag == "on-run-start")
            }
            _ => false,
        }
    }
}

//! The parts of `manifest.json` that selecting, listing and telling need.
//!
//! In: the bytes of a manifest in dbt's schema v12. Out: a [`Manifest`].
//! Never: writes one; the loader does. Keeps what it does not name as raw text.
//! Fails: with `CD0063`.
//! Source: <https://schemas.getdbt.com/dbt/manifest/v12.json>.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::failure::{Code, Failure, Outcome};

/// A manifest, run results or another artifact cannot be read.
pub(crate) const BAD_ARTIFACT: Code = Code(63);

/// A manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    pub(crate) metadata: Metadata,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) sources: BTreeMap<String, Node>,
    pub(crate) exposures: BTreeMap<String, Node>,
    pub(crate) metrics: BTreeMap<String, Node>,
    pub(crate) semantic_models: BTreeMap<String, Node>,
    pub(crate) saved_queries: BTreeMap<String, Node>,
    pub(crate) unit_tests: BTreeMap<String, Node>,
    pub(crate) macros: BTreeMap<String, Macro>,
    pub(crate) child_map: BTreeMap<String, Vec<String>>,
    pub(crate) selectors: Map<String, Value>,
}

/// Its head.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) project_name: Option<String>,
    pub(crate) adapter_type: Option<String>,
    pub(crate) invocation_id: Option<String>,
    pub(crate) generated_at: Option<String>,
}

/// A macro.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Macro {
    pub(crate) macro_sql: String,
    pub(crate) depends_on: DependsOn,
}

/// A node of any type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    pub(crate) unique_id: String,
    pub(crate) name: String,
    pub(crate) resource_type: String,
    pub(crate) package_name: String,
    pub(crate) path: String,
    pub(crate) original_file_path: String,
    pub(crate) patch_path: Option<String>,
    pub(crate) fqn: Vec<String>,
    pub(crate) alias: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) identifier: Option<String>,
    pub(crate) relation_name: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) config: Map<String, Value>,
    pub(crate) unrendered_config: Map<String, Value>,
    pub(crate) depends_on: DependsOn,
    pub(crate) source_name: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) access: Option<String>,
    pub(crate) version: Value,
    pub(crate) latest_version: Value,
    pub(crate) test_metadata: Option<TestMetadata>,
    pub(crate) column_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) raw_code: Option<String>,
    pub(crate) columns: Option<Box<RawValue>>,
    pub(crate) contract: Option<Box<RawValue>>,
    pub(crate) freshness: Value,
    pub(crate) loaded_at_field: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) given: Option<Box<RawValue>>,
    pub(crate) expect: Option<Box<RawValue>>,
    pub(crate) quoting: Option<Box<RawValue>>,
    pub(crate) meta: Map<String, Value>,
    pub(crate) language: Option<String>,
}

/// What a node needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DependsOn {
    pub(crate) nodes: Vec<String>,
    pub(crate) macros: Vec<String>,
}

/// Which generic test a test is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TestMetadata {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
}

/// Digest of a node's file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenChecksum")]
pub(crate) struct Checksum {
    pub(crate) name: String,
    pub(crate) checksum: String,
}

/// Digests of unit tests are bare.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenChecksum {
    Bare(String),
    Named {
        #[serde(default)]
        name: String,
        #[serde(default)]
        checksum: String,
    },
}

impl From<WrittenChecksum> for Checksum {
    fn from(written: WrittenChecksum) -> Self {
        match written {
            WrittenChecksum::Bare(checksum) => Self { name: String::new(), checksum },
            WrittenChecksum::Named { name, checksum } => Self { name, checksum },
        }
    }
}

impl Manifest {
    /// Reads the bytes of a manifest; `what` is how errors call it.
    pub(crate) fn read(what: &str, bytes: &[u8]) -> Outcome<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            let fix = "write it again with a command that makes it, e.g. `cofferdam dbt parse`";
            Failure::new(BAD_ARTIFACT, format!("{what} is no manifest in schema v12"), fix).because(&error)
        })
    }

    /// Every node that can be selected.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Node> {
        let graph = [
            &self.nodes,
            &self.sources,
            &self.exposures,
            &self.metrics,
            &self.semantic_models,
            &self.saved_queries,
            &self.unit_tests,
        ];
        graph.into_iter().flat_map(BTreeMap::values)
    }

    /// One node.
    pub(crate) fn node(&self, id: &str) -> Option<&Node> {
        let kind = id.split('.').next().unwrap_or_default();
        let among = match kind {
            "source" => &self.sources,
            "exposure" => &self.exposures,
            "metric" => &self.metrics,
            "semantic_model" => &self.semantic_models,
            "saved_query" => &self.saved_queries,
            "unit_test" => &self.unit_tests,
            _ => &self.nodes,
        };
        among.get(id)
    }
}

impl Node {
    /// The materialization, where it has one.
    pub(crate) fn materialized(&self) -> &str {
        self.config.get("materialized").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it is a model that stands inside of others.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.resource_type == "model" && self.materialized() == "ephemeral"
    }

    /// Labels, of the node and of its config.
    pub(crate) fn tags(&self) -> BTreeSet<&str> {
        let config = match self.config.get("tags") {
            Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(tag)) => vec![tag.as_str()],
            _ => Vec::new(),
        };
        self.tags.iter().map(String::as_str).chain(config).collect()
    }

    /// Whether it is a test of either kind.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.resource_type.as_str(), "test" | "unit_test")
    }

    /// The name the result lines show: `schema.alias` for what becomes a relation, the name else.
    pub(crate) fn shown(&self) -> String {
        match self.resource_type.as_str() {
            "model" | "seed" | "snapshot" => {
                let schema = self.schema.as_deref().unwrap_or_default();
                format!("{schema}.{}", self.alias.as_deref().unwrap_or(&self.name))
            }
            "unit_test" => format!("{}::{}", self.model.as_deref().unwrap_or_default(), self.name),
            "source" => format!("{}.{}", self.source_name.as_deref().unwrap_or_default(), self.name),
            _ => self.name.clone(),
        }
    }
}

//! What the loader writes down for a task, and the task reads back: all an attempt needs besides
//! the node's own file and the macros it calls.
//!
//! In: a [`NodeSettings`] and the variables. Out: the task's settings, and back.
//! Never: holds rows, statements or secrets; settings are signed with the release and shown.
//! Fails: where a setting would pass 64 KiB, or an invocation lacks one.
//! Source: `wit/task/task.wit`, record `argument`; `docs/adr/0005-loader-and-task-are-two-components.md`.

use std::collections::BTreeMap;

use cofferdam_sdk::{Argument, Invocation, Relation, TaskFailure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::config::Config;
use crate::schema_file::TestKind;

/// How long the JSON of one setting may be.
pub const SETTING_BYTES_MAX: usize = 64 << 10;

/// A relation as a setting holds it: schema and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationName(pub String, pub String);

impl RelationName {
    /// The relation of the SDK.
    #[must_use]
    pub fn relation(&self) -> Relation {
        Relation::new(self.0.as_str(), self.1.as_str())
    }

    /// `schema.name`, as a request has it.
    #[must_use]
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.0, self.1)
    }
}

/// What kind of node a task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// A model, built into its relation.
    Model {
        /// The relation.
        relation: RelationName,
    },
    /// A seed, loaded into its relation.
    Seed {
        /// The relation.
        relation: RelationName,
    },
    /// A singular test: a query that should find nothing.
    SingularTest,
    /// A generic test of one column.
    GenericTest {
        /// The relation it looks at.
        relation: RelationName,
        /// The column.
        column: String,
        /// Whether the column's name is to be quoted.
        quote: bool,
        /// What it claims.
        test: Claim,
    },
}

/// What a generic test claims, with names resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "test")]
pub enum Claim {
    /// No value stands twice.
    Unique,
    /// Every row has a value.
    NotNull,
    /// Every value is one of these.
    AcceptedValues {
        /// The values.
        values: Vec<Json>,
        /// Whether they are written as text.
        quote: bool,
    },
    /// Every value stands in a column of another relation.
    Relationships {
        /// The other relation.
        to: RelationName,
        /// Its column.
        field: String,
    },
}

impl Claim {
    /// A test as its file asks for it; none for `relationships`, whose `to` is resolved first.
    #[must_use]
    pub fn plain(kind: &TestKind) -> Option<Self> {
        match kind {
            TestKind::Unique => Some(Self::Unique),
            TestKind::NotNull => Some(Self::NotNull),
            TestKind::AcceptedValues { values, quote } => {
                Some(Self::AcceptedValues { values: values.clone(), quote: *quote })
            }
            TestKind::Relationships { .. } => None,
        }
    }
}

/// The settings of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSettings {
    /// The project's name.
    pub project: String,
    /// The node's name.
    pub name: String,
    /// Its file, as the release spells it.
    pub path: String,
    /// The line it stands on, where it is part of a file; 0 otherwise.
    pub line: u32,
    /// What is to be done.
    #[serde(flatten)]
    pub work: Work,
    /// Its configuration.
    pub config: Config,
    /// Files with the macros it may call.
    pub macros: Vec<String>,
}

/// Where the names of one node lead.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct References {
    /// Models and seeds.
    pub refs: BTreeMap<String, RelationName>,
    /// Tables by source.
    pub sources: BTreeMap<String, BTreeMap<String, RelationName>>,
}

/// The settings of a task, as the contract has them.
///
/// # Errors
/// With a sentence where one is longer than the contract allows.
pub fn write(
    node: &NodeSettings,
    references: &References,
    vars: &Map<String, Json>,
) -> Result<Vec<Argument>, String> {
    let arguments =
        [Argument::new("node", node), Argument::new("references", references), Argument::new("vars", vars)]
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| why.to_string())?;
    match arguments.iter().find(|argument| argument.json.len() > SETTING_BYTES_MAX) {
        Some(argument) => Err(format!(
            "the setting `{}` of this node is longer than {} KiB",
            argument.name,
            SETTING_BYTES_MAX >> 10
        )),
        None => Ok(arguments),
    }
}

/// What an attempt works with.
#[derive(Debug)]
pub struct Attempt {
    /// The node.
    pub node: NodeSettings,
    /// Where its names lead.
    pub references: References,
    /// The variables: those of the release, and over them those of this run.
    pub vars: Map<String, Json>,
    /// Whether incremental models are to be built anew.
    pub full_refresh: bool,
}

/// Reads the settings and arguments of an attempt. A run may pass `vars` (a map), `full_refresh`,
/// and, by its own name, any variable that the project declares.
///
/// # Errors
/// Where one is missing, has another shape, or is not known.
pub fn read(invocation: &Invocation) -> Result<Attempt, TaskFailure> {
    let node: NodeSettings = invocation.required_setting("node")?;
    let references = invocation.required_setting("references")?;
    let mut vars: Map<String, Json> = invocation.required_setting("vars")?;
    for argument in &invocation.arguments {
        let name = argument.name.as_str();
        match name {
            "full_refresh" | "vars" => {}
            name if vars.contains_key(name) => {
                if let Some(value) = invocation.argument(name)? {
                    vars.insert(name.to_owned(), value);
                }
            }
            name => {
                let hint = crate::problem::did_you_mean(name, vars.keys().map(String::as_str));
                return Err(TaskFailure::permanent(
                    crate::codes::ARGUMENT,
                    format!(
                        "`{name}` is not a variable of the project{hint}; declare it under `vars` in dbt_project.yml"
                    ),
                ));
            }
        }
    }
    vars.extend(invocation.argument::<Map<String, Json>>("vars")?.unwrap_or_default());
    let full_refresh = match node.config.full_refresh {
        Some(always) => always,
        None => invocation.argument("full_refresh")?.unwrap_or(false),
    };
    Ok(Attempt { node, references, vars, full_refresh })
}

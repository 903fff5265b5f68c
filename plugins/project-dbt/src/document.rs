//! What the loader writes down for each node of the graph, and an attempt reads back.
//!
//! In: one range of a generated file of the release, named by the task's settings.
//! Out: a [`Document`]: the node as dbt's manifest has it, where its names lead, which files hold
//! its macros, the project and target it belongs to.
//! Never: holds rows, secrets, or another node's text, but for ephemeral models and the model a unit
//! test looks at, which are part of the node's own statement.
//! Fails: with [`codes::DOCUMENT`], where release and plugin do not fit together.
//! Source: dbt's manifest v12, <https://schemas.getdbt.com/dbt/manifest/v12.json>, for `node`.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_sdk::{Files, Invocation, Relation, TaskFailure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::codes;

/// The generated file with dbt's manifest, below the project's folder as all generated files.
pub const MANIFEST_PATH: &str = "cofferdam/manifest.json";
/// The generated file with one document per node, each in a range of its own.
pub const NODES_PATH: &str = "cofferdam/nodes";
/// The setting with the range of the node's document: `[offset, length]`.
pub const DOCUMENT_SETTING: &str = "document";
/// The setting with the range of the [`Shared`] document, which all nodes have in common.
pub const SHARED_SETTING: &str = "shared";
/// The setting with the node's unique id, where that of the task is another.
pub const UNIQUE_ID_SETTING: &str = "unique_id";
/// The setting with the mode the task asks for: `read`, `write` or `admin`.
pub const MODE_SETTING: &str = "mode";
/// The setting with the folder of the project inside the release, empty for its root.
pub const ROOT_SETTING: &str = "root";

/// Everything an attempt knows of its node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The node, exactly as in the manifest.
    pub node: Node,
    /// The node's own file as the release spells its path; empty where it has none (an operation).
    pub file: String,
    /// The line of that file on which the node's code (or its entry) begins, from 1.
    pub line: u32,
    /// What each `ref()` leads to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<Reference>,
    /// What each `source()` leads to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceReference>,
    /// Ephemeral models among `refs`, and those they read in turn, each behind those it reads: the
    /// order in which they become common table expressions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ephemerals: Vec<Document>,
    /// The files with the macros that the node may call, those of the component itself excepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub macros: Vec<MacroFile>,
    /// Whether its template or macros name `graph`: the manifest is then to be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub graph: bool,
    /// Whether it is a hook behind a run that names `results`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub results: bool,
    /// Whether it names `graph`, and templates of the project put something there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remembers: bool,
    /// For a unit test: the model it looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<Box<Document>>,
    /// What all nodes of the project have in common; stands in a range of its own.
    #[serde(skip)]
    pub shared: Shared,
}

/// A node of the manifest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Node(pub Map<String, Json>);

/// What one `ref()` leads to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// The package named, if one was.
    pub package: Option<String>,
    /// The name.
    pub name: String,
    /// The version named, if one was.
    pub version: Option<String>,
    /// The node it leads to.
    pub unique_id: String,
    /// Where that node's rows are; none for an ephemeral model.
    pub relation: Option<RelationParts>,
    /// Where an earlier state has them, where the command defers to one and does not build the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Deferred>,
    /// Whether it is an ephemeral model.
    pub ephemeral: bool,
    /// Its setting `event_time`: the column a batch is cut by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
}

/// Where the rows of a node are in an earlier state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deferred {
    /// The relation.
    #[serde(flatten)]
    pub relation: RelationParts,
    /// Whether it is read even where the node's own relation is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub favored: bool,
}

/// What one `source()` leads to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceReference {
    /// The source's name.
    pub source: String,
    /// The table's name.
    pub name: String,
    /// The node it leads to.
    pub unique_id: String,
    /// Where its rows are.
    pub relation: RelationParts,
    /// Its setting `event_time`: the column a batch is cut by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
}

/// A relation by its parts, unquoted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationParts {
    /// The database; none where the warehouse has but one.
    pub database: Option<String>,
    /// The schema.
    pub schema: String,
    /// The table or view.
    pub identifier: String,
    /// Which of `database`, `schema` and `identifier` are quoted, where it says so itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quoting: BTreeMap<String, bool>,
}

/// A file with macros.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MacroFile {
    /// The package it belongs to.
    pub package: String,
    /// Its path as the release spells it.
    pub file: String,
    /// Those of its macros that the node may call.
    pub names: Vec<String>,
}

/// What all nodes of a project have in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shared {
    /// The project.
    pub project: ProjectPart,
    /// What `target` says.
    pub target: Target,
    /// What `env_var` may see: the allow-list of the release, with the values it was built with.
    pub env: BTreeMap<String, String>,
    /// Names that were looked for and are not set. Where this is said, any other name is an error: whether
    /// it is set is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_unset: Option<BTreeSet<String>>,
}

impl Shared {
    /// What `env_var` gives for a name; `None` where it is not set.
    ///
    /// # Errors
    /// With a sentence, where it is not known whether it is set.
    pub fn env_var(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(value) = self.env.get(name) {
            return Ok(Some(value.clone()));
        }
        if self.env_unset.as_ref().is_some_and(|names| !names.contains(name)) {
            return Err(format!(
                "the environment variable `{name}` was not looked up when the release was built, since the project makes its name up while it runs; write the name out somewhere in the project's SQL or YAML, a comment such as `# env_var('{name}')` will do"
            ));
        }
        Ok(None)
    }
}

/// What a node needs to know of its project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectPart {
    /// The root project's name.
    pub name: String,
    /// In which packages `adapter.dispatch` looks.
    pub dispatch: Vec<Dispatch>,
    /// The comment put to each statement, as the project file has it; null where it has none.
    pub query_comment: Json,
    /// The variables each package sees, those of the root project over its own.
    pub vars: BTreeMap<String, Map<String, Json>>,
    /// Which parts of a name are quoted: `database`, `schema`, `identifier`.
    pub quoting: Map<String, Json>,
    /// The project's `flags`.
    pub flags: Map<String, Json>,
    /// The project and its packages, with their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, Option<String>>,
}

impl ProjectPart {
    /// What dbt's configuration object says of the project, as macros reach it.
    #[must_use]
    pub fn runtime_config(&self, target: &Target) -> Json {
        let dependency = |(name, version): (&String, &Option<String>)| {
            (name.clone(), json!({"project_name": name, "version": version}))
        };
        json!({
            "project_name": self.name,
            "version": self.versions.get(&self.name).cloned().flatten(),
            "profile_name": target.profile_name,
            "target_name": target.name,
            "threads": target.threads,
            "vars": self.vars.get(&self.name),
            "dependencies": self.versions.iter().map(dependency).collect::<Map<_, _>>(),
        })
    }
}

/// Where `adapter.dispatch` looks for the macros of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dispatch {
    /// The namespace.
    pub macro_namespace: String,
    /// The packages, first found wins.
    pub search_order: Vec<String>,
}

/// What `target` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// The target's name.
    pub name: String,
    /// The profile's name.
    pub profile_name: String,
    /// The adapter's type, e.g. `postgres`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The schema of nodes that name none.
    pub schema: String,
    /// The database.
    pub database: String,
    /// How many nodes are built at a time.
    pub threads: u64,
    /// What else the build says of it.
    #[serde(flatten)]
    pub other: Map<String, Json>,
}

impl Target {
    /// Whether the warehouse speaks MySQL's dialect: dbt has three types for it.
    #[must_use]
    pub fn is_mysql(&self) -> bool {
        matches!(self.kind.as_str(), "mysql" | "mysql5" | "mariadb")
    }

    /// The dialect behind the type.
    #[must_use]
    pub fn dialect(&self) -> &str {
        if self.is_mysql() { "mysql" } else { &self.kind }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            profile_name: "default".to_owned(),
            kind: "sqlite".to_owned(),
            schema: crate::names::TARGET_SCHEMA.to_owned(),
            database: String::new(),
            threads: 4,
            other: Map::new(),
        }
    }
}

impl Node {
    /// A text of the node, empty where it has none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Json::as_str).unwrap_or_default()
    }

    /// `model.shop.orders`.
    #[must_use]
    pub fn unique_id(&self) -> &str {
        self.text("unique_id")
    }

    /// `orders`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The package it belongs to.
    #[must_use]
    pub fn package(&self) -> &str {
        self.text("package_name")
    }

    /// `model`, `seed`, `snapshot`, `test`, `unit_test`, `operation`, `analysis`, `source`.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        self.text("resource_type")
    }

    /// The template.
    #[must_use]
    pub fn raw_code(&self) -> &str {
        self.text("raw_code")
    }

    /// Its file, relative to its package.
    #[must_use]
    pub fn original_file_path(&self) -> &str {
        self.text("original_file_path")
    }

    /// The whole configuration, as `config.get` sees it.
    #[must_use]
    pub fn config(&self) -> &Map<String, Json> {
        static EMPTY: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
        self.0.get("config").and_then(Json::as_object).unwrap_or(&EMPTY)
    }

    /// One setting; none where it is absent or null.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Json> {
        self.config().get(name).filter(|value| !value.is_null())
    }

    /// Where its rows are: what `this` is.
    #[must_use]
    pub fn relation(&self) -> RelationParts {
        let database = Some(self.text("database").to_owned()).filter(|name| !name.is_empty());
        let identifier = match self.text("identifier") {
            "" => self.text("alias"),
            identifier => identifier,
        };
        let own =
            if self.resource_type() == "source" { self.0.get("quoting") } else { self.setting("quoting") };
        let own = own.and_then(Json::as_object).into_iter().flatten();
        RelationParts {
            database,
            schema: self.text("schema").to_owned(),
            identifier: if identifier.is_empty() { self.name() } else { identifier }.to_owned(),
            quoting: own.filter_map(|(part, said)| Some((part.clone(), said.as_bool()?))).collect(),
        }
    }
}

impl RelationParts {
    /// The relation of the SDK. The database is left out: a gateway has one.
    #[must_use]
    pub fn relation(&self) -> Relation {
        Relation::new(self.schema.as_str(), self.identifier.as_str())
    }

    /// `schema.name`, as a request has it.
    #[must_use]
    pub fn dotted(&self) -> String {
        format!("{}.{}", self.schema, self.identifier)
    }
}

impl Document {
    /// Reads the node's document and what it shares with the others.
    ///
    /// # Errors
    /// Where a setting is missing, or the file does not hold what the settings say.
    pub fn read(files: &dyn Files, invocation: &Invocation) -> Result<Self, TaskFailure> {
        let mut document: Self = part(files, invocation, DOCUMENT_SETTING)?;
        document.share(&part(files, invocation, SHARED_SETTING)?);
        Ok(document)
    }

    /// Tells it, and the documents inside of it, what all have in common.
    fn share(&mut self, shared: &Shared) {
        self.shared = shared.clone();
        for inner in self.ephemerals.iter_mut().chain(self.tested.as_deref_mut()) {
            inner.share(shared);
        }
    }

    /// What a `ref` leads to; a version is compared as it is written. A node that was named with its
    /// package may be named without where that is the project's own, and the other way round.
    #[must_use]
    pub fn reference(&self, package: Option<&str>, name: &str, version: Option<&str>) -> Option<&Reference> {
        let of_name = || self.refs.iter().filter(|to| to.name == name && to.version.as_deref() == version);
        let leads_into = |to: &Reference, package: &str| to.unique_id.split('.').nth(1) == Some(package);
        of_name().find(|to| to.package.as_deref() == package).or_else(|| {
            of_name().find(|to| match (package, &to.package) {
                (Some(package), None) => leads_into(to, package),
                (None, Some(_)) => leads_into(to, &self.shared.project.name),
                _ => false,
            })
        })
    }

    /// What a `source` leads to.
    #[must_use]
    pub fn source(&self, source: &str, name: &str) -> Option<&SourceReference> {
        self.sources.iter().find(|to| to.source == source && to.name == name)
    }
}

/// The path of a generated file in the release.
///
/// # Errors
/// Where the folder of the project is not a text.
pub fn generated(invocation: &Invocation, path: &str) -> Result<String, TaskFailure> {
    let root: String = invocation.setting(ROOT_SETTING)?.unwrap_or_default();
    Ok(if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") })
}

/// The document in the range that a setting names.
fn part<T: serde::de::DeserializeOwned>(
    files: &dyn Files,
    invocation: &Invocation,
    setting: &str,
) -> Result<T, TaskFailure> {
    let (offset, length): (u64, u64) = invocation.required_setting(setting)?;
    let path = generated(invocation, NODES_PATH)?;
    let bytes = files.read_part(&path, offset, length)?;
    serde_json::from_slice(&bytes).map_err(|why| {
        let message = format!(
            "`{}`: what the release holds for it cannot be read ({why}); build the release again with the plugins it runs with",
            invocation.task
        );
        TaskFailure::permanent(codes::DOCUMENT, message)
    })
}

//! What lies around a template while a project is described: no warehouse, names gathered.
//!
//! In: the node that is rendered. Out: what the template asked for: [`Found`].
//! Never: resolves a name; every `ref` and `source` gets a relation that stands for it.
//! Fails: as the engine does; the world itself refuses no name.
//! Source: dbt renders each file once with `execute` false, and takes what it asks for.

use std::cell::RefCell;
use std::collections::BTreeMap;

use indexmap::IndexSet;
use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use crate::document::Shared;
use crate::jinja::world::{Database, Quoting, RelationName};
use crate::jinja::{World, datetime, from_json};
use crate::project::config::add_call;
use crate::project::{DBT_VERSION, target_json};

/// The moment that stands for the start of a run while a project is described: the same in every
/// build, so that the same files give the same release.
const DESCRIBED_AT: &str = "2000-01-01T00:00:00Z";

/// One `ref()` as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RefAsked {
    /// The package, if one was named.
    pub(crate) package: Option<String>,
    /// The name.
    pub(crate) name: String,
    /// The version, if one was named.
    pub(crate) version: Option<String>,
}

impl RefAsked {
    /// As the manifest has it.
    pub(crate) fn json(&self) -> Json {
        let version = self.version.as_ref().map(|version| match version.parse::<i64>() {
            Ok(number) => Json::from(number),
            Err(_) => Json::from(version.as_str()),
        });
        json!({"name": self.name, "package": self.package, "version": version})
    }

    /// As a template writes it.
    pub(crate) fn written(&self) -> String {
        let package = self.package.as_ref().map(|package| format!("'{package}', ")).unwrap_or_default();
        let version = self.version.as_ref().map(|version| format!(", v={version}")).unwrap_or_default();
        format!("ref({package}'{}'{version})", self.name)
    }
}

/// What a template asked for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// References, in their order.
    pub(crate) refs: Vec<RefAsked>,
    /// Tables of sources, in their order.
    pub(crate) sources: Vec<(String, String)>,
    /// Metrics, each with the package it was named with.
    pub(crate) metrics: Vec<(Option<String>, String)>,
    /// Macros called by the text itself.
    pub(crate) macros: IndexSet<String>,
    /// What `config()` said.
    pub(crate) config: Map<String, Json>,
    /// Whether it asked for `graph`.
    pub(crate) graph: bool,
    /// Ids of docs blocks, in their order.
    pub(crate) docs: IndexSet<String>,
    /// Warnings of `exceptions.warn`.
    pub(crate) warnings: Vec<String>,
}

/// What all templates of a project see.
pub(crate) struct Around {
    /// Variables, target, allow-list.
    pub(crate) shared: Shared,
    /// How names are quoted.
    pub(crate) quoting: Quoting,
    /// Docs blocks by package and name.
    pub(crate) docs: BTreeMap<(String, String), String>,
}

impl Around {
    /// A relation of the target's database.
    pub(crate) fn relation(&self, database: &str, schema: &str, identifier: &str) -> RelationName {
        let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        RelationName {
            database: part(database),
            schema: part(schema),
            identifier: part(identifier),
            quoting: self.quoting,
            ..RelationName::default()
        }
    }
}

/// The world of one rendering.
pub(crate) struct Describing<'a> {
    around: &'a Around,
    /// The node, as far as it is known.
    node: Option<&'a Map<String, Json>>,
    this: RelationName,
    incremental: bool,
    /// The arguments of a generic test.
    arguments: Option<Value>,
    found: RefCell<Found>,
    /// Whether names are gathered; not while a value of YAML is rendered.
    gathers: bool,
}

impl<'a> Describing<'a> {
    /// A world for the text of a node.
    pub(crate) fn of(around: &'a Around, node: &'a Map<String, Json>) -> Self {
        let text = |key: &str| node.get(key).and_then(Json::as_str).unwrap_or_default();
        let this = around.relation(text("database"), text("schema"), text("alias"));
        Self { node: Some(node), this, gathers: true, ..Self::values(around) }
    }

    /// A world for values of YAML.
    pub(crate) fn values(around: &'a Around) -> Self {
        Self {
            around,
            node: None,
            this: RelationName::default(),
            incremental: false,
            arguments: None,
            found: RefCell::default(),
            gathers: false,
        }
    }

    /// The same where incremental models are built upon what is there.
    pub(crate) fn incremental(mut self) -> Self {
        self.incremental = true;
        self
    }

    /// The same with arguments of a generic test.
    pub(crate) fn with_arguments(&mut self, arguments: Value) {
        self.arguments = Some(arguments);
    }

    /// What was asked for.
    pub(crate) fn found(self) -> Found {
        self.found.into_inner()
    }
}

impl World for Describing<'_> {
    fn execute(&self) -> bool {
        false
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
    ) -> Result<RelationName, String> {
        if !self.gathers {
            return Err("`ref` has no place in this value".to_owned());
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        self.found.borrow_mut().refs.push(RefAsked {
            package: own(package),
            name: name.to_owned(),
            version: own(version),
        });
        Ok(RelationName { identifier: Some(name.to_owned()), ..self.this.clone() })
    }

    fn source(&self, source: &str, table: &str) -> Result<RelationName, String> {
        if !self.gathers {
            return Err("`source` has no place in this value".to_owned());
        }
        self.found.borrow_mut().sources.push((source.to_owned(), table.to_owned()));
        Ok(RelationName {
            schema: Some(source.to_owned()),
            identifier: Some(table.to_owned()),
            ..self.this.clone()
        })
    }

    fn metric(&self, package: Option<&str>, name: &str) -> Result<String, String> {
        if !self.gathers {
            return Err("`metric` has no place in this value".to_owned());
        }
        self.found.borrow_mut().metrics.push((package.map(str::to_owned), name.to_owned()));
        Ok(name.to_owned())
    }

    fn configure(&self, settings: Map<String, Json>) -> Result<(), String> {
        add_call(&mut self.found.borrow_mut().config, &settings)
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn variable(&self, package: &str, name: &str) -> Option<Json> {
        let vars = &self.around.shared.project.vars;
        let mine = vars.get(package).or_else(|| vars.get(&self.around.shared.project.name))?;
        mine.get(name).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, String> {
        self.around.shared.env_var(name)
    }

    fn incremental(&self) -> bool {
        self.incremental
    }

    fn quoting(&self) -> Option<Quoting> {
        Some(self.around.quoting)
    }

    fn plain_variables(&self) -> bool {
        !self.gathers
    }

    fn log(&self, _info: bool, _message: &str) {}

    fn warn(&self, message: &str) {
        self.found.borrow_mut().warnings.push(message.to_owned());
    }

    fn calls(&self, macro_id: &str) {
        self.found.borrow_mut().macros.insert(macro_id.to_owned());
    }

    fn name(&self, name: &str) -> Option<Value> {
        let shared = &self.around.shared;
        let value = match name {
            "target" => from_json(&target_json(&shared.target)),
            "schema" => from_json(&Json::from(shared.target.schema.as_str())),
            "database" => from_json(&Json::from(shared.target.database.as_str())),
            "project_name" => from_json(&Json::from(shared.project.name.as_str())),
            "invocation_id" => from_json(&Json::from("00000000-0000-0000-0000-000000000000")),
            "dbt_version" => from_json(&Json::from(DBT_VERSION)),
            "run_started_at" => return datetime(DESCRIBED_AT),
            "_dbt_generic_test_kwargs" => return self.arguments.clone(),
            "this" if self.node.is_some() => self.this.clone().into_value(),
            "model" => from_json(&Json::Object(self.node?.clone())),
            "invocation_args_dict" => from_json(&json!({
                "which": "parse", "invocation_command": "dbt parse", "full_refresh": false, "vars": {},
            })),
            "dbt_metadata_envs" => from_json(&json!({})),
            "runtime_config" => from_json(&shared.project.runtime_config(&shared.target)),
            "flags" => from_json(&json!({
                "WHICH": "parse", "FULL_REFRESH": false, "STORE_FAILURES": false, "EMPTY": false,
                "DEFER": false, "FAIL_FAST": false, "WARN_ERROR": false, "VERSION_CHECK": true,
                "INTROSPECT": true, "USE_COLORS": false, "PRINTER_WIDTH": 80, "QUIET": false,
                "SEND_ANONYMOUS_USAGE_STATS": false, "INVOCATION_COMMAND": "dbt parse",
            })),
            "graph" => {
                self.found.borrow_mut().graph = true;
                from_json(&json!({
                    "nodes": {}, "sources": {}, "exposures": {}, "metrics": {}, "groups": {},
                    "semantic_models": {}, "saved_queries": {},
                }))
            }
            "selected_resources" | "pre_hooks" | "post_hooks" | "schemas" | "database_schemas"
            | "results" => from_json(&json!([])),
            _ => return None,
        };
        Some(value)
    }

    fn doc(&self, package: Option<&str>, name: &str) -> Result<String, String> {
        let node_package = self.node.and_then(|node| node.get("package_name")).and_then(Json::as_str);
        let (id, text) = find_doc(self.around, node_package, package, name)
            .ok_or_else(|| format!("no docs block is named `{name}`"))?;
        self.found.borrow_mut().docs.insert(id);
        Ok(text.to_owned())
    }

    fn database(&self) -> Option<&dyn Database> {
        None
    }
}

/// The docs block that `doc()` means: its id and its text.
pub(crate) fn find_doc<'a>(
    around: &'a Around,
    node_package: Option<&str>,
    package: Option<&str>,
    name: &str,
) -> Option<(String, &'a str)> {
    let in_package = |package: &str| {
        let text = around.docs.get(&(package.to_owned(), name.to_owned()))?;
        Some((format!("doc.{package}.{name}"), text.as_str()))
    };
    match package {
        Some(package) => in_package(package),
        None => in_package(&around.shared.project.name)
            .or_else(|| node_package.and_then(in_package))
            .or_else(|| {
                let ((package, _), text) = around.docs.iter().find(|((_, known), _)| known == name)?;
                Some((format!("doc.{package}.{name}"), text.as_str()))
            }),
    }
}

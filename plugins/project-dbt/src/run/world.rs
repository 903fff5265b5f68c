//! What lies around a rendering of an attempt: its node, its names, its run, its warehouse.
//!
//! In: questions of templates. Out: answers from the node's document; the warehouse's own.
//! Never: leads a name where the release did not foresee it.
//! Fails: with a sentence; the engine adds file and line.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;

use cofferdam_sdk::{Level, Telemetry};
use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use super::ask::Ask;
use super::chosen;
use super::database::Warehouse;
use super::manifest::Manifest;
use crate::document::{Document, Reference, RelationParts};
use crate::jinja::world::{Database, EventWindow, Quoting, RelationKind, RelationName};
use crate::jinja::{Engine, World, datetime, dict_of, from_json, list_of, unpack};
use crate::project::DBT_VERSION;

/// What stands in front of an ephemeral model's name where it is a common table expression.
pub(super) const EPHEMERAL: &str = "__dbt__cte__";

/// What all renderings of an attempt have in common.
pub(super) struct Scene<'a> {
    pub(super) files: &'a dyn cofferdam_sdk::Files,
    pub(super) telemetry: &'a dyn Telemetry,
    pub(super) engine: &'a Engine,
    pub(super) warehouse: &'a Warehouse<'a>,
    pub(super) ask: &'a Ask,
    /// The run's id and start.
    pub(super) run: &'a str,
    pub(super) started_at: &'a str,
    pub(super) quoting: Quoting,
}

/// What a unit test puts in the place of the world.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    /// By unique id: the common table expression that stands for the input.
    pub(super) inputs: BTreeMap<String, String>,
    /// What stands for `this`.
    pub(super) this: Option<String>,
    pub(super) vars: Map<String, Json>,
    pub(super) env: Map<String, Json>,
    pub(super) macros: Map<String, Json>,
}

/// The world of one document.
pub(super) struct Around<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) document: &'a Document,
    /// Ephemeral models and stubs the text has named, by unique id.
    pub(super) used: RefCell<Vec<String>>,
    /// The node's statement, once it is made.
    pub(super) compiled: RefCell<Option<String>>,
    /// What was run under the name `main`.
    pub(super) written: RefCell<Option<String>>,
    pub(super) stubs: Option<&'a Stubs>,
    /// The batch of a microbatch model, and the model's node with it.
    pub(super) window: RefCell<Option<(String, String)>>,
    pub(super) batch: RefCell<Option<Json>>,
    /// Names an entry adds: arguments of a test, results of a run.
    pub(super) names: RefCell<BTreeMap<&'static str, Value>>,
    pub(super) incremental: Cell<Option<bool>>,
    model: OnceCell<Value>,
    graph: OnceCell<Value>,
    manifest: OnceCell<Manifest>,
    /// What templates before this one put into `graph`.
    recalled: RefCell<Map<String, Json>>,
}

/// The sections of the manifest that `graph` has.
const GRAPH: [&str; 9] = [
    "nodes",
    "sources",
    "exposures",
    "groups",
    "metrics",
    "semantic_models",
    "saved_queries",
    "macros",
    "unit_tests",
];

scoped_tls_hkt::scoped_thread_local! {
    /// Whose function `note_main_statement` is.
    static AROUND: for<'a> &'a Around<'a>
}

impl<'a> Around<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, document: &'a Document) -> Self {
        Self {
            scene,
            document,
            used: RefCell::default(),
            compiled: RefCell::default(),
            written: RefCell::default(),
            stubs: None,
            window: RefCell::default(),
            batch: RefCell::default(),
            names: RefCell::default(),
            incremental: Cell::new(None),
            model: OnceCell::new(),
            graph: OnceCell::new(),
            manifest: OnceCell::new(),
            recalled: RefCell::default(),
        }
    }

    /// Does something with `note_main_statement` bound to this world.
    pub(super) fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        AROUND.set(self, work)
    }

    /// A name the entry adds.
    pub(super) fn put(&self, name: &'static str, value: Value) {
        self.names.borrow_mut().insert(name, value);
    }

    /// A relation as templates name it.
    pub(super) fn named(&self, parts: &RelationParts) -> RelationName {
        RelationName {
            database: parts.database.clone(),
            schema: Some(parts.schema.clone()),
            identifier: Some(parts.identifier.clone()),
            quoting: self.scene.quoting.as_said(&parts.quoting),
            ..RelationName::default()
        }
    }

    /// What stands for a node inside the statement itself.
    fn inside(&self, name: String, unique_id: &str) -> RelationName {
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|known| known == unique_id) {
            used.push(unique_id.to_owned());
        }
        let quoting = Quoting { database: false, schema: false, identifier: false, mark: '"' };
        RelationName {
            identifier: Some(name),
            kind: Some(RelationKind::Cte),
            quoting,
            ..RelationName::default()
        }
    }

    fn bounded(&self, mut relation: RelationName, event_time: Option<&str>) -> RelationName {
        if self.scene.ask.empty {
            relation.limit = Some(0);
        }
        if let (Some((start, end)), Some(field)) = (&*self.window.borrow(), event_time) {
            relation.window = Some(EventWindow {
                field: field.to_owned(),
                start: Some(start.clone()),
                end: Some(end.clone()),
            });
        }
        relation
    }

    /// The relation the node itself becomes.
    pub(super) fn this(&self) -> RelationName {
        if let Some(name) = self.stubs.and_then(|stubs| stubs.this.clone()) {
            return self.inside(name, "this");
        }
        self.named(&self.document.node.relation())
    }

    /// `pre-hook` or `post-hook`, as templates see them.
    fn hooks(&self, key: &str) -> Value {
        let told = self.document.node.setting(key).cloned().unwrap_or(Json::Null);
        let all = match told {
            Json::Array(all) => all,
            Json::Null => Vec::new(),
            one => vec![one],
        };
        let hooks: Vec<Json> = all.into_iter().enumerate().map(|(at, one)| hook(&one, at)).collect();
        from_json(&Json::Array(hooks))
    }

    /// Whether there are hooks outside of the transaction.
    pub(super) fn has_hooks_before(&self) -> bool {
        let Some(Json::Array(all)) = self.document.node.setting("pre-hook") else { return false };
        all.iter().enumerate().any(|(at, one)| hook(one, at)["transaction"] == Json::Bool(false))
    }

    fn model(&self) -> Value {
        let compiled = self.compiled.borrow().clone();
        let batch = self.batch.borrow().clone();
        if compiled.is_none() && batch.is_none() {
            return self.model.get_or_init(|| from_json(&Json::Object(self.document.node.0.clone()))).clone();
        }
        let mut node = self.document.node.0.clone();
        if let Some(compiled) = compiled {
            node.insert("compiled".to_owned(), true.into());
            node.insert("compiled_code".to_owned(), compiled.clone().into());
            node.insert("compiled_sql".to_owned(), compiled.into());
        }
        if let Some(batch) = batch {
            node.insert("batch".to_owned(), batch);
        }
        from_json(&Json::Object(node))
    }

    /// Whether this is a hook that comes after all nodes.
    fn is_after(&self) -> bool {
        let tags = self.document.node.0.get("tags").and_then(Json::as_array);
        tags.into_iter().flatten().any(|tag| tag == "on-run-end")
    }

    /// Gives `graph` what templates before this one put there.
    pub(super) fn recall(&self, recalled: Map<String, Json>) {
        *self.recalled.borrow_mut() = recalled;
    }

    /// What stands in `graph` beside the manifest; none where no template looked at it.
    pub(super) fn added_to_graph(&self) -> Option<Vec<(String, Value)>> {
        let graph = self.graph.get()?;
        let keys = graph.try_iter().ok()?.filter_map(|key| Some(key.as_str()?.to_owned()));
        let added = keys.filter(|key| !GRAPH.contains(&key.as_str()));
        let added: Vec<_> =
            added.filter_map(|key| graph.get_attr(&key).ok().map(|value| (key, value))).collect();
        Some(added).filter(|added| !added.is_empty())
    }

    pub(super) fn manifest(&self) -> &Manifest {
        self.manifest.get_or_init(|| Manifest::read(self.scene.files))
    }

    /// The nodes the command chose, where it says so.
    pub(super) fn chosen(&self) -> Result<Option<Vec<&str>>, String> {
        self.told(self.scene.ask.selected.as_deref())
    }

    /// The nodes the command skipped, where it says so.
    pub(super) fn skipped(&self) -> Result<Option<Vec<&str>>, String> {
        self.told(self.scene.ask.skipped.as_deref())
    }

    fn told(&self, set: Option<&str>) -> Result<Option<Vec<&str>>, String> {
        set.map(|set| chosen::read(set, &self.manifest().ids())).transpose()
    }

    fn graph(&self) -> Value {
        let read = || {
            let manifest = self.manifest();
            let sections = GRAPH.iter().map(|key| ((*key).to_owned(), from_json(&manifest.section(key))));
            let recalled = self.recalled.take().into_iter();
            dict_of(sections.chain(recalled.map(|(key, kept)| (key, unpack(&kept)))).collect())
        };
        self.graph.get_or_init(read).clone()
    }

    /// Where the rows of a reference are: in the target, or in the state the command defers to.
    pub(super) fn led(&self, to: &Reference) -> Result<Option<RelationParts>, String> {
        let (Some(own), Some(deferred)) = (&to.relation, &to.deferred) else {
            return Ok(to.relation.clone());
        };
        let found = match deferred.favored {
            true => None,
            false => {
                self.scene
                    .warehouse
                    .look(&own.schema, &own.identifier)
                    .map_err(|why| {
                        format!("`{}` cannot be looked for: {}", own.dotted(), why.detail().message)
                    })?
                    .1
            }
        };
        Ok(Some(if found.is_some() { own.clone() } else { deferred.relation.clone() }))
    }

    fn target(&self) -> Value {
        let target = &self.document.shared.target;
        let mut all = target.other.clone();
        for (key, value) in [
            ("name", target.name.as_str()),
            ("target_name", &target.name),
            ("profile_name", &target.profile_name),
            ("type", &target.kind),
            ("schema", &target.schema),
            ("database", &target.database),
            ("dbname", &target.database),
        ] {
            all.insert(key.to_owned(), value.into());
        }
        all.insert("threads".to_owned(), target.threads.into());
        from_json(&Json::Object(all))
    }

    fn flags(&self) -> Value {
        let ask = self.scene.ask;
        let mut flags: Map<String, Json> = Map::new();
        for (name, value) in &self.document.shared.project.flags {
            flags.insert(name.to_ascii_uppercase(), value.clone());
        }
        for (name, value) in [
            ("FULL_REFRESH", ask.full_refresh.unwrap_or(false)),
            ("STORE_FAILURES", ask.store_failures),
            ("EMPTY", ask.empty),
            ("DEBUG", false),
            ("QUIET", false),
            ("FAIL_FAST", false),
            ("WARN_ERROR", false),
            ("NON_DESTRUCTIVE", false),
            ("INTROSPECT", true),
            ("USE_COLORS", false),
            ("CACHE_SELECTED_ONLY", false),
            ("STRICT_MODE", false),
        ] {
            flags.insert(name.to_owned(), value.into());
        }
        flags.insert("WHICH".to_owned(), ask.which.as_str().into());
        flags.insert("PRINTER_WIDTH".to_owned(), 80.into());
        flags.insert("EVENT_TIME_START".to_owned(), ask.event_time_start.clone().into());
        flags.insert("EVENT_TIME_END".to_owned(), ask.event_time_end.clone().into());
        from_json(&Json::Object(flags))
    }

    /// What the command line said, as far as it reaches a node.
    fn invocation(&self) -> Value {
        let ask = self.scene.ask;
        from_json(&json!({
            "which": ask.which,
            "invocation_command": format!("dbt {}", ask.which),
            "full_refresh": ask.full_refresh.unwrap_or(false),
            "store_failures": ask.store_failures,
            "empty": ask.empty,
            "vars": ask.vars,
            "target": self.document.shared.target.name,
            "profile": self.document.shared.target.profile_name,
        }))
    }
}

/// A hook as `run_hooks` reads it. It may be a text, a text that holds JSON, or an object.
fn hook(told: &Json, at: usize) -> Json {
    let (sql, transaction) = match told {
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(Json::Object(map)) => parts(&map),
            _ => (text.clone(), true),
        },
        Json::Object(map) => {
            let (sql, transaction) = parts(map);
            // A hook made by `before_begin(…)` is JSON inside of the text.
            match serde_json::from_str::<Json>(&sql) {
                Ok(Json::Object(inner)) => parts(&inner),
                _ => (sql, transaction),
            }
        }
        other => (other.to_string(), true),
    };
    json!({"sql": sql, "transaction": transaction, "index": at})
}

fn parts(map: &Map<String, Json>) -> (String, bool) {
    let sql = map.get("sql").and_then(Json::as_str).unwrap_or_default().to_owned();
    (sql, map.get("transaction").and_then(Json::as_bool).unwrap_or(true))
}

/// `note_main_statement(text)`: what is run next, under the name `main`.
fn note(text: &str) -> String {
    AROUND.with(|around| {
        *around.written.borrow_mut() = Some(text.to_owned());
        around.scene.warehouse.wire.main_is_next.set(true);
    });
    String::new()
}

impl World for Around<'_> {
    fn execute(&self) -> bool {
        true
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
    ) -> Result<RelationName, String> {
        let to = self.document.reference(package, name, version).ok_or_else(|| {
            let package = package.map(|package| format!("'{package}', ")).unwrap_or_default();
            format!(
                "`ref({package}'{name}')` was not seen when the release was built, so nothing made sure that it is \
                 there; name it in a comment of the file: `-- depends_on: {{{{ ref({package}'{name}') }}}}`"
            )
        })?;
        if let Some(stub) = self.stubs.and_then(|stubs| stubs.inputs.get(&to.unique_id)) {
            return Ok(self.inside(stub.clone(), &to.unique_id));
        }
        match self.led(to)? {
            Some(relation) if !to.ephemeral => {
                let relation = self.named(&relation);
                Ok(self.bounded(relation, to.event_time.as_deref()))
            }
            _ => {
                let ephemeral =
                    self.document.ephemerals.iter().find(|one| one.node.unique_id() == to.unique_id);
                let name = ephemeral.map_or(to.name.as_str(), |one| one.node.name()).to_owned();
                Ok(self.inside(format!("{EPHEMERAL}{name}"), &to.unique_id))
            }
        }
    }

    fn source(&self, source: &str, table: &str) -> Result<RelationName, String> {
        let to = self.document.source(source, table).ok_or_else(|| {
            format!("`source('{source}', '{table}')` was not seen when the release was built")
        })?;
        if let Some(stub) = self.stubs.and_then(|stubs| stubs.inputs.get(&to.unique_id)) {
            return Ok(self.inside(stub.clone(), &to.unique_id));
        }
        let relation = self.named(&to.relation);
        Ok(self.bounded(relation, to.event_time.as_deref()))
    }

    fn metric(&self, _package: Option<&str>, name: &str) -> Result<String, String> {
        // That there is one was seen when the project was read.
        Ok(name.to_owned())
    }

    fn configure(&self, _settings: Map<String, Json>) -> Result<(), String> {
        // What the text says of itself was read when the release was built.
        Ok(())
    }

    fn config(&self) -> Map<String, Json> {
        self.document.node.config().clone()
    }

    fn variable(&self, package: &str, name: &str) -> Option<Json> {
        let stubbed = self.stubs.and_then(|stubs| stubs.vars.get(name));
        let vars = &self.document.shared.project.vars;
        let declared = || {
            let root = &self.document.shared.project.name;
            vars.get(package).and_then(|vars| vars.get(name)).or_else(|| vars.get(root)?.get(name))
        };
        stubbed.or_else(|| self.scene.ask.vars.get(name)).or_else(declared).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(stub) = self.stubs.and_then(|stubs| stubs.env.get(name)) {
            return Ok(Some(stub.as_str().map_or_else(|| stub.to_string(), str::to_owned)));
        }
        self.document.shared.env_var(name)
    }

    fn incremental(&self) -> bool {
        if let Some(known) = self.incremental.get() {
            return known;
        }
        let node = &self.document.node;
        let stubbed =
            self.stubs.and_then(|stubs| stubs.macros.get("is_incremental")).map(|told| *told == true);
        let told = stubbed.unwrap_or_else(|| {
            let refresh =
                node.setting("full_refresh").and_then(Json::as_bool).or(self.scene.ask.full_refresh);
            if node.setting("materialized") != Some(&json!("incremental")) || refresh == Some(true) {
                return false;
            }
            let parts = node.relation();
            let found = self.scene.warehouse.look(&parts.schema, &parts.identifier);
            matches!(found, Ok((_, Some(RelationKind::Table))))
        });
        self.incremental.set(Some(told));
        told
    }

    fn quoting(&self) -> Option<Quoting> {
        Some(self.scene.quoting)
    }

    fn log(&self, info: bool, message: &str) {
        self.scene.telemetry.log(if info { Level::Info } else { Level::Debug }, message);
    }

    fn warn(&self, message: &str) {
        self.scene.telemetry.log(Level::Warn, message);
    }

    fn name(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.names.borrow().get(name) {
            return Some(value.clone());
        }
        let node = &self.document.node;
        Some(match name {
            "model" | "node" => self.model(),
            "this" => self.this().into_value(),
            "target" => self.target(),
            "graph" => self.graph(),
            "sql" | "compiled_code" | "compiled_sql" => match &*self.compiled.borrow() {
                Some(compiled) => Value::from(compiled.as_str()),
                None => Value::from(()),
            },
            "pre_hooks" => self.hooks("pre-hook"),
            "post_hooks" => self.hooks("post-hook"),
            "invocation_id" => Value::from(self.scene.run),
            "run_started_at" => datetime(self.scene.started_at)?,
            "flags" => self.flags(),
            "invocation_args_dict" => self.invocation(),
            "dbt_metadata_envs" => from_json(&json!({})),
            "runtime_config" => {
                let shared = &self.document.shared;
                let mut config = shared.project.runtime_config(&shared.target);
                config["cli_vars"] = Json::Object(self.scene.ask.vars.clone());
                from_json(&config)
            }
            "schemas" if self.is_after() => Value::from(self.scene.ask.schemas.clone()),
            "database_schemas" if self.is_after() => {
                let database = &self.document.shared.target.database;
                let pairs = self.scene.ask.schemas.iter().map(|schema| json!([database, schema]));
                from_json(&Json::Array(pairs.collect()))
            }
            "selected_resources" => {
                let chosen = self.chosen().unwrap_or_else(|why| {
                    self.warn(&why);
                    None
                });
                list_of(chosen.unwrap_or_default().into_iter().map(Value::from).collect())
            }
            "database" => node.relation().database.map_or(Value::from(()), Value::from),
            "schema" => Value::from(node.text("schema")),
            "project_name" => Value::from(self.document.shared.project.name.as_str()),
            "dbt_version" => Value::from(DBT_VERSION),
            "thread_id" => Value::from("Thread-1"),
            "defer_relation" => Value::from(()),
            "note_main_statement" => Value::from_function(|text: String| note(&text)),
            _ => return None,
        })
    }

    fn database(&self) -> Option<&dyn Database> {
        Some(self.scene.warehouse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_texts_objects_or_json_in_a_text() {
        assert_eq!(hook(&json!("select 1"), 0), json!({"sql": "select 1", "transaction": true, "index": 0}));
        assert_eq!(
            hook(&json!({"sql": "vacuum t", "transaction": false}), 1),
            json!({"sql": "vacuum t", "transaction": false, "index": 1})
        );
        let inner = json!("{\"sql\": \"vacuum t\", \"transaction\": false}");
        assert_eq!(hook(&inner, 2)["transaction"], json!(false));
        assert_eq!(hook(&json!({"sql": inner}), 2)["sql"], json!("vacuum t"));
    }
}

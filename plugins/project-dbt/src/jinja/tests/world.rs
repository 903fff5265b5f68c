//! A world for tests: fixed answers, and what was asked of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use super::super::world::{Answer, Cell, ColumnInfo, Database, RelationKind, RelationName, Response, World};
use super::super::{Engine, Library, RenderError, from_json};

/// Answers of a project `shop`.
#[derive(Debug, Default)]
pub(super) struct TestWorld {
    pub(super) describing: bool,
    pub(super) vars: BTreeMap<String, Json>,
    pub(super) settings: RefCell<Map<String, Json>>,
    pub(super) asked: RefCell<Vec<String>>,
    pub(super) answer: Answer,
    pub(super) names: BTreeMap<String, Json>,
}

pub(super) fn relation(schema: &str, name: &str) -> RelationName {
    RelationName {
        database: Some("db".into()),
        schema: Some(schema.into()),
        identifier: Some(name.into()),
        kind: Some(RelationKind::Table),
        ..RelationName::default()
    }
}

impl TestWorld {
    fn ask(&self, what: String) {
        self.asked.borrow_mut().push(what);
    }

    /// What was asked, and forgets it.
    pub(super) fn asked(&self) -> String {
        self.asked.take().join("\n")
    }
}

impl World for TestWorld {
    fn execute(&self) -> bool {
        !self.describing
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
    ) -> Result<RelationName, String> {
        self.ask(format!("ref {package:?} {name} {version:?}"));
        if name == "missing" {
            return Err("there is no model named `missing`".into());
        }
        Ok(relation("main", name))
    }

    fn source(&self, source: &str, table: &str) -> Result<RelationName, String> {
        self.ask(format!("source {source} {table}"));
        Ok(relation(source, table))
    }

    fn configure(&self, settings: Map<String, Json>) -> Result<(), String> {
        self.settings.borrow_mut().extend(settings);
        Ok(())
    }

    fn config(&self) -> Map<String, Json> {
        self.settings.borrow().clone()
    }

    fn variable(&self, _: &str, name: &str) -> Option<Json> {
        self.vars.get(name).cloned()
    }

    fn env_var(&self, name: &str) -> Result<Option<String>, String> {
        Ok((name == "REGION").then(|| "north".into()))
    }

    fn incremental(&self) -> bool {
        true
    }

    fn log(&self, info: bool, message: &str) {
        self.ask(format!("log {info} {message}"));
    }

    fn warn(&self, message: &str) {
        self.ask(format!("warn {message}"));
    }

    fn calls(&self, macro_id: &str) {
        self.ask(format!("calls {macro_id}"));
    }

    fn name(&self, name: &str) -> Option<Value> {
        match name {
            "this" => Some(relation("main", "orders").into_value()),
            "target" => Some(from_json(
                &json!({"name": "dev", "type": "postgres", "database": "db", "schema": "main"}),
            )),
            "runtime_config" => Some(from_json(&json!({
                "project_name": "shop", "vars": {"a": 1}, "dependencies": {"shop": {"version": "1.0"}},
            }))),
            _ => self.names.get(name).map(from_json),
        }
    }

    fn database(&self) -> Option<&dyn Database> {
        if self.describing { None } else { Some(self) }
    }
}

impl Database for TestWorld {
    fn query(&self, sql: &str) -> Result<Answer, String> {
        self.ask(format!("query {}", sql.trim()));
        if sql.contains("nowhere") {
            return Err("relation \"nowhere\" does not exist".into());
        }
        Ok(self.answer.clone())
    }

    fn execute(&self, sql: &str) -> Result<Response, String> {
        self.ask(format!("execute {}", sql.trim()));
        Ok(Response { message: "INSERT 0 2".into(), code: "INSERT".into(), rows_affected: Some(2) })
    }

    fn begin(&self) -> Result<(), String> {
        self.ask("begin".into());
        Ok(())
    }

    fn commit(&self) -> Result<(), String> {
        self.ask("commit".into());
        Ok(())
    }

    fn rollback(&self) -> Result<(), String> {
        self.ask("rollback".into());
        Ok(())
    }

    fn relations(&self, _: Option<&str>, schema: &str) -> Result<Vec<RelationName>, String> {
        Ok(vec![
            relation(schema, "orders"),
            RelationName { kind: Some(RelationKind::View), ..relation(schema, "v") },
        ])
    }

    fn schemas(&self, _: Option<&str>) -> Result<Vec<String>, String> {
        Ok(vec!["main".into()])
    }

    fn columns(&self, relation: &RelationName) -> Result<Vec<ColumnInfo>, String> {
        let column = |name: &str, dtype: &str, char_size| ColumnInfo {
            name: name.into(),
            dtype: dtype.into(),
            char_size,
            ..ColumnInfo::default()
        };
        let mut columns = vec![column("id", "integer", None), column("name", "character varying", Some(20))];
        if relation.identifier.as_deref() == Some("v") {
            columns.truncate(1);
        }
        Ok(columns)
    }

    fn columns_of_query(&self, sql: &str) -> Result<Vec<ColumnInfo>, String> {
        self.ask(format!("columns of {sql}"));
        self.columns(&RelationName::default())
    }

    fn create_schema(&self, _: Option<&str>, schema: &str) -> Result<(), String> {
        self.ask(format!("create schema {schema}"));
        Ok(())
    }

    fn drop_schema(&self, _: Option<&str>, schema: &str) -> Result<(), String> {
        self.ask(format!("drop schema {schema}"));
        Ok(())
    }

    fn drop(&self, relation: &RelationName) -> Result<(), String> {
        self.ask(format!("drop {}", relation.render()));
        Ok(())
    }

    fn rename(&self, from: &RelationName, to: &RelationName) -> Result<(), String> {
        self.ask(format!("rename {} {}", from.render(), to.render()));
        Ok(())
    }

    fn truncate(&self, relation: &RelationName) -> Result<(), String> {
        self.ask(format!("truncate {}", relation.render()));
        Ok(())
    }
}

/// Two numbers and a text, as a warehouse gives them.
pub(super) fn answer() -> Answer {
    Answer {
        response: Response { message: "SELECT 2".into(), code: "SELECT".into(), rows_affected: Some(2) },
        columns: vec!["id".into(), "amount".into(), "name".into()],
        rows: vec![
            vec![Cell::Integer(1), Cell::Number("1.50".into()), Cell::Text("ann".into())],
            vec![Cell::Integer(2), Cell::Null, Cell::Text("bob".into())],
        ],
    }
}

/// A library with these files: package, path, text.
pub(super) fn library(files: &[(&str, &str, &str)]) -> Library {
    let mut library = Library::new("shop", "postgres");
    for (package, path, text) in files {
        let problems = library.add(package, path, text);
        assert_eq!(problems, Vec::new());
    }
    library
}

/// Renders a model of `shop`.
pub(super) fn render(library: Library, world: &TestWorld, text: &str) -> Result<String, RenderError> {
    Engine::new(Arc::new(library)).render("shop", "models/orders.sql", text, world)
}

/// Renders a text without macros: its text, or what is wrong.
pub(super) fn told(text: &str) -> String {
    match render(library(&[]), &TestWorld::default(), text) {
        Ok(text) => text,
        Err(why) => format!("! {why}"),
    }
}

//! Any text is a template that renders to text, or an error with its line; in a run and while describing.
#![no_main]
use std::sync::Arc;

use cofferdam_project_dbt::jinja::world::{Database, RelationName, World};
use cofferdam_project_dbt::jinja::{Engine, Library, Value};
use serde_json::{Map, Value as Json};

/// A world that knows every model and has no warehouse.
struct Fixed {
    execute: bool,
}

impl World for Fixed {
    fn execute(&self) -> bool {
        self.execute
    }

    fn reference(&self, _: Option<&str>, name: &str, _: Option<&str>) -> Result<RelationName, String> {
        Ok(RelationName { identifier: Some(name.to_owned()), ..RelationName::default() })
    }

    fn source(&self, source: &str, table: &str) -> Result<RelationName, String> {
        let (schema, identifier) = (Some(source.to_owned()), Some(table.to_owned()));
        Ok(RelationName { schema, identifier, ..RelationName::default() })
    }

    fn configure(&self, _: Map<String, Json>) -> Result<(), String> {
        Ok(())
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn variable(&self, _: &str, _: &str) -> Option<Json> {
        None
    }

    fn env_var(&self, _: &str) -> Option<String> {
        None
    }

    fn incremental(&self) -> bool {
        false
    }

    fn log(&self, _: bool, _: &str) {}

    fn warn(&self, _: &str) {}

    fn name(&self, _: &str) -> Option<Value> {
        None
    }

    fn database(&self) -> Option<&dyn Database> {
        None
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut library = Library::new("shop", "postgres");
    let _ = library.add("shop", "macros/fuzz.sql", text);
    let _ = library.check();
    let engine = Engine::new(Arc::new(library));
    for execute in [false, true] {
        if let Err(why) = engine.render("shop", "models/fuzz.sql", text, &Fixed { execute }) {
            assert!(why.line > 0 || why.message.contains("return"), "{why}");
        }
    }
});

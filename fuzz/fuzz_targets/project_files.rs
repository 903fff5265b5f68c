//! Any text is a project's YAML, seed or template, or an error with its line.
#![no_main]
use std::collections::BTreeMap;

use cofferdam_project_dbt::{config::Config, jinja, seed::Seed, yaml};
use cofferdam_sdk::Relation;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = yaml::parse(text).map(|node| node.to_json());
    let _ = Seed::parse(text.as_bytes(), None, &BTreeMap::new());
    let this = Relation { database: None, schema: Some("s".to_owned()), name: "m".to_owned() };
    let scope = jinja::Scope::describing("shop", this, &serde_json::Map::new(), Config::default());
    let mut macros = jinja::Macros::default();
    let _ = macros.add("macros/fuzz.sql", text);
    let _ = jinja::render("models/fuzz.sql", text, scope, &macros);
});

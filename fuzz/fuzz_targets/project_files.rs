//! Any text is a project's YAML or seed, or an error with its line.
#![no_main]
use std::collections::BTreeMap;

use cofferdam_project_dbt::{seed::Seed, yaml};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = yaml::parse(text).map(|node| node.to_json());
    let _ = Seed::parse(text.as_bytes(), None, &BTreeMap::new());
});

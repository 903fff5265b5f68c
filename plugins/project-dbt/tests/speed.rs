//! How long it takes to describe a large project: 1,000 models and 1,000 tests.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "run by hand, to be read")]

use std::fmt::Write as _;
use std::time::Instant;

use cofferdam_project_dbt::DbtProject;
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Project, ProjectConfig};

/// A project of this many models in folders of 100, each reading two before it, each with a test.
fn project(models: usize) -> MemoryHost {
    let mut host = MemoryHost::new()
        .file("dbt_project.yml", "name: big\nmodels: {big: {+materialized: view, +tags: [a]}}\n")
        .file(
            "macros/cents.sql",
            "{% macro cents(column) %}({{ column }} / 100)::numeric{% endmacro %}\n{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}",
        );
    let mut properties = "models:\n".to_owned();
    for at in 0..models {
        let mut sql = "{{ config(materialized='table', meta={'at': 1}) }}\nwith base as (\n  select 1 as id, {{ cents('2') }} as amount\n)\nselect * from base\n".to_owned();
        for back in [1, 7] {
            if at >= back {
                writeln!(sql, "union all select * from {{{{ ref('model_{}') }}}}", at - back).unwrap();
            }
        }
        host = host.file(&format!("models/part_{}/model_{at}.sql", at / 100), sql);
        write!(
            properties,
            "  - name: model_{at}\n    description: Model {at}\n    columns:\n      - name: id\n        data_tests: [{}]\n",
            if at % 2 == 0 { "not_null" } else { "{accepted_values: {values: [1, 2]}}" }
        )
        .unwrap();
        if at % 100 == 99 || at + 1 == models {
            host = host
                .file(&format!("models/part_{}/properties.yml", at / 100), std::mem::take(&mut properties));
            properties = "models:\n".to_owned();
        }
    }
    host
}

#[test]
#[ignore = "a measurement; run it alone, and read what it prints"]
fn a_thousand_models_and_tests_are_described_in_about_a_second() {
    for models in [10, 100, 1_000] {
        let host = project(models);
        let start = Instant::now();
        let config = ProjectConfig { gateway: "wh".into(), ..ProjectConfig::default() };
        let described = DbtProject::describe(&host.project_context(), config).unwrap();
        let took = start.elapsed();
        let sizes: Vec<usize> = described.files.iter().map(|file| file.content.len()).collect();
        println!("{models} models: {} tasks in {took:?}, files of {sizes:?} bytes", described.tasks.len());
    }
}

//! Projects as authors write them and as they should not: what `describe` makes of each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use cofferdam_project_dbt::DbtProject;
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Argument, Level, Problem, Project, ProjectConfig, TaskSpec};

const PROJECT: &str =
    "name: shop\nmodels:\n  shop:\n    +materialized: table\n    marts:\n      +schema: marts\n";

fn host(files: &[(&str, &str)]) -> MemoryHost {
    files.iter().fold(MemoryHost::new(), |host, (path, text)| host.file(path, *text))
}

fn describe_in(host: &MemoryHost, config: ProjectConfig) -> Result<Vec<TaskSpec>, Vec<Problem>> {
    DbtProject::describe(&host.project_context(), config).map(|described| described.tasks)
}

fn describe(files: &[(&str, &str)]) -> Result<Vec<TaskSpec>, Vec<Problem>> {
    let config = ProjectConfig { gateway: "wh".into(), ..ProjectConfig::default() };
    let mut all = vec![("dbt_project.yml", PROJECT)];
    all.extend_from_slice(files);
    describe_in(&host(&all), config)
}

fn problems(files: &[(&str, &str)]) -> String {
    let list = describe(files).expect_err("the project should be refused");
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn graph(files: &[(&str, &str)]) -> String {
    let tasks = describe(files).unwrap_or_else(|list| panic!("{list:#?}"));
    tasks
        .iter()
        .map(|task| format!("{} <- {}", task.id, task.needs.join(", ")))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let files = [
        ("models/a.sql", "select 1\nfrom {{ ref('stg_order') }}"),
        ("models/stg_orders.sql", "select {{ 1 + }}\n"),
        (
            "models/sub/b.sql",
            "{{ config(\n    materialized='incremental', incremental_strategy='merge'\n) }}\nselect 1",
        ),
        ("models/c.sql", "select * from {{ source('raw', 'orders') }}"),
        ("models/d.py", "def model(): pass"),
        ("models/e f.sql", "select 1"),
        ("models/one/g.sql", "select 1"),
        ("models/two/g.sql", "select 2"),
        ("models/h.sql", "select {{ nope(1) }}"),
        (
            "models/marts/schema.yml",
            "models:\n  - name: aa\n    columns:\n      - name: id\n        tests: [uniqe, {accepted_values: {}}]\n  - name: a\n    columns:\n      - name: id\n        tests:\n          - relationships:\n              to: ref('gone')\n              field: id\n",
        ),
        ("models/broken.yml", "models:\n  - name: [x\n"),
        ("seeds/s.csv", "a,b\n1,2\n3\n"),
        ("snapshots/s.sql", "{% snapshot s %}{% endsnapshot %}"),
        ("macros/m.sql", "\n{% macro m() %}{% if %}{% endmacro %}\n{% macro ref(x) %}{% endmacro %}"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
macros/m.sql:2: the Jinja cannot be read: unexpected end of block
macros/m.sql:3: `ref` is a function of dbt's Jinja; give the macro another name
models/a.sql:2: `ref('stg_order')` leads nowhere: there is no model or seed of this name; did you mean `stg_orders`?
models/broken.yml:2: unclosed bracket '['
models/c.sql:1: `source('raw', 'orders')` leads nowhere: no schema file describes it
models/d.py: models in Python are not supported; write it in SQL
models/e f.sql: `e f` cannot name a node; use 1 to 100 letters, digits and `_`
models/h.sql:1: `nope` is not a macro of this project, nor a function of dbt's Jinja that is supported
models/marts/schema.yml:2: there is no model `aa` to describe; did you mean `a`?
models/marts/schema.yml:5: `accepted_values` needs the argument `values`
models/marts/schema.yml:5: the test `uniqe` is not one of unique, not_null, accepted_values and relationships, which are supported beside singular tests; did you mean `unique`?
models/marts/schema.yml:10: `ref('gone')` leads nowhere: there is no model or seed of this name
models/stg_orders.sql:1: the Jinja cannot be read: unexpected end of variable block
models/sub/b.sql:2: this `incremental_strategy` needs a `unique_key`; name the columns, or use `append`
models/two/g.sql: `g` is the name of models/one/g.sql already; names of models and seeds are used once
seeds/s.csv:3: this row has 1 fields, the header names 2 columns
snapshots/s.sql: snapshots are not supported; use an incremental model
"#);
}

#[test]
fn models_that_read_one_another_in_a_circle_are_refused() {
    let files = [
        ("models/a.sql", "select * from {{ ref('b') }}"),
        ("models/b.sql", "select * from {{ ref('c') }}"),
        ("models/c.sql", "select * from {{ ref('a') }}"),
        ("models/d.sql", "select * from {{ ref('c') }}"),
        ("models/e.sql", "select * from {{ ref('e') }}"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
models/a.sql: the models read one another in a circle: a reads b reads c reads a
models/e.sql: the models read one another in a circle: e reads e
"#);
}

#[test]
fn hostile_files_get_clear_errors() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..10 {
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")));
    }
    let files = [
        ("macros/m.sql", "{% macro f(n) %}{{ g(n) }}{% endmacro %}{% macro g(n) %}{{ f(n) }}{% endmacro %}"),
        ("models/deep.sql", "{{ f(1) }}"),
        (
            "models/long.sql",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}select 1",
        ),
        ("models/chain.sql", &format!("select {{{{ {}1 }}}}", "not ".repeat(9_000))),
        ("models/bomb.yml", &bomb),
        ("models/env.sql", "select '{{ env_var('SECRET') }}'"),
        ("models/include.sql", "{% include '/etc/passwd' %}"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
models/bomb.yml:5: the file grows past 100000 values or 8 MiB of text once its aliases are expanded
models/chain.sql:1: this tag holds more than 1000 operators; take it apart with `set`
models/deep.sql:1: macros call one another more than 16 deep; does `f` call itself without end? (in macros/m.sql (macro g), line 1)
models/env.sql:1: a task runs in a sandbox without an environment; pass the value with `vars` and read it with `var()`
models/include.sql:1: template not found: tried to include non-existing template '/etc/passwd'
models/long.sql:1: the template takes too many steps; does a loop never end?
"#);
}

#[test]
fn a_missing_or_broken_project_file_is_one_problem() {
    let config =
        || ProjectConfig { root: "warehouse".into(), gateway: "wh".into(), ..ProjectConfig::default() };
    let missing = describe_in(&host(&[]), config()).unwrap_err();
    insta::assert_snapshot!(missing[0], @"warehouse/dbt_project.yml: a project in dbt's format has this file at its root: the release has no file `warehouse/dbt_project.yml`");
    let broken = describe_in(&host(&[("warehouse/dbt_project.yml", "name: shop\n  models: 1\n")]), config())
        .unwrap_err();
    insta::assert_snapshot!(broken[0], @"warehouse/dbt_project.yml:2: mapping values are not allowed in this context");
}

#[test]
fn a_project_in_a_folder_knows_its_files_by_their_full_path() {
    let files = [
        ("warehouse/dbt_project.yml", PROJECT),
        ("warehouse/models/a.sql", "select 1"),
        ("models/other.sql", "{{"),
    ];
    let config = ProjectConfig { root: "warehouse".into(), gateway: "wh".into(), ..ProjectConfig::default() };
    let tasks = describe_in(&host(&files), config).unwrap();
    assert_eq!(tasks.iter().map(|task| task.path.as_str()).collect::<Vec<_>>(), ["warehouse/models/a.sql"]);
}

#[test]
fn tests_hold_back_what_stands_on_what_they_check() {
    let files = [
        ("models/a.sql", "select 1 as id"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        (
            "models/schema.yml",
            "models:\n  - name: a\n    columns:\n      - name: id\n        data_tests:\n          - unique\n          - not_null: {severity: warn}\n          - relationships: {arguments: {to: ref('b'), field: id}}\n",
        ),
    ];
    // `unique` holds back b; the relationship, which looks at b too, holds back c alone; a warning holds
    // back nothing.
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- 
model.shop.b <- model.shop.a, test.shop.unique_a_id
model.shop.c <- model.shop.b, test.shop.relationships_a_id__id__ref_b_
test.shop.not_null_a_id <- model.shop.a
test.shop.relationships_a_id__id__ref_b_ <- model.shop.a, model.shop.b
test.shop.unique_a_id <- model.shop.a
"#);
}

#[test]
fn sources_and_their_tests_are_part_of_the_graph() {
    let files = [
        ("models/a.sql", "select * from {{ source('erp', 'orders') }}"),
        (
            "models/src.yml",
            "sources:\n  - name: erp\n    schema: raw\n    tables:\n      - name: orders\n        identifier: orders_v2\n        columns:\n          - name: id\n            tests: [not_null]\n",
        ),
    ];
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- test.shop.source_not_null_erp_orders_id
test.shop.source_not_null_erp_orders_id <-
"#);
    let tasks = describe(&files).unwrap();
    insta::assert_snapshot!(tasks.iter().map(|task| format!("{}: {} reads {:?} writes {:?}", task.id, task.sql[0].mode, task.sql[0].reads, task.sql[0].writes)).collect::<Vec<_>>().join("\n"), @r#"
model.shop.a: write reads ["main.*", "raw.orders_v2"] writes ["main.*"]
test.shop.source_not_null_erp_orders_id: read reads ["raw.orders_v2"] writes []
"#);
}

#[test]
fn names_behind_is_incremental_and_settings_by_place_are_found() {
    let files = [
        ("models/late.sql", "select 1 as id"),
        (
            "models/marts/a.sql",
            "{{ config(materialized='incremental', unique_key='id', tags='own') }}select 1 as id {% if is_incremental() %}from {{ ref('late') }}{% endif %}",
        ),
        ("models/marts/schema.yml", "models:\n  - name: a\n    config: {tags: [said], alias: aa}\n"),
    ];
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- model.shop.late
model.shop.late <-
"#);
    let tasks = describe(&files).unwrap();
    insta::assert_snapshot!(format!("{:?}\n{}", tasks[0].tags, tasks[0].settings[0].json), @r#"
["said", "own"]
{"project":"shop","name":"a","path":"models/marts/a.sql","line":0,"kind":"model","relation":["marts","aa"],"config":{"materialized":"incremental","schema":"marts","alias":"aa","tags":["said","own"],"unique_key":["id"]},"macros":[]}
"#);
}

#[test]
fn a_disabled_model_is_left_out_and_may_not_be_read() {
    let off = ("models/unused.sql", "{{ config(enabled=false) }}select 1");
    let said = ("models/s.yml", "models:\n  - name: unused\n    columns: [{name: id, tests: [unique]}]\n");
    insta::assert_snapshot!(graph(&[off, said, ("models/a.sql", "select 1")]), @"model.shop.a <-");
    insta::assert_snapshot!(problems(&[off, said, ("models/a.sql", "select * from {{ ref('unused') }}")]), @"models/a.sql:1: `ref('unused')` leads to models/unused.sql, which is disabled");
}

#[test]
fn variables_of_the_build_go_over_those_of_the_project() {
    let files = [
        (
            "dbt_project.yml",
            "name: shop\nvars: {on: false}\nmodels: {shop: {+enabled: \"{{ var('on') }}\"}}\n",
        ),
        ("models/a.sql", "select 1"),
    ];
    let config = |json: Option<&str>| ProjectConfig {
        vars: json.into_iter().map(|json| Argument { name: "on".into(), json: json.into() }).collect(),
        ..ProjectConfig::default()
    };
    assert_eq!(describe_in(&host(&files), config(None)).unwrap().len(), 0);
    assert_eq!(describe_in(&host(&files), config(Some("true"))).unwrap().len(), 1);
    assert!(describe_in(&host(&files), config(Some("tru"))).is_err());
}

#[test]
fn what_is_left_out_is_said() {
    let files = [
        ("dbt_project.yml", PROJECT),
        ("packages.yml", "packages: []"),
        ("models/s.yml", "unit_tests: []\nexposures: []\n"),
    ];
    let host = host(&files);
    describe_in(&host, ProjectConfig::default()).unwrap();
    let warned: Vec<String> = host
        .log_lines()
        .into_iter()
        .filter(|(level, _)| *level == Level::Warn)
        .map(|(_, line)| line)
        .collect();
    insta::assert_snapshot!(warned.join("\n"), @r#"
packages.yml is left out: packages are not supported
models/s.yml: `unit_tests` is left out; it is not supported
models/s.yml: `exposures` is left out; it is not supported
"#);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_in_any_file_gives_tasks_or_problems(
        text in "(\\{%|%\\}|\\{\\{|\\}\\}|\\{#|#\\}|macro |endmacro|if |for |ref\\(|config\\(|models:|- name: |tests:|\\PC|\n| )*"
    ) {
        for path in ["dbt_project.yml", "models/a.sql", "models/s.yml", "macros/m.sql", "tests/t.sql", "seeds/s.csv"] {
            let _ = describe(&[(path, &text), ("models/calls.sql", "select {{ m() }}")]);
        }
    }
}

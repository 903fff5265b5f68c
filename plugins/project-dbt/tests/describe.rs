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

/// The manifest of a project.
fn manifest(files: &[(&str, &str)]) -> serde_json::Value {
    let config = ProjectConfig { gateway: "wh".into(), ..ProjectConfig::default() };
    let mut all = vec![("dbt_project.yml", PROJECT)];
    all.extend_from_slice(files);
    let described = DbtProject::describe(&host(&all).project_context(), config).unwrap();
    serde_json::from_slice(&described.files[0].content).unwrap()
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
fn a_python_model_is_read_for_what_it_names() {
    let python = "def model(dbt, session):\n    dbt.config(materialized='table', tags=['py'])\n    return dbt.ref('one')  # dbt.ref('two')\n";
    let files = [("models/one.sql", "select 1"), ("models/frame.py", python)];
    let manifest = manifest(&files);
    let node = &manifest["nodes"]["model.shop.frame"];
    let told = (&node["language"], &node["config"]["materialized"], &node["config"]["tags"]);
    let told = format!("{} {} {} {}", told.0, told.1, told.2, node["depends_on"]["nodes"]);
    insta::assert_snapshot!(told, @r#""python" "table" ["py"] ["model.shop.one"]"#);
    insta::assert_snapshot!(problems(&[("models/frame.py", "def model(dbt, session):\n    return dbt.ref('one')\n")]), @"models/frame.py:2: `ref('one')` leads nowhere: there is no model, seed or snapshot of this name");
}

#[test]
fn a_large_seed_is_read_when_it_is_loaded_and_a_small_one_before() {
    let rows = |count: usize| format!("a,b\n{}1,2,3\n", "1,2\n".repeat(count));
    let large = manifest(&[("seeds/large.csv", &rows(1 << 18))]);
    assert_eq!(large["nodes"]["seed.shop.large"]["checksum"]["name"], "path");
    insta::assert_snapshot!(problems(&[("seeds/small.csv", &rows(9))]), @"seeds/small.csv:11: CD0923: this row has 3 fields, the header names 2 columns");
}

#[test]
fn settings_of_a_properties_file_are_rendered_and_its_end_is_no_text() {
    let manifest = manifest(&[
        ("seeds/codes.csv", "code,description\n1,one\n"),
        (
            "seeds/seeds.yml",
            "seeds:\n  - name: codes\n    config:\n      enabled: |\n        {% if var('all', true) -%} {{ true | as_bool }} {%- else -%} {{ false | as_bool }} {%- endif -%}\n      column_types:\n        description: |\n          {%- if target.type == 'sqlite' -%} text {%- else -%} varchar(9) {%- endif -%}\n    description: |\n      All codes.\n\n",
        ),
    ]);
    let seed = &manifest["nodes"]["seed.shop.codes"];
    let told = (&seed["config"]["enabled"], &seed["config"]["column_types"], &seed["description"]);
    insta::assert_snapshot!(
        format!("{} {} {}", told.0, told.1, told.2),
        @r#"true {"description":"text"} "All codes.""#
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one list of files and one of problems")]
fn every_problem_is_reported_at_once_with_its_place() {
    let files = [
        ("models/a.sql", "\n\nselect 1\nfrom {{ ref('stg_order') }}"),
        ("models/stg_orders.sql", "select {{ 1 + }}\n"),
        ("models/c.sql", "select * from {{ source('raw', 'orders') }}"),
        ("models/e f.sql", "select 1"),
        ("models/one/g.sql", "select 1"),
        ("models/two/g.sql", "select 2"),
        ("models/h.sql", "select {{ nope(1) }}"),
        ("models/i.sql", "\n{{ config(enabled='perhaps') }}select 1"),
        ("models/j.sql", "{{ config(alias='h') }}select 1"),
        ("models/k.sql", "{{ config(group='none', contract={'enforced': true}) }}select 1"),
        (
            "models/marts/schema.yml",
            "models:\n  - name: a\n    columns:\n      - name: id\n        tests:\n          - uniqe\n          - unique: {severity: fatal}\n          - not_null:\n            config: {severity: warn}\n          - tools.thing: {}\n          - accepted_values: {values: [1], arguments: 3}\n  - description: nameless\n",
        ),
        ("models/marts/other.yml", "models:\n  - name: a\n    access: secret\n"),
        ("models/broken.yml", "models:\n  - name: [x\n"),
        ("models/docs.yml", "models:\n  - name: j\n    description: \"{{ doc('nothing') }}\"\n"),
        ("seeds/s.csv", "a,b\n1,2\n3,4,5\n"),
        ("seeds/t.csv", "a,A\n1,2\n"),
        (
            "snapshots/s.sql",
            "{% snapshot first %}select 1{% endsnapshot %}\n{% snapshot second %}\n{{ config(strategy='check', unique_key='id') }}select 1{% endsnapshot %}",
        ),
        (
            "macros/m.sql",
            "\n{% macro m() %}{% if %}{% endmacro %}\n{% macro n() %}{% endmacro %}{% macro n() %}{% endmacro %}",
        ),
        (
            "models/units.yml",
            "unit_tests:\n  - name: u\n    model: nowhere\n    given: []\n    expect: {rows: []}\n  - name: v\n    model: c\n    given: [{input: ref('a')}]\n    expect: {rows: []}\n",
        ),
        (
            "models/exposures.yml",
            "exposures:\n  - name: e\n    type: picture\n    depends_on: [ref('zzz')]\n",
        ),
        ("packages.yml", "packages:\n  - package: acme/tools\n    version: 1.0.0\n  - local: ../outside\n"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
macros/m.sql:2: CD0946: the Jinja of the macro `m` cannot be read: `%}` cannot stand here
macros/m.sql:3: CD0946: the macro `n` is defined twice in the package `shop`: also in macros/m.sql:3
models/a.sql:4: `ref('stg_order')` leads nowhere: there is no model, seed or snapshot of this name; did you mean `stg_orders`?
models/broken.yml:2: CD0945: unclosed bracket '['
models/c.sql:1: `source('raw', 'orders')` leads nowhere: no properties file describes it
models/docs.yml:2: the description of `j`: no docs block is named `nothing`
models/e f.sql: `e f` cannot name a node; use 1 to 150 letters, digits, `_`, `-` and `.`
models/exposures.yml:2: `ref('zzz')` leads nowhere: there is no model, seed or snapshot of this name
models/exposures.yml:2: the exposure `e` has a `type` out of dashboard, notebook, analysis, ml, application
models/exposures.yml:2: the exposure `e` needs an `owner` with a `name` or an `email`
models/h.sql:1: CD0947: `nope` is not defined: no macro of the project, of its packages or of dbt has this name
models/i.sql:2: `i`: `enabled` is true or false, not `"perhaps"`
models/k.sql:1: CD0928: `k`: an enforced contract is not to be had on sqlite; leave it out there, for instance by `target.type`
models/k.sql:1: `k` has an enforced contract; a properties file has to name its `columns` with their `data_type`
models/k.sql:1: `k` is of the group `none`, which is not there
models/marts/other.yml:2: `access` of `a` is `private`, `protected` or `public`, not `secret`
models/marts/schema.yml:2: `a` is described in models/marts/other.yml:2 already; keep one of the two entries
models/marts/schema.yml:6: there is no test `uniqe`: no macro `test_uniqe`; did you mean `unique`?
models/marts/schema.yml:7: `unique_a_id`: `severity` is `error` or `warn`, not `fatal`
models/marts/schema.yml:8: a test is one name with its arguments below it; here are not_null, config: is the indentation right?
models/marts/schema.yml:10: there is no test `tools.thing`: no macro `test_thing` in the package `tools`
models/marts/schema.yml:11: `arguments` of the test `accepted_values` is a map, not `3`
models/marts/schema.yml:12: an entry of `models` is a map with a `name`
models/stg_orders.sql:1: CD0946: the Jinja cannot be read: `}}` cannot stand here
models/two/g.sql: `g` is the name of models/one/g.sql already; a name is used once in a package
models/units.yml:2: the unit test `u` looks at the model `nowhere`, which is not there
models/units.yml:6: the unit test `v`: `ref('a')` has no `rows`; only a seed may be named without
packages.yml:2: the package `acme/tools` is not in `dbt_packages/`; run `dbt deps` on a machine that has dbt, or copy the package there, and keep the folder beside the project
packages.yml:4: the package `../outside` lies outside of the release and not in `dbt_packages/`; copy it there
seeds/s.csv:3: CD0923: this row has 3 fields, the header names 2 columns
seeds/t.csv:1: CD0923: two columns are named `A`
snapshots/s.sql: the snapshot `first` needs a `strategy`: `timestamp` or `check`
snapshots/s.sql:3: the snapshot `second` has the strategy `check` and needs `check_cols`
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
models/a.sql:1: the models read one another in a circle: a reads b reads c reads a
models/e.sql:1: the models read one another in a circle: e reads e
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
        ("models/big.sql", &format!("select 1 -- {}", "x".repeat(10 << 20))),
        ("models/text.sql", "select '{{ 'x' * 1000000000 }}'"),
        ("models/env.sql", "select '{{ env_var('SECRET') }}'"),
        ("models/include.sql", "{% include '/etc/passwd' %}"),
        ("models/modules.sql", "select '{{ modules.os.environ }}'"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
models/big.sql: the file is larger than 1 MiB
models/bomb.yml:5: CD0945: the file grows past 100000 values or 8 MiB of text once its aliases are expanded
models/deep.sql:1: CD0948: the template goes too deep; does a macro call itself without end? (in macros/m.sql:1, macro g; called from macros/m.sql:1, macro f; macros/m.sql:1, macro g; macros/m.sql:1, macro f)
models/env.sql:1: CD0947: the environment variable `SECRET` is not on the release's list of variables; add it to `env` of the loader's settings, or give `env_var` a default
models/include.sql:1: CD0946: the Jinja cannot be read: `include` is not part of dbt's Jinja: macros see one another by name
models/long.sql:1: CD0948: the template takes too many steps; does a loop never end?
models/modules.sql:1: CD0947: `modules.os` is not there; dbt lends datetime, itertools, pytz and re
models/text.sql:1: CD0948: a text longer than 16 MiB would be made; does something double without end?
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
    insta::assert_snapshot!(broken[0], @"warehouse/dbt_project.yml:2: CD0945: mapping values are not allowed in this context");
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
            "models:\n  - name: a\n    columns:\n      - name: id\n        data_tests:\n          - unique\n          - not_null: {severity: warn}\n          - relationships: {arguments: {to: ref('b'), field: id}}\nunit_tests:\n  - name: u\n    model: c\n    given: [{input: ref('b'), rows: [{id: 1}]}]\n    expect: {rows: [{id: 1}]}\n",
        ),
    ];
    // `unique` holds back b; the relationship, which looks at b too, holds back c alone; a warning holds
    // back nothing; a unit test comes before its model.
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- 
model.shop.b <- model.shop.a, test.shop.unique_a_id.f6a5f640da
model.shop.c <- model.shop.b, test.shop.relationships_a_id__id__ref_b_.dcfe42f192, unit_test.shop.c.u
test.shop.not_null_a_id.c1cebc1440 <- model.shop.a
test.shop.relationships_a_id__id__ref_b_.dcfe42f192 <- model.shop.a, model.shop.b
test.shop.unique_a_id.f6a5f640da <- model.shop.a
unit_test.shop.c.u <- model.shop.b
"#);
}

#[test]
fn tests_are_waited_for_through_ephemeral_models() {
    let files = [
        ("models/a.sql", "select 1 as id"),
        ("models/e.sql", "{{ config(materialized='ephemeral') }}select * from {{ ref('a') }}"),
        ("models/b.sql", "select * from {{ ref('e') }}"),
        ("models/c.sql", "select * from {{ ref('b') }} join {{ ref('e') }} using (id)"),
        (
            "models/s.yml",
            "models:\n  - name: a\n    columns: [{name: id, tests: [unique]}]\n  - name: e\n    columns: [{name: id, tests: [not_null]}]\n",
        ),
    ];
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- 
model.shop.b <- model.shop.a, test.shop.not_null_e_id.4922e74c0c, test.shop.unique_a_id.f6a5f640da
model.shop.c <- model.shop.a, model.shop.b
model.shop.e <- model.shop.a, test.shop.unique_a_id.f6a5f640da
test.shop.not_null_e_id.4922e74c0c <- model.shop.a
test.shop.unique_a_id.f6a5f640da <- model.shop.a
"#);
}

#[test]
fn hooks_of_the_run_come_before_and_behind_everything() {
    let files = [
        (
            "dbt_project.yml",
            "name: shop\non-run-start: [select 1, \"select count(*) from {{ ref('b') }}\"]\non-run-end: select 3\n",
        ),
        ("models/a.sql", "{{ config(materialized='ephemeral') }}select 1 as id"),
        ("models/b.sql", "select * from {{ ref('a') }} join {{ ref('s') }} using (id)"),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        ("seeds/s.csv", "id\n1\n"),
    ];
    insta::assert_snapshot!(graph(&files), @r#"
model.shop.a <- operation.shop.shop-on-run-start-1
model.shop.b <- operation.shop.shop-on-run-start-1, seed.shop.s
model.shop.c <- model.shop.b, operation.shop.shop-on-run-start-1
operation.shop.shop-on-run-end-0 <- model.shop.a, model.shop.c
operation.shop.shop-on-run-start-0 <- 
operation.shop.shop-on-run-start-1 <- operation.shop.shop-on-run-start-0
seed.shop.s <- operation.shop.shop-on-run-start-1
"#);
}

#[test]
fn what_a_task_asks_for_is_what_its_node_names() {
    let files = [
        (
            "dbt_project.yml",
            "name: shop\non-run-start: select 1\nmodels: {shop: {marts: {+schema: marts}}}\ndata_tests: {+store_failures: true}\n",
        ),
        ("models/e.sql", "{{ config(materialized='ephemeral') }}select * from {{ source('erp', 'orders') }}"),
        ("models/marts/a.sql", "select * from {{ ref('e') }}"),
        ("models/marts/g.sql", "{{ config(post_hook='grant select on g to reader') }}select 1"),
        ("models/hooked.sql", "{{ config(post_hook='insert into log select 1') }}select 1"),
        ("models/asks.sql", "{% set found = run_query('select 1') %}select 1"),
        (
            "snapshots/h.sql",
            "{% snapshot h %}{{ config(strategy='check', check_cols='all', unique_key='id', target_schema='history') }}select * from {{ ref('a') }}{% endsnapshot %}",
        ),
        (
            "models/src.yml",
            "sources:\n  - name: erp\n    schema: raw\n    loaded_at_field: at\n    freshness: {warn_after: {count: 1, period: day}}\n    tables:\n      - name: orders\n        identifier: orders_v2\n        columns:\n          - name: id\n            tests: [not_null]\n",
        ),
    ];
    let tasks = describe(&files).unwrap();
    let shown = tasks.iter().map(|task| {
        let sql = &task.sql[0];
        format!("{} {}: {} reads {:?} writes {:?}", task.entry, task.id, sql.mode, sql.reads, sql.writes)
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
model model.shop.a: write reads ["main_marts.*", "raw.orders_v2"] writes ["main_marts.*"]
model model.shop.asks: write reads ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"] writes ["main.*"]
analysis model.shop.e: read reads ["raw.orders_v2"] writes []
model model.shop.g: admin reads ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"] writes ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"]
model model.shop.hooked: write reads ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"] writes ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"]
operation operation.shop.shop-on-run-start-0: admin reads ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*", "raw.orders_v2"] writes ["history.*", "main.*", "main_dbt_test__audit.*", "main_marts.*"]
snapshot snapshot.shop.h: write reads ["history.*", "main_marts.a", "raw.orders_v2"] writes ["history.*"]
freshness source.shop.erp.orders: read reads ["raw.orders_v2"] writes []
test test.shop.source_not_null_erp_orders_id.414ab95f2b: write reads ["main_dbt_test__audit.*", "raw.orders_v2"] writes ["main_dbt_test__audit.*"]
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
    let all = manifest(&files);
    let node = &all["nodes"]["model.shop.a"];
    insta::assert_snapshot!(format!("{} {} {} {}", node["relation_name"], node["tags"], node["depends_on"], node["config"]), @r#""\"main_marts\".\"aa\"" ["said","own"] {"macros":["macro.dbt.is_incremental"],"nodes":["model.shop.late"]} {"enabled":true,"alias":"aa","schema":"marts","database":null,"tags":["said","own"],"meta":{},"group":null,"static_analysis":null,"materialized":"incremental","incremental_strategy":null,"batch_size":null,"lookback":1,"begin":null,"persist_docs":{},"post-hook":[],"pre-hook":[],"quoting":{},"column_types":{},"full_refresh":null,"unique_key":"id","on_schema_change":"ignore","on_configuration_change":"apply","grants":{},"packages":[],"docs":{"show":true,"node_color":null},"contract":{"enforced":false,"alias_types":true},"event_time":null,"concurrent_batches":null,"access":"protected","freshness":null,"on_error":null,"latest_version_pointer":{"enabled":null,"alias":null}}"#);
}

#[test]
fn a_disabled_model_is_left_out_and_may_not_be_read() {
    let off = ("models/unused.sql", "{{ config(enabled=false) }}select 1");
    let said = ("models/s.yml", "models:\n  - name: unused\n    columns: [{name: id, tests: [unique]}]\n");
    insta::assert_snapshot!(graph(&[off, said, ("models/a.sql", "select 1")]), @"model.shop.a <-");
    insta::assert_snapshot!(problems(&[off, said, ("models/a.sql", "select * from {{ ref('unused') }}")]), @"models/a.sql:1: `ref('unused')` leads to models/unused.sql, which is disabled");
}

#[test]
fn a_private_model_is_read_by_its_group_alone() {
    let files = [
        ("models/a.sql", "{{ config(group='money', access='private') }}select 1"),
        ("models/b.sql", "{{ config(group='money') }}select * from {{ ref('a') }}"),
        ("models/g.yml", "groups: [{name: money, owner: {name: me}}]\n"),
    ];
    assert_eq!(describe(&files).unwrap().len(), 2);
    let mut more = files.to_vec();
    more.push(("models/c.sql", "select 1\nfrom {{ ref('a') }}"));
    insta::assert_snapshot!(problems(&more), @"models/c.sql:2: `ref('a')` leads to a private model of the group `money`; only members of the group may read it");
}

#[test]
fn variables_of_the_build_go_over_those_of_the_project() {
    let files = [
        (
            "dbt_project.yml",
            "name: shop\nvars: {day: monday}\nmodels: {shop: {+enabled: \"{{ var('on', false) }}\"}}\n",
        ),
        ("models/a.sql", "select '{{ var('day') }}'"),
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
fn target_and_allow_list_come_from_the_build() {
    let files = [
        ("dbt_project.yml", "name: shop\nmodels: {shop: {+database: \"{{ target.database }}\"}}\n"),
        ("models/a.sql", "{{ config(schema=env_var('REGION'), alias=target.name ~ '_a') }}select 1"),
    ];
    let settings = vec![
        Argument {
            name: "target".into(),
            json: r#"{"name": "prod", "schema": "dw", "database": "db"}"#.into(),
        },
        Argument { name: "env".into(), json: r#"{"REGION": "eu"}"#.into() },
    ];
    let config = ProjectConfig {
        gateway: "wh".into(),
        adapter: "adapter-postgres".into(),
        settings,
        ..ProjectConfig::default()
    };
    let described = DbtProject::describe(&host(&files).project_context(), config).unwrap();
    let all: serde_json::Value = serde_json::from_slice(&described.files[0].content).unwrap();
    assert_eq!(all["nodes"]["model.shop.a"]["relation_name"], r#""db"."dw_eu"."prod_a""#);
    assert_eq!(all["metadata"]["adapter_type"], "postgres");
    insta::assert_snapshot!(describe(&files).unwrap_err()[0], @"models/a.sql:1: CD0947: the environment variable `REGION` is not on the release's list of variables; add it to `env` of the loader's settings, or give `env_var` a default");
}

#[test]
fn a_name_that_nobody_looked_up_is_no_default() {
    let model = "{% for part in ['A', 'B'] %}{{ env_var('SHOP_' ~ part, 'none') }}{% endfor %}";
    let files = [("dbt_project.yml", "name: shop\n"), ("models/a.sql", model)];
    let described = |unset: &str| {
        let env_unset = Argument { name: "env_unset".into(), json: unset.into() };
        describe_in(&host(&files), ProjectConfig { settings: vec![env_unset], ..ProjectConfig::default() })
    };
    assert!(described(r#"["SHOP_A", "SHOP_B"]"#).is_ok());
    let refused = described(r#"["SHOP_A"]"#).unwrap_err();
    insta::assert_snapshot!(refused[0], @"models/a.sql:1: CD0947: the environment variable `SHOP_B` was not looked up when the release was built, since the project makes its name up while it runs; write the name out somewhere in the project's SQL or YAML, a comment such as `# env_var('SHOP_B')` will do");
}

const SEMANTIC: &str = r#"
semantic_models:
  - name: orders
    model: ref('orders')
    defaults: {agg_time_dimension: at}
    entities: [{name: order_id, type: primary}]
    dimensions: [{name: at, type: time, type_params: {time_granularity: day}}]
    measures: [{name: total, agg: sum, create_metric: true}, {name: rows, agg: count, expr: 1}]
metrics:
  - name: rows
    label: Rows
    type: simple
    filter: "{{ Dimension('order_id__kind') }} = 'x'"
    type_params: {measure: rows}
  - {name: mean, label: Mean, type: ratio, type_params: {numerator: total, denominator: rows}}
saved_queries:
  - name: by_day
    query_params: {metrics: [mean, rows], group_by: ["TimeDimension('metric_time', 'day')"]}
    exports: [{name: by_day, config: {export_as: table}}]
exposures:
  - {name: board, type: dashboard, owner: {name: ana}, depends_on: [metric('mean')]}
"#;

#[test]
fn semantic_models_metrics_and_saved_queries_stand_in_the_manifest_and_no_task_is_made_of_them() {
    let files = [
        ("models/orders.sql", "select 1 as order_id"),
        ("models/uses.sql", "select '{{ metric('mean') }}'"),
        ("models/s.yml", SEMANTIC),
    ];
    assert_eq!(graph(&files), "model.shop.orders <- \nmodel.shop.uses <- ");
    let all = manifest(&files);
    let parents = all["parent_map"].as_object().unwrap();
    let lines: Vec<String> = parents.iter().map(|(id, above)| format!("{id} <- {above}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
exposure.shop.board <- ["metric.shop.mean"]
metric.shop.mean <- ["metric.shop.rows","metric.shop.total"]
metric.shop.rows <- ["semantic_model.shop.orders"]
metric.shop.total <- ["semantic_model.shop.orders"]
model.shop.orders <- []
model.shop.uses <- ["metric.shop.mean"]
saved_query.shop.by_day <- ["metric.shop.mean","metric.shop.rows"]
semantic_model.shop.orders <- ["model.shop.orders"]
"#);
    let metric = &all["metrics"]["metric.shop.mean"];
    let measures = metric["type_params"]["input_measures"].as_array().unwrap();
    assert_eq!(
        measures.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["total", "rows"]
    );
    let filter = &all["metrics"]["metric.shop.rows"]["filter"]["where_filters"][0]["where_sql_template"];
    assert_eq!(filter, "{{ Dimension('order_id__kind') }} = 'x'");
    let query = &all["saved_queries"]["saved_query.shop.by_day"]["exports"][0]["config"];
    assert_eq!(query["alias"], "by_day");
}

#[test]
fn semantics_that_name_what_is_not_there_are_refused_with_their_place() {
    let said = SEMANTIC
        .replace("measure: rows", "measure: row")
        .replace("numerator: total", "numerator: totals")
        .replace("type: primary", "type: primry")
        .replace("metrics: [mean, rows]", "metrics: [mean, gone]")
        .replace("agg: sum", "agg: summe")
        .replace("metric('mean')", "metric('none')");
    let files = [("models/orders.sql", "select 1 as order_id"), ("models/s.yml", &said)];
    insta::assert_snapshot!(problems(&files), @"
models/s.yml:3: the metric `total`: there is no measure `total`
models/s.yml:6: the semantic model `orders`: `entities`: `order_id`: `type` is one of foreign, natural, primary, unique, not `primry`; did you mean `primary`?
models/s.yml:8: the semantic model `orders`: `measures`: `total`: `agg` is one of sum, min, max, count_distinct, sum_boolean, average, percentile, median, count, not `summe`
models/s.yml:10: the metric `rows`: there is no measure `row`; did you mean `rows`?
models/s.yml:15: the metric `mean`: there is no metric `totals`; did you mean `total`?
models/s.yml:17: the saved query `by_day`: there is no metric `gone`
models/s.yml:21: the exposure `board`: there is no metric `none`
");
    let circle = "metrics:\n  - {name: aa, label: a, type: derived, type_params: {expr: bb, metrics: [bb]}}\n  - {name: bb, label: b, type: derived, type_params: {expr: aa, metrics: [aa]}}\n  - {name: cc, label: c, type: simple, type_params: {}}\n  - {name: d d, type: nothing}\n";
    insta::assert_snapshot!(problems(&[("models/s.yml", circle)]), @"
models/s.yml:2: the metric `aa` stands on itself, in a circle
models/s.yml:4: the metric `cc`: a simple metric needs a `measure`
models/s.yml:5: the metric `d d`: `type` is one of simple, ratio, cumulative, derived, conversion, not `nothing`
models/s.yml:5: the metric `d d`: a name begins with a letter, has letters, digits and `_`, and at most 250 of them
");
}

#[test]
fn what_an_ephemeral_model_asks_for_when_it_runs_is_granted_to_whoever_reads_it() {
    let files = [
        ("models/s.yml", "sources: [{name: raw, tables: [{name: t}]}]"),
        (
            "models/e.sql",
            "{{ config(materialized='ephemeral') }}select {% if execute %}{{ run_query('select 1 from ' ~ source('raw', 't')) }}{% else %}1{% endif %} as n",
        ),
        ("models/m.sql", "select * from {{ ref('e') }}"),
        ("models/other.sql", "select 1"),
    ];
    let tasks = describe(&files).unwrap();
    let reads = |id: &str| {
        tasks.iter().find(|task| task.id == id).unwrap().sql[0].reads.contains(&"raw.t".to_owned())
    };
    assert_eq!((reads("model.shop.m"), reads("model.shop.other")), (true, false));
}

#[test]
fn a_model_may_set_its_header_by_a_block() {
    let text =
        "{% call set_sql_header(config) %}set work_mem = '{{ var('mem', '64MB') }}';{% endcall %}select 1";
    let manifest = manifest(&[("models/a.sql", text)]);
    assert_eq!(manifest["nodes"]["model.shop.a"]["config"]["sql_header"], "set work_mem = '64MB';");
}

#[test]
fn what_the_warehouse_does_not_have_is_refused_before_anything_runs() {
    let files = [
        (
            "models/a.sql",
            "select 1\n-- {{ config(grants={'select': ['ana']}, indexes=[{'columns': ['x']}]) }}",
        ),
        ("models/b.sql", "select 1 as id"),
        (
            "models/b.yml",
            "models:\n  - name: b\n    config: {contract: {enforced: true}}\n    columns: [{name: id, data_type: int}]\n",
        ),
        ("seeds/s.csv", "a\n1\n"),
        ("seeds/s.yml", "seeds: [{name: s, config: {persist_docs: {relation: true}}}]"),
        ("models/own.sql", "{{ config(materialized='own', grants={'select': ['ana']}) }}select 1"),
        (
            "macros/own.sql",
            "{% materialization own, default %}{{ return({'relations': []}) }}{% endmaterialization %}",
        ),
    ];
    insta::assert_snapshot!(problems(&files), @"
models/a.sql:2: CD0928: `a`: `grants` is not to be had on sqlite; leave it out there, for instance by `target.type`
models/b.yml:2: CD0928: `b`: an enforced contract is not to be had on sqlite; leave it out there, for instance by `target.type`
seeds/s.yml:1: CD0928: `s`: `persist_docs` is not to be had on sqlite; leave it out there, for instance by `target.type`
");
    let target = Argument { name: "target".into(), json: r#"{"type": "postgres"}"#.into() };
    let config = ProjectConfig { gateway: "wh".into(), settings: vec![target], ..ProjectConfig::default() };
    let mut all = vec![("dbt_project.yml", PROJECT)];
    all.extend_from_slice(&files);
    assert!(describe_in(&host(&all), config).is_ok());
}

#[test]
fn what_a_dbtignore_names_is_no_part_of_the_project() {
    let files = [
        (".dbtignore", "# not yet\ndrafts/\n*.py\n"),
        ("models/a.sql", "select 1"),
        ("models/drafts/b.sql", "{% broken"),
        ("models/c.py", "def model(): pass"),
    ];
    assert_eq!(graph(&files), "model.shop.a <- ");
}

#[test]
fn a_project_knows_its_own_name_and_of_its_target_what_it_was_told() {
    let files =
        [("models/a.sql", "{{ config(alias=builtins.ref.config.project_name ~ target.get('port', 1)) }}")];
    let all = manifest(&files);
    assert_eq!(all["nodes"]["model.shop.a"]["alias"], "shop1");
    let refused = [("models/a.sql", "select 1\nwhere '{{ target.user }}' = '{{ target['nothing'] }}'")];
    let mut told = vec![("dbt_project.yml", PROJECT)];
    told.extend_from_slice(&refused);
    let with = |target: &str| {
        let settings = vec![Argument { name: "target".into(), json: target.into() }];
        let config = ProjectConfig { gateway: "wh".into(), settings, ..ProjectConfig::default() };
        describe_in(&host(&told), config)
    };
    insta::assert_snapshot!(with(r#"{"type": "postgres"}"#).unwrap_err()[0], @"models/a.sql:2: CD0947: `target.user` is not told to a project: the gateway knows it; add `user` to `target` of the loader's settings if a project may know it (`user` is told where profiles.yml has it in plain text)");
    assert!(with(r#"{"type": "postgres", "user": "ana"}"#).is_ok());
    assert!(with(r#"{"type": "sqlite"}"#).is_ok());
}

#[test]
fn a_node_reads_of_a_state_only_what_the_command_defers() {
    let files = [
        ("dbt_project.yml", PROJECT),
        ("models/a.sql", "select 1"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
    ];
    let reads = |defer: &str| {
        let settings = vec![Argument { name: "defer".into(), json: defer.into() }];
        let config = ProjectConfig { gateway: "wh".into(), settings, ..ProjectConfig::default() };
        let described = DbtProject::describe(&host(&files).project_context(), config).unwrap();
        let task = described.tasks.into_iter().find(|task| task.id == "model.shop.b").unwrap();
        let document = String::from_utf8(described.files[1].content.clone()).unwrap();
        (task.sql[0].reads.join(" "), document.contains(r#""deferred":{"#))
    };
    assert_eq!(reads("{}"), ("main.* main.a".to_owned(), false));
    let prod = r#"{"model.shop.a": {"database": "wh", "schema": "prod", "identifier": "a"}}"#;
    assert_eq!(reads(prod), ("main.* main.a prod.a".to_owned(), true));
}

#[test]
fn what_is_left_out_is_said() {
    let files = [
        ("dbt_project.yml", "name: shop\nmodel-pathes: [models]\nname: shop\n"),
        (
            "models/s.yml",
            "functions: [{name: m}]\nsemantic_models: []\nmodles: []\nmodels:\n  - name: gone\n    columns: [{name: id, tests: [unique]}]\n",
        ),
        ("models/w.sql", "{{ exceptions.warn('careful') }}select 1"),
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
dbt_project.yml:3: the key `name` stands here for the second time; this one holds
dbt_project.yml:2: `model-pathes` is not a key of a project file; did you mean `model-paths`?
models/s.yml: `functions` is left out; it is not supported
models/s.yml:3: `modles` is not a key of a properties file; did you mean `models`?
models/s.yml:5: `models` describes `gone`, which is not there
models/w.sql: careful
models/s.yml:6: the test is left out: `ref('gone')` leads nowhere: there is no model, seed or snapshot of this name
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

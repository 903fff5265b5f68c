//! dbt's commands on a small project, from the shell to the warehouse and back: SQLite and
//! PostgreSQL, with scheduler, executor, sandbox, signatures and grants as they always are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use cofferdam_servers::{DATABASE, MariaDb, Postgres};
use cofferdam_tests::{Answer, House};
use serde_json::Value;

/// A seed, a view on it, a table on that, four tests of which one warns, and one that fails on demand.
const FILES: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nvars: {limit: 10}\nmodels:\n  shop:\n    +materialized: view\n",
    ),
    ("seeds/items.csv", "id,name,qty\n1,apple,3\n2,pear,5\n"),
    ("models/stg_items.sql", "select id, name, qty from {{ ref('items') }} where qty < {{ var('limit') }}\n"),
    (
        "models/totals.sql",
        "{{ config(materialized='table', tags=['nightly']) }}\nselect sum(qty) as total from {{ ref('stg_items') }}\n",
    ),
    (
        "models/schema.yml",
        "version: 2\nmodels:\n  - name: stg_items\n    columns:\n      - name: id\n        data_tests: [unique, not_null]\n  \
         - name: totals\n    columns:\n      - name: total\n        data_tests:\n          - accepted_values:\n              values: [8]\n              quote: false\n              config: {severity: warn}\n",
    ),
    (
        "tests/no_pears.sql",
        "{{ config(enabled=var('strict', false)) }}\nselect * from {{ ref('stg_items') }} where name = 'pear'\n",
    ),
];

fn house(profile: &str) -> House {
    let house = House::bare();
    for (path, text) in FILES {
        house.write(path, text);
    }
    house.write("profiles.yml", profile);
    house
}

fn sqlite() -> House {
    house(
        "shop:\n  target: dev\n  outputs:\n    dev: {type: sqlite, path: wh.db, schema: main, threads: 2}\n",
    )
}

/// The lines without their times and durations.
fn lines(answer: &Answer) -> String {
    let plain = |line: &str| {
        let line = line.get(10..).filter(|_| line.as_bytes().get(2) == Some(&b':')).unwrap_or(line);
        let line = line.split(" in 0.").next().unwrap_or(line).trim_end();
        line.to_owned()
    };
    answer.stdout.lines().map(plain).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn artifact(house: &House, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(house.path().join("target").join(name)).unwrap()).unwrap()
}

fn statuses(house: &House) -> Vec<(String, String)> {
    let results = artifact(house, "run_results.json");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = results["results"].as_array().unwrap();
    results.iter().map(|result| (text(&result["unique_id"]), text(&result["status"]))).collect()
}

/// What is not selected is read where another target has it, unless it is here as well.
fn deferred(house: &House) {
    house.cofferdam(&["dbt", "build", "--target", "prod"]).success();
    std::fs::create_dir(house.path().join("state")).unwrap();
    std::fs::copy(house.path().join("target/manifest.json"), house.path().join("state/manifest.json"))
        .unwrap();
    assert!(!house.cofferdam(&["dbt", "run", "-s", "totals", "--target", "lab"]).ok);
    let defer = ["dbt", "run", "-s", "totals", "--target", "lab", "--defer", "--state", "state"];
    house.cofferdam(&defer).success();
    let compiled =
        || std::fs::read_to_string(house.path().join("target/compiled/shop/models/totals.sql")).unwrap();
    assert!(compiled().contains("prod"), "{}", compiled());
    house.cofferdam(&["dbt", "build", "-s", "+stg_items", "--target", "lab"]).success();
    house.cofferdam(&defer).success();
    assert!(!compiled().contains("prod"), "{}", compiled());
    house.cofferdam(&[&defer[..], &["--favor-state"]].concat()).success();
    assert!(compiled().contains("prod"), "{}", compiled());
}

fn whole_story(house: &House) {
    let built = house.cofferdam(&["dbt", "build", "--threads", "1"]).success();
    let said = lines(&built);
    for line in [
        "Found 2 models, 1 seed, 3 data tests",
        "1 of 6 START seed file",
        "OK loaded seed file",
        "OK created sql view model",
        "OK created sql table model",
        "PASS unique_stg_items_id",
        "Done. PASS=6 WARN=0 ERROR=0 SKIP=0 NO-OP=0 TOTAL=6",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}\n{}", built.stderr);
    }
    assert!(house.path().join("target/compiled/shop/models/totals.sql").is_file());
    assert_eq!(artifact(house, "manifest.json")["metadata"]["project_name"], "shop");
    assert_eq!(statuses(house).len(), 6);

    // Nothing changed: the same release is used again.
    house.cofferdam(&["dbt", "run", "--select", "+totals", "--threads", "1"]).success();
    let releases = std::fs::read_dir(house.path().join(".cofferdam/releases")).unwrap().count();
    assert_eq!(releases, 1);

    // A warning is no failure; a variable makes another release.
    let warned = house.cofferdam(&["dbt", "build", "--vars", "{limit: 4}"]).success();
    assert!(lines(&warned).contains("WARN=1"), "{}", warned.stdout);
    assert!(!house.cofferdam(&["dbt", "build", "--vars", "{limit: 4}", "--warn-error"]).ok);

    let failed = house.cofferdam(&["dbt", "build", "--vars", "{strict: true}"]);
    assert!(!failed.ok);
    assert!(lines(&failed).contains("FAIL 1 no_pears"), "{}", failed.stdout);
    assert!(lines(&failed).contains("ERROR=1"), "{}", failed.stdout);
    let again = house.cofferdam(&["dbt", "retry"]);
    assert!(!again.ok);
    // What failed, and what was skipped because of it; what went well is left alone.
    let of = |id: &str| statuses(house).into_iter().find(|one| one.0 == id).map(|one| one.1);
    assert_eq!(of("test.shop.no_pears").as_deref(), Some("fail"));
    assert_eq!(of("model.shop.totals").as_deref(), Some("skipped"));
    assert_eq!(of("model.shop.stg_items"), None);
}

#[test]
fn a_project_is_built_tested_and_run_again_on_sqlite() {
    whole_story(&sqlite());
}

#[test]
fn a_project_is_built_tested_and_run_again_on_postgresql() {
    let server = Postgres::start();
    let (port, password) = (server.port(), Postgres::password("writer"));
    let output = |schema: &str| {
        format!(
            "    {schema}: {{type: postgres, host: 127.0.0.1, port: {port}, user: writer, password: {password}, \
             dbname: {DATABASE}, schema: {schema}, threads: 2}}\n"
        )
    };
    let profile =
        format!("shop:\n  target: dev\n  outputs:\n{}{}{}", output("dev"), output("prod"), output("lab"));
    let house = house(&profile);
    whole_story(&house);
    deferred(&house);
}

/// Hooks, increments, a history, a unit test, and a source that is asked how fresh it is.
const CHORES: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: chores\nversion: '1.0'\nprofile: shop\non-run-start: \"{{ note('start') }}\"\n\
         on-run-end: [\"{{ note('end') }}\", \"{{ log('built in ' ~ schemas | join, info=true) }}\"]\n",
    ),
    (
        "macros/chores.sql",
        "{% macro note(what) %}{% if execute %}{% do run_query('create table if not exists ' ~ target.schema ~ '.notes (what varchar(20))') %}{% endif %}\n\
         insert into {{ target.schema }}.notes values ('{{ what }}'){% endmacro %}\n\
         {% macro stock(table, days=0) %}{% do run_query('create table ' ~ target.schema ~ '.' ~ table ~ ' as select '\n\
         ~ dbt.dateadd('day', -days, dbt.current_timestamp()) ~ ' as loaded_at') %}{{ log('stocked ' ~ table, info=true) }}{% endmacro %}\n\
         {% macro tell(statement) %}{% set rows = run_query(statement | replace('SCHEMA', target.schema)) %}\n\
         {{ print('told ' ~ rows.columns[0].values() | join(' ')) }}{% endmacro %}\n\
         {% macro count_of(model) %}{% set rows = run_query('select count(*) as n from ' ~ ref(model)) %}\n\
         {{ print(model ~ ' has ' ~ rows.columns[0].values()[0]) }}{% endmacro %}\n",
    ),
    ("seeds/items.csv", "id,name\n1,apple\n2,pear\n"),
    (
        "models/stg.sql",
        "{{ config(pre_hook=\"{{ note('pre') }}\", post_hook=\"{{ note('post') }}\", materialized='table') }}\n\
         select id, name from {{ ref('items') }}\n",
    ),
    (
        "models/added.sql",
        "{{ config(materialized='incremental') }}\nselect id, name from {{ ref('stg') }}\n\
         {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}\n",
    ),
    (
        "models/kept.sql",
        "{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='id') }}\n\
         select id, name from {{ ref('stg') }}\n",
    ),
    (
        "models/chores.yml",
        "version: 2\nsources:\n  - name: raw\n    schema: \"{{ target.schema }}\"\n    loaded_at_field: loaded_at\n    \
         freshness: {warn_after: {count: 1, period: day}, error_after: {count: 10, period: day}}\n    \
         tables: [{name: fresh}, {name: stale}, {name: old}]\nmodels:\n  - name: stg\n    columns:\n      - name: id\n        \
         data_tests: [unique]\n      - name: name\n        data_tests:\n          - accepted_values: {values: [apple, pear]}\n  \
         - name: kept\n    columns: [{name: id, data_tests: [not_null]}]\nunit_tests:\n  - name: names_stay\n    model: stg\n    \
         given: [{input: ref('items'), rows: [{id: 7, name: fig}]}]\n    expect: {rows: [{id: 7, name: fig}]}\n",
    ),
    (
        "snapshots/history.sql",
        "{% snapshot history %}{{ config(unique_key='id', strategy='check', check_cols=['name']) }}\n\
         select id, name from {{ ref('items') }}{% endsnapshot %}\n",
    ),
];

/// Rows that are built in batches.
const BATCHES: &[(&str, &str)] = &[
    (
        "models/moments.sql",
        "{{ config(materialized='table', event_time='at') }}\n\
         {% for years in [0, 1, 20] %}select {{ years }} as id, {{ dbt.dateadd('year', -years, dbt.current_timestamp()) }} as at\n\
         {{ 'union all ' if not loop.last }}{% endfor %}\n",
    ),
    (
        "models/yearly.sql",
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', batch_size='year',\n\
         begin='2024-01-01', lookback=3, unique_key='id') }}\nselect id, at from {{ ref('moments') }}\n",
    ),
];

/// How many rows a history has, and how many of them are past.
const PAST: &str = "select count(*) as n, count(dbt_valid_to) as past from {{ ref('history') }}";

fn contains_all(answer: &Answer, wanted: &[&str]) {
    for words in wanted {
        assert!(answer.text().contains(words), "`{words}` is missing:\n{}", answer.text());
    }
}

/// The first column of a statement's rows, as a macro prints it.
fn told(house: &House, statement: &str) -> String {
    let args = serde_json::json!({ "statement": statement }).to_string();
    let answer =
        house.cofferdam(&["dbt", "run-operation", "tell", "--args", &args, "--store-failures"]).success();
    let line = answer.stdout.lines().find_map(|line| line.split_once("told ")).unwrap_or_default();
    line.1.to_owned()
}

fn chores(profile: &str) {
    let mut house = house(profile);
    for (path, _) in FILES {
        std::fs::remove_file(house.path().join(path)).unwrap();
    }
    CHORES.iter().for_each(|(path, text)| house.write(path, text));
    house.cofferdam(&["dbt", "parse"]).success();
    let run = |arguments: &[&str]| house.cofferdam(&[&["dbt"], arguments].concat());

    let built = run(&["build", "--threads", "1"]).success();
    contains_all(&built, &["PASS=12 WARN=0 ERROR=0 SKIP=0", "built in "]);
    assert_eq!(told(&house, "select what from SCHEMA.notes order by what"), "end post pre start");

    // A second day: a new row, a changed one. History keeps both names.
    house.write("seeds/items.csv", "id,name\n1,apple\n2,plum\n3,fig\n");
    let failed = run(&["build", "--store-failures"]);
    assert!(!failed.ok);
    contains_all(&failed, &["FAIL 2 accepted_values_stg_name__apple__pear", "SKIP=3"]);
    let kept = "select count(*) as n from SCHEMA_dbt_test__audit.accepted_values_stg_name__apple__pear";
    assert_eq!(told(&house, kept), "2");
    // Tests stand alone: those behind the one that fails are run.
    contains_all(&run(&["test"]), &["PASS=6 WARN=0 ERROR=1 SKIP=0"]);
    run(&["snapshot"]).success();
    let rows = house.cofferdam(&["dbt", "show", "--inline", PAST, "--output", "json"]).success();
    assert_eq!(rows.json()["show"].to_string(), r#"[{"n":4,"past":1}]"#);

    // Once it is mended, what failed and what was skipped is done, and nothing else.
    let failed = run(&["build"]);
    assert!(!failed.ok);
    let text = CHORES.iter().find(|(path, _)| *path == "models/chores.yml").unwrap().1;
    house.write("models/chores.yml", &text.replace("[apple, pear]", "[apple, plum, fig]"));
    run(&["run", "-s", "+added", "+kept", "--full-refresh"]).success();
    run(&["build", "-s", "added", "kept"]).success();
    contains_all(&run(&["retry"]).success(), &["Nothing to do"]);
    contains_all(
        &run(&["run-operation", "count_of", "--args", "{model: added}"]).success(),
        &["added has 3"],
    );

    // From now on a model has a column more.
    let kept = CHORES.iter().find(|(path, _)| *path == "models/kept.sql").unwrap().1;
    let wider = kept
        .replace("='id')", "='id', on_schema_change='append_new_columns')")
        .replace("name from", "name, id * 2 as twice from");
    house.write("models/kept.sql", &wider);
    run(&["run", "-s", "kept"]).success();
    assert_eq!(told(&house, "select sum(twice) as twice from SCHEMA.kept"), "12");

    // A year after the other: a row of last year, one of this year, and one of a year before the first batch.
    BATCHES.iter().for_each(|(path, text)| house.write(path, text));
    for _ in 0..2 {
        contains_all(&run(&["run", "-s", "+yearly"]).success(), &["PASS=5 WARN=0 ERROR=0"]);
        assert_eq!(told(&house, "select count(*) as n from SCHEMA.yearly"), "2");
    }

    for (table, days) in [("fresh", "0"), ("stale", "3"), ("old", "30")] {
        let told = format!("{{table: {table}, days: {days}}}");
        let stocked = run(&["run-operation", "stock", "--args", &told]).success();
        contains_all(&stocked, &[&format!("stocked {table}")]);
    }
    let fresh = run(&["source", "freshness"]);
    assert!(!fresh.ok);
    contains_all(&fresh, &["PASS raw.fresh", "WARN raw.stale", "ERROR raw.old"]);
    run(&["source", "freshness", "-s", "source:raw.stale"]).success();
    assert!(!run(&["run-operation", "nothing"]).ok);
    house.down();
}

#[test]
fn hooks_history_freshness_and_what_failed_work_on_sqlite() {
    chores(
        "shop:\n  target: dev\n  outputs:\n    dev: {type: sqlite, path: wh.db, schema: main, threads: 2}\n",
    );
}

#[test]
fn hooks_history_freshness_and_what_failed_work_on_postgresql() {
    chores(&on_postgres(&Postgres::start()));
}

/// A profile whose one target is a server.
fn on_postgres(server: &Postgres) -> String {
    let (port, password) = (server.port(), Postgres::password("writer"));
    format!(
        "shop:\n  target: dev\n  outputs:\n    dev: {{type: postgres, host: 127.0.0.1, port: {port}, user: writer, \
         password: {password}, dbname: {DATABASE}, schema: dev, threads: 2}}\n"
    )
}

#[test]
fn hooks_history_freshness_and_what_failed_work_on_mariadb() {
    let server = MariaDb::start();
    let port = server.port();
    server.sql(
        "create database dev; create user chores@'%' identified by 'chores'; grant all on *.* to chores@'%'",
    );
    chores(&format!(
        "shop:\n  target: dev\n  outputs:\n    dev: {{type: mariadb, server: 127.0.0.1, port: {port}, user: chores, \
         password: chores, schema: dev, threads: 2}}\n"
    ));
}

#[test]
fn the_first_failure_ends_a_run_that_asks_for_it_and_no_other() {
    let house = sqlite();
    house.write("models/a_broken.sql", "select nothing from {{ ref('items') }}\n");
    for n in 10..40 {
        house.write(&format!("models/m{n}.sql"), "select 1 as id\n");
    }
    house.cofferdam(&["dbt", "seed"]).success();
    let run = |more: &[&str]| {
        let models = ["dbt", "run", "--threads", "1", "--select", "a_broken", "m*"];
        let answer = house.cofferdam(&[&models, more].concat());
        assert!(!answer.ok, "{}", answer.text());
        let count = |status: &str| statuses(&house).iter().filter(|(_, found)| found == status).count();
        (count("error"), count("success"), count("skipped"))
    };
    assert_eq!(run(&[]), (1, 30, 0), "what does not need it goes on");
    let (failed, done, skipped) = run(&["--fail-fast"]);
    assert_eq!((failed, done + skipped), (1, 30));
    assert!(skipped > 0, "{done} models ran on");
}

#[test]
fn nodes_are_listed_and_read_without_a_scheduler() {
    let house = sqlite();
    let listed =
        house.cofferdam(&["dbt", "ls", "--select", "tag:nightly+", "--resource-type", "model"]).success();
    assert_eq!(listed.stdout, "shop.totals\n");
    house.cofferdam(&["dbt", "parse"]).success();
    assert!(!house.path().join(".cofferdam/scheduler").exists());
}

#[test]
fn what_dbt_has_and_this_has_not_is_said() {
    let house = sqlite();
    for (arguments, code) in [
        (&["dbt", "build", "--defer"][..], "CD0066"),
        (&["dbt", "build", "--favor-state", "--state", "x"], "CD0066"),
        (&["dbt", "build", "--defer", "--state", "x"], "CD0063"),
        (&["dbt", "build", "--target", "prod"], "CD0061"),
        (&["dbt", "build", "--selector", "x"], "CD0064"),
        (&["dbt", "build", "--vars", "[1]"], "CD0066"),
        (&["dbt", "retry"], "CD0067"),
        (&["dbt", "build", "--no-such-flag"], "CD0001"),
    ] {
        let answer = house.cofferdam(arguments);
        assert!(!answer.ok && answer.stderr.contains(code), "{arguments:?}: {}", answer.text());
    }
    house.write("models/secret.sql", "select '{{ env_var('DBT_ENV_SECRET_X') }}' as s\n");
    assert!(house.cofferdam(&["dbt", "parse"]).stderr.contains("CD0065"));
    // A sample of a profile is a profile.
    house.write("ci/sample.profiles.yml", "password: \"{{ env_var('DBT_ENV_SECRET_X') }}\"\n");
    house.write("models/secret.sql", "select 1 as s\n");
    assert!(house.cofferdam(&["dbt", "parse"]).ok);
    house.write("models/secret.sql", "select '{{ env_var('SHOP_' ~ 'REGION', 'eu') }}' as s\n");
    let computed = house.cofferdam(&["dbt", "parse"]);
    assert!(computed.stderr.contains("`SHOP_REGION` was not looked up"), "{}", computed.text());
    house.write(
        "models/secret.sql",
        "select '{{ env_var('SHOP_' ~ 'REGION', 'eu') }}' as s -- env_var('SHOP_REGION')\n",
    );
    assert!(house.cofferdam(&["dbt", "parse"]).ok);
}

#[test]
fn a_hook_before_a_run_finds_the_schemas_of_the_chosen_nodes() {
    let server = Postgres::start();
    let house = house(&on_postgres(&server));
    let hook = "on-run-start: \"create table if not exists {{ target.schema }}_marts.begun (at text)\"\n";
    house.write("dbt_project.yml", &format!("{}{hook}", FILES[0].1));
    house.write("models/totals.sql", "{{ config(schema='marts') }} select 1 as total\n");
    let elsewhere = house.cofferdam(&["dbt", "build", "--select", "items"]);
    assert!(!elsewhere.ok, "{}", elsewhere.text());
    contains_all(&elsewhere, &["dev_marts"]);
    let chosen = house.cofferdam(&["dbt", "build", "--select", "totals"]);
    assert!(chosen.ok, "{}", chosen.text());
    contains_all(&chosen, &["OK hook shop-on-run-start-0"]);
}

/// A hook that writes down what it is told of each node.
const WRITES_RESULTS: &str = "{% macro write_down(results) %}create table {{ target.schema }}.run_log as\n\
     {% for one in results %}select '{{ one.node.unique_id }}' as unique_id, '{{ one.status }}' as status,\n\
     {{ one.failures if one.failures is not none else -1 }} as failures,\n\
     '{{ (one.message or '') | replace(\"'\", \"''\") }}' as message, {{ one['execution_time'] }} as took,\n\
     '{{ one.timing | map(attribute='name') | join(' ') }}' as steps,\n\
     '{{ one.to_dict()['node']['resource_type'] }}' as kind {{ 'union all' if not loop.last }}\n\
     {% endfor %}{% endmacro %}\n";

#[test]
fn hooks_behind_a_run_are_told_of_each_node_what_its_artifact_says() {
    let house = sqlite();
    let project = FILES[0].1;
    house.write(
        "dbt_project.yml",
        &format!("{project}on-run-start: select 1\non-run-end: \"{{{{ write_down(results) }}}}\"\n"),
    );
    house.write("macros/write_down.sql", WRITES_RESULTS);
    house.write("models/broken.sql", "select nothing from {{ ref('items') }}\n");
    house.write("models/behind.sql", "select * from {{ ref('broken') }}\n");
    house.write("models/inner.sql", "{{ config(materialized='ephemeral') }} select 1 as id\n");
    house.write(
        "models/boards.yml",
        "version: 2\nexposures:\n  - {name: board, type: dashboard, owner: {name: me}, depends_on: [ref('stg_items')]}\n",
    );
    let failed = house.cofferdam(&["dbt", "build", "--vars", "{strict: true}"]);
    assert!(!failed.ok);
    contains_all(&failed, &["OK hook shop-on-run-end-0"]);

    let log = rusqlite::Connection::open(house.path().join("wh.db")).unwrap();
    let mut rows =
        log.prepare("select unique_id, status, failures, message, took, steps, kind from run_log").unwrap();
    let told = rows.query_map([], |row| {
        let text = |at: usize| row.get::<_, String>(at);
        Ok((text(0)?, text(1)?, row.get::<_, i64>(2)?, text(3)?, row.get::<_, f64>(4)?, text(5)?, text(6)?))
    });
    let mut told: Vec<_> = told.unwrap().collect::<Result<_, _>>().unwrap();
    let results = artifact(&house, "run_results.json");
    let of_nodes = results["results"].as_array().unwrap().iter();
    let mut written: Vec<_> = of_nodes
        .filter(|one| !one["unique_id"].as_str().unwrap().starts_with("operation."))
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            let steps = one["timing"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap());
            let kind = text("unique_id").split('.').next().unwrap().to_owned();
            (
                text("unique_id"),
                text("status"),
                one["failures"].as_i64().unwrap_or(-1),
                text("message"),
                one["execution_time"].as_f64().unwrap(),
                steps.collect::<Vec<_>>().join(" "),
                kind,
            )
        })
        .collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    written.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(told, written);
    let found = |status: &str| told.iter().any(|one| one.1 == status);
    for status in ["success", "error", "skipped", "pass", "fail", "no-op"] {
        assert!(found(status), "nothing is {status}: {told:?}");
    }
    let ledger = house.ledger("executor-run");
    let reads = ledger.iter().filter(|record| record.to_string().contains("\"read_kept\"")).count();
    assert!(reads > 0, "no record of what was read");
}

#[test]
fn what_templates_put_into_graph_is_there_for_hooks_behind_the_run() {
    let house = sqlite();
    let put = |key: &str, value: &str| {
        format!(
            "{{% if execute %}}{{% do graph.setdefault('seen', {{}}).update({{'{key}': {value}}}) %}}{{% endif %}}"
        )
    };
    let start = put("start", "modules.datetime.timedelta(minutes=1)");
    let end = "create table {{ target.schema }}.seen as select '{{ graph.seen | sort | join(' ') }}' as names, \
               {{ graph.seen.start.total_seconds() }} as seconds";
    let project = FILES[0].1;
    let hooks = format!("on-run-start: \"{start}select 1\"\non-run-end: \"{end}\"\n");
    house.write("dbt_project.yml", &format!("{project}{hooks}"));
    let found = "{{ graph.get('seen', {}) | list | join }}";
    for model in ["one", "two"] {
        let text =
            format!("{{{{ config(materialized='table') }}}}select '{found}' as found {}", put(model, "1"));
        house.write(&format!("models/{model}.sql"), &text);
    }
    let built = house.cofferdam(&["dbt", "build"]);
    assert!(built.ok, "{}", built.text());
    let warehouse = rusqlite::Connection::open(house.path().join("wh.db")).unwrap();
    let told = |sql: &str| warehouse.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(told("select names || ' ' || seconds from seen"), "one start two 60.0");
    assert_eq!(told("select found from two"), "start");
}

/// Generic tests that put what they find aside first: in the project's own schema, or in another one.
const ASIDE: &str = "{% test aside(model, column_name, place) %}\n\
     {% if execute %}\n\
     {% do run_query('create table ' ~ place ~ '.found_' ~ column_name ~ ' as select ' ~ column_name ~ ' as n from ' ~ model) %}\n\
     {% endif %}\n\
     select 1 as one from {{ model }} where 1 = 0\n\
     {% endtest %}\n";

#[test]
fn a_test_that_writes_may_do_so_in_the_projects_schemas_alone() {
    let server = Postgres::start();
    let house = house(&on_postgres(&server));
    server.psql("create schema elsewhere");
    house.write("tests/generic/aside.sql", ASIDE);
    house.write(
        "models/schema.yml",
        "models:\n  - name: stg_items\n    columns:\n      - name: id\n        data_tests:\n          - aside: {arguments: {place: dev}}\n      \
         - name: qty\n        data_tests:\n          - aside: {arguments: {place: elsewhere}}\n          - not_null\n",
    );
    let built = house.cofferdam(&["dbt", "build", "--select", "items stg_items"]);
    assert!(!built.ok, "{}", built.text());
    contains_all(&built, &["PASS aside_stg_items_id__dev", "ERROR aside_stg_items_qty__elsewhere", "PASS=4"]);
    assert_eq!(server.psql("select count(*) from dev.found_id").trim(), "2");
    assert_eq!(server.psql("select to_regclass('elsewhere.found_qty') is null").trim(), "t");
    let explained = |test: &str| house.cofferdam(&["grants", "explain", test]).text();
    let listed = house.cofferdam(&["dbt", "ls", "--resource-type", "test", "--output", "json"]).stdout;
    let id = |name: &str| {
        let ids = listed.split('"').filter(|word| word.starts_with("test.shop."));
        ids.into_iter().find(|id| id.contains(name)).unwrap_or_else(|| panic!("{listed}")).to_owned()
    };
    assert!(
        explained(&id("aside_stg_items_id")).contains("allows sql write"),
        "{}",
        explained(&id("aside_stg_items_id"))
    );
    assert!(explained(&id("not_null")).contains("allows sql read"), "{}", explained(&id("not_null")));
}

#[test]
fn debug_ends_well_where_the_warehouse_answers_and_not_where_it_does_not() {
    let server = Postgres::start();
    let profile = on_postgres(&server);
    // The role of the profile is no superuser, but nothing is made yet: what is missing is said.
    let standing = house(&profile);
    let answers = standing.cofferdam(&["dbt", "debug"]);
    assert!(answers.ok, "{}", answers.text());
    let strict = standing.cofferdam(&["gateway", "test", "wh"]);
    assert!(!strict.ok, "{}", strict.text());
    contains_all(&strict, &["weak   schema `dev` does not exist"]);
    contains_all(&answers, &["weak   schema `dev` does not exist", "ok     logged in to PostgreSQL"]);
    let refused = house(&profile.replace("user: writer", "user: nobody")).cofferdam(&["dbt", "debug"]);
    assert!(!refused.ok, "{}", refused.text());
    contains_all(&refused, &["wrong  "]);
}

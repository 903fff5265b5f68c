//! dbt's commands on a small project, from the shell to the warehouse and back: SQLite and
//! PostgreSQL, with scheduler, executor, sandbox, signatures and grants as they always are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use cofferdam_servers::{DATABASE, Postgres};
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
    whole_story(&house(&format!(
        "shop:\n  target: dev\n  outputs:\n    dev: {{type: postgres, host: 127.0.0.1, port: {port}, user: writer, \
         password: {password}, dbname: {DATABASE}, schema: dev, threads: 2}}\n"
    )));
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
        (&["dbt", "build", "--defer", "--state", "x"][..], "CD0066"),
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
}

use serde_json::{Value, json};

use super::*;
use crate::dbt::yaml as text_yaml;

/// raw.orders, seed → stg_orders, stg_items → orders → report; tests, an exposure, a unit test.
fn manifest() -> Value {
    let model = |name: &str, folder: &str, needs: &[&str], config: Value| {
        json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model",
            "package_name": "shop", "path": format!("{folder}/{name}.sql"),
            "original_file_path": format!("models/{folder}/{name}.sql"),
            "fqn": ["shop", folder, name], "alias": name, "schema": "dev", "config": config,
            "tags": config["tags"], "depends_on": {"nodes": needs, "macros": ["macro.shop.m"]},
            "raw_code": format!("select '{name}'"), "checksum": {"name": "sha256", "checksum": name},
        })
    };
    let test = |id: &str, name: Option<&str>, needs: &[&str]| {
        json!({
            "unique_id": format!("test.shop.{id}"), "name": id, "resource_type": "test", "package_name": "shop",
            "original_file_path": "models/schema.yml", "fqn": ["shop", id], "config": {"severity": "ERROR"},
            "test_metadata": name.map(|name| json!({"name": name})), "depends_on": {"nodes": needs},
        })
    };
    let nodes = [
        model(
            "stg_orders",
            "staging",
            &["source.shop.raw.orders"],
            json!({"materialized": "view", "tags": ["nightly"]}),
        ),
        model("stg_items", "staging", &["seed.shop.items"], json!({"materialized": "view", "tags": []})),
        model(
            "orders",
            "marts",
            &["model.shop.stg_orders", "model.shop.stg_items"],
            json!({"materialized": "table", "tags": ["core"], "meta": {"owner": "ana"}, "group": "finance"}),
        ),
        model(
            "report",
            "marts",
            &["model.shop.orders"],
            json!({"materialized": "incremental", "tags": ["nightly"], "enabled": true}),
        ),
        json!({"unique_id": "seed.shop.items", "name": "items", "resource_type": "seed", "package_name": "shop",
            "original_file_path": "seeds/items.csv", "fqn": ["shop", "items"], "config": {"materialized": "seed"}}),
        test("unique_orders", Some("unique"), &["model.shop.orders"]),
        test("relation_orders_items", Some("relationships"), &["model.shop.orders", "seed.shop.items"]),
        test("positive", None, &["model.shop.report"]),
    ];
    let nodes: serde_json::Map<String, Value> =
        nodes.into_iter().map(|node| (node["unique_id"].as_str().unwrap().to_owned(), node)).collect();
    json!({
        "metadata": {"project_name": "shop"},
        "nodes": nodes,
        "sources": {"source.shop.raw.orders": {"unique_id": "source.shop.raw.orders", "name": "orders",
            "source_name": "raw", "resource_type": "source", "package_name": "shop", "tags": ["landing"],
            "original_file_path": "models/sources.yml", "fqn": ["shop", "staging", "raw", "orders"]}},
        "exposures": {"exposure.shop.board": {"unique_id": "exposure.shop.board", "name": "board",
            "resource_type": "exposure", "package_name": "shop", "fqn": ["shop", "board"],
            "depends_on": {"nodes": ["model.shop.report"]}}},
        "unit_tests": {"unit_test.shop.orders.adds": {"unique_id": "unit_test.shop.orders.adds", "name": "adds",
            "resource_type": "unit_test", "package_name": "shop", "fqn": ["shop", "marts", "orders", "adds"],
            "depends_on": {"nodes": ["model.shop.orders"]}}},
        "macros": {"macro.shop.m": {"macro_sql": "1", "depends_on": {"macros": ["macro.shop.deep"]}},
            "macro.shop.deep": {"macro_sql": "2"}},
    })
}

fn read(value: &Value) -> Manifest {
    Manifest::read("it", value.to_string().as_bytes()).unwrap()
}

fn select_on(manifest: &Value, before: Before, work: &Work, yaml: &str) -> Outcome<String> {
    let manifest = read(manifest);
    let graph = Graph::of(&manifest);
    let selection = Selection { manifest: &manifest, graph: &graph, before: &before };
    let named = yaml::of(&text_yaml::parse(yaml).unwrap())?;
    let ids = selection.select(&wanted(work, &named)?)?;
    let short = ids.iter().map(|id| match id.split('.').next().unwrap() {
        "model" | "seed" | "source" => id.rsplit('.').next().unwrap().to_owned(),
        kind => format!("{kind}:{}", id.rsplit('.').next().unwrap()),
    });
    Ok(short.collect::<Vec<_>>().join(" "))
}

fn work(select: &str, exclude: &str, indirect: Option<Indirect>) -> Work {
    let words = |text: &str| text.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Work { select: words(select), exclude: words(exclude), indirect_selection: indirect, ..Work::default() }
}

fn selected(select: &str) -> String {
    // Tests that come along have a test of their own below.
    select_on(&manifest(), Before::default(), &work(select, "", Some(Indirect::Empty)), "").unwrap()
}

#[test]
fn every_method_selects_what_dbt_says() {
    let table = [
        ("orders", "orders"),
        ("shop.marts", "orders report unit_test:adds"),
        ("marts", "orders report unit_test:adds"),
        ("marts.orders", "orders unit_test:adds"),
        ("stg_*", "stg_items stg_orders"),
        ("shop.*.orders", "orders"),
        ("tag:nightly", "report stg_orders"),
        ("tag:night*", "report stg_orders"),
        ("path:models/staging", "stg_items stg_orders"),
        ("models/staging/stg_items.sql", "stg_items"),
        ("path:models/**/orders.sql", "orders"),
        ("file:orders.sql", "orders"),
        ("stg_items.sql", "stg_items"),
        ("source:raw", "orders"),
        ("source:raw.orders+1", "stg_orders orders"),
        ("source:shop.raw.*", "orders"),
        ("package:this,resource_type:seed", "items"),
        ("config.materialized:table", "orders"),
        ("config.meta.owner:ana", "orders"),
        ("config.enabled:true", "report"),
        ("config.tags:core", "orders"),
        ("group:finance", "orders"),
        ("access:protected,marts", "orders report"),
        ("resource_type:exposure", "exposure:board"),
        ("exposure:board", "exposure:board"),
        ("exposure:*", "exposure:board"),
        ("test_type:generic", "test:relation_orders_items test:unique_orders"),
        ("test_type:singular", "test:positive"),
        ("test_type:unit", "unit_test:adds"),
        ("test_name:uni*", "test:unique_orders"),
        ("unit_test:adds", "unit_test:adds"),
        ("version:none,tag:core", "orders"),
    ];
    for (selector, expected) in table {
        let found = selected(selector);
        let sort = |text: &str| {
            let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(sort(&found), sort(expected), "{selector}");
    }
}

#[test]
fn graph_operators_reach_as_far_as_they_say() {
    let table = [
        ("+orders", "orders stg_items stg_orders items orders"),
        ("1+orders", "orders stg_items stg_orders"),
        (
            "stg_items+",
            "orders report stg_items exposure:board test:positive test:relation_orders_items test:unique_orders unit_test:adds",
        ),
        ("stg_items+1", "orders stg_items"),
        (
            "1+orders+1",
            "orders report stg_items stg_orders test:relation_orders_items test:unique_orders unit_test:adds",
        ),
        ("@stg_items,resource_type:model", "orders report stg_items stg_orders"),
        ("tag:core stg_items", "orders stg_items"),
        ("tag:core|stg_items", "orders stg_items"),
        ("tag:nightly,marts", "report"),
        ("tag:nightly,tag:core", ""),
    ];
    for (selector, expected) in table {
        let mut found: Vec<String> = selected(selector).split(' ').map(str::to_owned).collect();
        let mut expected: Vec<String> = expected.split(' ').map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{selector}");
    }
}

#[test]
fn tests_come_along_as_the_mode_says() {
    let of = |select: &str, mode| {
        select_on(&manifest(), Before::default(), &work(select, "", Some(mode)), "").unwrap()
    };
    assert_eq!(
        of("orders", Indirect::Eager),
        "orders test:relation_orders_items test:unique_orders unit_test:adds"
    );
    assert_eq!(of("orders", Indirect::Cautious), "orders test:unique_orders unit_test:adds");
    assert_eq!(
        of("orders", Indirect::Buildable),
        "orders test:relation_orders_items test:unique_orders unit_test:adds",
        "the seed is needed by what is selected"
    );
    assert_eq!(of("items", Indirect::Buildable), "items");
    assert_eq!(of("orders", Indirect::Empty), "orders");
    assert_eq!(
        of("orders|items", Indirect::Cautious),
        "orders items test:relation_orders_items test:unique_orders unit_test:adds",
    );
}

#[test]
fn what_is_excluded_is_left_out_with_its_tests() {
    let all = select_on(&manifest(), Before::default(), &work("", "orders+", None), "").unwrap();
    assert_eq!(all, "stg_items stg_orders items orders");
}

#[test]
fn yaml_selectors_join_and_exclude() {
    let yaml = r"
selectors:
  - name: nightly
    definition: tag:nightly
  - name: marts
    default: true
    definition:
      union:
        - {method: path, value: models/marts, indirect_selection: empty}
        - exclude: [{method: tag, value: nightly}]
  - name: both
    definition:
      intersection:
        - {method: selector, value: nightly}
        - {fqn: marts}
  - name: up
    definition: {method: fqn, value: orders, parents: true, parents_depth: 1, indirect_selection: empty, exclude: [stg_items]}
";
    let of = |name: Option<&str>| {
        let work = Work { selector: name.map(str::to_owned), ..Work::default() };
        select_on(&manifest(), Before::default(), &work, yaml)
    };
    assert_eq!(of(None).unwrap(), "orders", "the default one");
    assert_eq!(of(Some("both")).unwrap(), "report test:positive");
    assert_eq!(of(Some("up")).unwrap(), "orders stg_orders");
    insta::assert_snapshot!(of(Some("nigtly")).unwrap_err().render(), @"
    error[CD0064]: no selector is called `nigtly`
      fix: did you mean `nightly`?
    ");
}

#[test]
fn state_is_compared_part_by_part() {
    let state = |change: &dyn Fn(&mut Value), selector: &str| {
        let mut then = manifest();
        change(&mut then);
        let before = Before { manifest: Some(read(&then)), ..Before::default() };
        select_on(&manifest(), before, &work(selector, "", Some(Indirect::Empty)), "").unwrap()
    };
    let body = |then: &mut Value| then["nodes"]["model.shop.orders"]["raw_code"] = json!("select 2");
    assert_eq!(state(&body, "state:modified"), "orders");
    assert_eq!(state(&body, "state:modified.body"), "orders");
    assert_eq!(state(&body, "state:modified.configs"), "");
    let config =
        |then: &mut Value| then["nodes"]["model.shop.report"]["config"]["materialized"] = json!("view");
    assert_eq!(state(&config, "state:modified.configs"), "report");
    let gone = |then: &mut Value| {
        then["nodes"].as_object_mut().unwrap().remove("model.shop.report");
    };
    assert_eq!(state(&gone, "state:new"), "report");
    assert!(!state(&gone, "state:old").contains("report"));
    assert_eq!(state(&gone, "state:modified+"), "exposure:board report test:positive");
    let deep = |then: &mut Value| then["macros"]["macro.shop.deep"]["macro_sql"] = json!("3");
    assert_eq!(state(&deep, "state:modified.macros"), "orders report stg_items stg_orders");
    assert_eq!(state(&|_| {}, "state:modified"), "");
    assert!(state(&|_| {}, "state:unmodified").contains("report"));
}

#[test]
fn results_and_fresher_sources_are_found() {
    let before = Before {
        results: [("model.shop.orders".to_owned(), "error".to_owned())].into(),
        loaded: Some((
            [("source.shop.raw.orders".to_owned(), "1".to_owned())].into(),
            [("source.shop.raw.orders".to_owned(), "2".to_owned())].into(),
        )),
        ..Before::default()
    };
    let found = select_on(
        &manifest(),
        before,
        &work("result:error|source_status:fresher", "", Some(Indirect::Empty)),
        "",
    );
    assert_eq!(found.unwrap(), "orders orders");
}

#[test]
fn what_is_no_selector_says_why() {
    let error = |select: &str| {
        select_on(&manifest(), Before::default(), &work(select, "", None), "").unwrap_err().render()
    };
    insta::assert_snapshot!(error("tags:x"), @"
    error[CD0064]: `tags` is no method to select with
      fix: did you mean `tag`?
    ");
    insta::assert_snapshot!(error("@orders+"), @"
    error[CD0064]: `@orders+` is no selector: `@` before and `+` behind do not go together
      fix: write a name, a glob or `method:value`, with `+`, `2+` or `@` before and `+` or `+2` behind
    ");
    insta::assert_snapshot!(error("state:modified"), @"
    error[CD0064]: `state:` compares with an earlier state, and there is no `manifest.json` of one
      fix: name a folder with earlier artifacts: --state DIR
    ");
}

proptest::proptest! {
    #[test]
    fn any_words_give_nodes_or_an_error(words in "[@+0-9a-z:.,* ]{0,30}") {
        let _ = select_on(&manifest(), Before::default(), &work(&words, "", None), "");
    }
}

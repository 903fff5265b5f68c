//! A project with everything in it: its manifest, its tasks, what an attempt reads of a node.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};

use cofferdam_project_dbt::DbtProject;
use cofferdam_project_dbt::document::Document;
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Argument, Description, Invocation, Project, ProjectConfig};
use serde_json::Value as Json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/rich")
}

fn files(folder: &Path, host: MemoryHost) -> MemoryHost {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().fold(host, |host, path| {
        if path.is_dir() {
            return files(&path, host);
        }
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        host.file(&name, std::fs::read(&path).unwrap())
    })
}

fn describe() -> Description {
    let host = files(&root(), MemoryHost::new());
    let target = r#"{"name": "dev", "schema": "analytics", "database": "db"}"#;
    let config = ProjectConfig {
        gateway: "wh".into(),
        adapter: "adapter-postgres".into(),
        settings: vec![Argument { name: "target".into(), json: target.into() }],
        ..ProjectConfig::default()
    };
    DbtProject::describe(&host.project_context(), config).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn manifest() -> Json {
    serde_json::from_slice(&describe().files[0].content).unwrap()
}

#[test]
fn every_node_has_its_place_in_the_manifest() {
    let manifest = manifest();
    let mut lines = Vec::new();
    for part in ["nodes", "sources", "exposures", "unit_tests", "groups", "disabled", "docs"] {
        for (id, node) in manifest[part].as_object().unwrap() {
            let depends = node["depends_on"]["nodes"].as_array().cloned().unwrap_or_default();
            let depends: Vec<&str> = depends.iter().filter_map(Json::as_str).collect();
            let relation = node["relation_name"].as_str().unwrap_or("-");
            lines.push(format!("{part} {id} {relation} <- {}", depends.join(", ")));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
nodes analysis.rich.look - <- model.rich.facts
nodes model.extra.extra_days db."analytics"."extra_days" <- model.tools.calendar
nodes model.rich.customers.v1 db."analytics"."customers_v1" <- 
nodes model.rich.customers.v2 db."analytics"."customers_now" <- model.rich.recent, model.rich.customers.v1, seed.rich.rates
nodes model.rich.facts db."analytics"."facts" <- model.rich.customers.v2, model.tools.calendar, seed.rich.rates
nodes model.rich.recent - <- model.rich.stg_orders
nodes model.rich.report db."analytics"."report" <- model.rich.secret
nodes model.rich.secret db."analytics"."secret" <- model.rich.facts
nodes model.rich.stg_orders db."analytics_staging"."stg_orders" <- source.rich.erp.orders
nodes model.tools.calendar db."analytics_tooling"."calendar" <- 
nodes operation.rich.rich-on-run-end-0 - <- 
nodes operation.rich.rich-on-run-end-1 - <- 
nodes operation.rich.rich-on-run-start-0 - <- 
nodes seed.rich.rates db."analytics_raw"."rates" <- 
nodes snapshot.rich.customers_history db."history"."customers_history" <- model.rich.customers.v2
nodes snapshot.rich.orders_history db."history"."orders_history" <- model.rich.stg_orders
nodes snapshot.rich.rates_history db."other"."rates_h" <- seed.rich.rates
nodes test.rich.accepted_values_rates_currency__EUR__USD.c7b29a7327 - <- seed.rich.rates
nodes test.rich.accepted_values_stg_orders__customer_id___False__1__2__three_and_a_half__True__4_5.67deb79aff - <- model.rich.stg_orders
nodes test.rich.few_rows_customers_v2_.658ddd7ea0 db."analytics_dbt_test__audit"."few_rows_customers_v2_" <- model.rich.customers.v2
nodes test.rich.few_rows_stg_orders_1000.f2dd0bcca4 - <- model.rich.stg_orders
nodes test.rich.no_negative - <- model.rich.facts
nodes test.rich.not_null_customers_history_id.2949227e15 - <- snapshot.rich.customers_history
nodes test.rich.not_null_customers_v1_id.f95782701a db."analytics_dbt_test__audit"."not_null_customers_v1_id" <- model.rich.customers.v1
nodes test.rich.not_null_customers_v2_id.d94c1607e5 db."analytics_dbt_test__audit"."not_null_customers_v2_id" <- model.rich.customers.v2
nodes test.rich.not_null_stg_orders_id.8cf5724805 - <- model.rich.stg_orders
nodes test.rich.orders_have_one_id.92e30f1463 - <- model.rich.stg_orders
nodes test.rich.relationships_stg_orders__customer_id___id__ref_customers_v_1_.afe32cd383 - <- model.rich.customers.v1, model.rich.stg_orders
nodes test.rich.source_not_null_erp_orders_id.414ab95f2b - <- source.rich.erp.orders
nodes test.rich.source_unique_erp_orders_id.ba84f3f5e2 - <- source.rich.erp.orders
nodes test.rich.tools_source_positive_erp_orders_amount__True.92d07edde5 - <- source.rich.erp.orders
nodes test.rich.unique_customers_v2_name.1791aa6a73 db."analytics_dbt_test__audit"."unique_customers_v2_name" <- model.rich.customers.v2
sources source.rich.erp.orders db."erp_raw".orders_v2 <- 
exposures exposure.rich.board - <- source.rich.erp.orders, model.rich.facts, model.rich.customers.v2
unit_tests unit_test.rich.customers.customers_join_v2 - <- model.rich.customers.v2
groups group.rich.finance - <- 
disabled model.rich.retired - <- 
disabled model.tools.unused - <- 
disabled source.rich.erp.customers - <- 
disabled test.rich.unique_nowhere_id.eaecd74bab - <- 
docs doc.rich.erp - <- 
docs doc.rich.key - <- 
docs doc.rich.orders - <-
"#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one snapshot after the other")]
fn a_node_holds_what_every_place_says_of_it() {
    let manifest = manifest();
    let shown = |id: &str, keys: &[&str]| {
        let node =
            ["nodes", "sources", "exposures", "unit_tests"].iter().find_map(|part| manifest[part].get(id));
        keys.iter().map(|key| format!("{key}: {}", node.unwrap()[key])).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(shown("model.rich.facts", &["config", "tags", "meta", "group", "constraints", "columns", "primary_key", "unrendered_config"]), @r#"
config: {"enabled":true,"alias":null,"schema":null,"database":null,"tags":["all","money","big","facts"],"meta":{"team":"data","level":1},"group":"finance","static_analysis":null,"materialized":"incremental","incremental_strategy":"delete+insert","batch_size":null,"lookback":1,"begin":null,"persist_docs":{"relation":true,"columns":true},"post-hook":[],"pre-hook":[],"quoting":{},"column_types":{},"full_refresh":null,"unique_key":["id","day"],"on_schema_change":"fail","on_configuration_change":"apply","grants":{"select":["reader"]},"packages":[],"docs":{"show":true,"node_color":null},"contract":{"enforced":true,"alias_types":true},"event_time":null,"concurrent_batches":null,"access":"protected","freshness":null,"on_error":null,"latest_version_pointer":{"enabled":null,"alias":null},"indexes":[{"columns":["id"],"unique":true}]}
tags: ["all","money","big","facts"]
meta: {"team":"data","level":1}
group: "finance"
constraints: [{"type":"primary_key","name":null,"expression":null,"warn_unenforced":true,"warn_unsupported":true,"to":null,"to_columns":[],"columns":["id","day"]}]
columns: {"id":{"name":"id","description":"","meta":{},"data_type":"integer","constraints":[{"type":"not_null","name":null,"expression":null,"warn_unenforced":true,"warn_unsupported":true,"to":null,"to_columns":[]},{"type":"check","name":null,"expression":"id > 0","warn_unenforced":true,"warn_unsupported":true,"to":null,"to_columns":[]}],"quote":null,"config":{"meta":{},"tags":[]},"tags":[],"granularity":null,"dimension":null,"entity":null,"doc_blocks":[]},"day":{"name":"day","description":"","meta":{},"data_type":"date","constraints":[],"quote":null,"config":{"meta":{},"tags":[]},"tags":[],"granularity":null,"dimension":null,"entity":null,"doc_blocks":[],"policy":"hidden"}}
primary_key: ["day","id"]
unrendered_config: {"meta":{"level":1},"tags":"facts","materialized":"incremental","persist_docs":{"relation":true,"columns":true},"contract":{"enforced":true},"group":"finance","unique_key":["id","day"],"incremental_strategy":"delete+insert","on_schema_change":"fail","grants":{"select":"reader"},"indexes":[{"columns":["id"],"unique":true}]}
"#);
    insta::assert_snapshot!(shown("model.rich.customers.v2", &["fqn", "version", "latest_version", "access", "alias", "docs", "depends_on"]), @r#"
fqn: ["rich","marts","customers","v2"]
version: 2
latest_version: 2
access: "public"
alias: "customers_now"
docs: {"show":true,"node_color":null}
depends_on: {"macros":["macro.rich.money","macro.dbt.is_incremental"],"nodes":["model.rich.recent","model.rich.customers.v1","seed.rich.rates"]}
"#);
    insta::assert_snapshot!(shown("model.tools.calendar", &["config", "path", "original_file_path", "schema"]), @r#"
config: {"enabled":true,"alias":null,"schema":"tooling","database":null,"tags":["dates"],"meta":{"team":"data"},"group":null,"static_analysis":null,"materialized":"table","incremental_strategy":null,"batch_size":null,"lookback":1,"begin":null,"persist_docs":{},"post-hook":[],"pre-hook":[],"quoting":{},"column_types":{},"full_refresh":null,"unique_key":null,"on_schema_change":"ignore","on_configuration_change":"apply","grants":{},"packages":[],"docs":{"show":true,"node_color":null},"contract":{"enforced":false,"alias_types":true},"event_time":null,"concurrent_batches":null,"access":"protected","freshness":null,"on_error":null,"latest_version_pointer":{"enabled":null,"alias":null}}
path: "calendar.sql"
original_file_path: "models/calendar.sql"
schema: "analytics_tooling"
"#);
    insta::assert_snapshot!(shown("source.rich.erp.orders", &["config", "freshness", "meta", "tags", "source_meta", "relation_name", "description", "source_description"]), @r#"
config: {"enabled":true,"event_time":null,"freshness":{"warn_after":{"count":12,"period":"hour"},"error_after":{"count":2,"period":"day"},"filter":"loaded_at > now() - interval '3 days'"},"loaded_at_field":"loaded_at","loaded_at_query":null,"meta":{"contact":"ops","rows":"many"},"tags":["heavy","outside"],"static_analysis":null}
freshness: {"warn_after":{"count":12,"period":"hour"},"error_after":{"count":2,"period":"day"},"filter":"loaded_at > now() - interval '3 days'"}
meta: {"contact":"ops","rows":"many"}
tags: ["heavy","outside"]
source_meta: {"contact":"ops"}
relation_name: "db.\"erp_raw\".orders_v2"
description: "ERP"
source_description: "The system of orders: ERP"
"#);
    insta::assert_snapshot!(shown("snapshot.rich.customers_history", &["raw_code", "config", "fqn", "path"]), @r#"
raw_code: "select * from {{ ref('customers', v=2) }}"
config: {"enabled":true,"alias":null,"schema":null,"database":null,"tags":[],"meta":{},"group":null,"static_analysis":null,"materialized":"snapshot","incremental_strategy":null,"batch_size":null,"lookback":1,"begin":null,"persist_docs":{},"post-hook":[],"pre-hook":[],"quoting":{},"column_types":{},"full_refresh":null,"unique_key":"id","on_schema_change":"ignore","on_configuration_change":"apply","grants":{},"packages":[],"docs":{"show":true,"node_color":null},"contract":{"enforced":false,"alias_types":true},"event_time":null,"concurrent_batches":null,"strategy":"check","target_schema":"history","target_database":null,"updated_at":null,"check_cols":["name"],"snapshot_meta_column_names":{"dbt_valid_to":"until","dbt_valid_from":null,"dbt_scd_id":null,"dbt_updated_at":null,"dbt_is_deleted":null},"dbt_valid_to_current":null,"hard_deletes":"invalidate"}
fqn: ["rich","customers_history"]
path: "customers_history.sql"
"#);
    insta::assert_snapshot!(shown("exposure.rich.board", &["depends_on", "refs", "sources", "owner", "meta", "tags"]), @r#"
depends_on: {"macros":[],"nodes":["source.rich.erp.orders","model.rich.facts","model.rich.customers.v2"]}
refs: [{"name":"facts","package":null,"version":null},{"name":"customers","package":null,"version":2}]
sources: [["erp","orders"]]
owner: {"email":"finance@example.com","name":"Finance"}
meta: {"level":"top","more":1}
tags: ["board"]
"#);
    insta::assert_snapshot!(shown("unit_test.rich.customers.customers_join_v2", &["given", "expect", "overrides", "depends_on", "fqn"]), @r#"
given: [{"input":"ref('recent')","rows":[{"id":2,"amount":3},{"id":1,"amount":null}],"format":"dict","fixture":null},{"input":"ref('customers', v=1)","rows":[{"id":"1","name":"a"},{"id":"2","name":null}],"format":"csv","fixture":null},{"input":"ref('rates')","rows":[{"id":"1","currency":"EUR","rate":"1.00"},{"id":"2","currency":"USD","rate":"1.10"}],"format":"dict","fixture":null}]
expect: {"rows":[{"id":"2","name":"b","amount":"3"},{"id":"1","name":"a","amount":null}],"format":"csv","fixture":"joined"}
overrides: {"macros":{"is_incremental":false},"vars":{"region":"us"},"env_vars":{}}
depends_on: {"macros":[],"nodes":["model.rich.customers.v2"]}
fqn: ["rich","marts","customers","customers_join"]
"#);
    let test = "test.rich.relationships_stg_orders__customer_id___id__ref_customers_v_1_.afe32cd383";
    insta::assert_snapshot!(shown(test, &["config", "raw_code", "test_metadata", "refs", "attached_node", "file_key_name", "alias"]), @r#"
config: {"enabled":true,"alias":null,"schema":"dbt_test__audit","database":null,"tags":[],"meta":{},"group":null,"static_analysis":null,"materialized":"test","severity":"warn","store_failures":null,"store_failures_as":null,"sql_header":null,"where":null,"limit":5,"fail_calc":"count(*)","warn_if":">1","error_if":">10"}
raw_code: "{{ test_relationships(**_dbt_generic_test_kwargs) }}{{ config(severity=\"warn\",limit=5,warn_if=\">1\",error_if=\">10\") }}"
test_metadata: {"name":"relationships","kwargs":{"to":"ref('customers', v=1)","field":"id","model":"{{ get_where_subquery(ref('stg_orders')) }}","column_name":"\"customer_id\""},"namespace":null}
refs: [{"name":"customers","package":null,"version":1},{"name":"stg_orders","package":null,"version":null}]
attached_node: "model.rich.stg_orders"
file_key_name: "models.stg_orders"
alias: "relationships_stg_orders__customer_id___id__ref_customers_v_1_"
"#);
}

#[test]
fn an_attempt_reads_its_own_node_and_what_that_needs() {
    let described = describe();
    let task = described.tasks.iter().find(|task| task.id == "model.rich.customers.v2").unwrap();
    let host = described
        .files
        .iter()
        .fold(MemoryHost::new(), |host, file| host.file(&file.path, file.content.clone()));
    let invocation = Invocation { settings: task.settings.clone(), ..Invocation::default() };
    let document = Document::read(host.context().files, &invocation).unwrap();
    assert_eq!(document.node.unique_id(), "model.rich.customers.v2");
    assert_eq!(document.line, 1);
    let refs: Vec<String> = document
        .refs
        .iter()
        .map(|to| {
            let relation = to.relation.as_ref().map_or("ephemeral".to_owned(), |relation| relation.dotted());
            format!("{} v{:?} -> {} {relation}", to.name, to.version, to.unique_id)
        })
        .collect();
    insta::assert_snapshot!(refs.join("\n"), @r#"
recent vNone -> model.rich.recent ephemeral
customers vSome("1") -> model.rich.customers.v1 analytics.customers_v1
rates vNone -> seed.rich.rates analytics_raw.rates
"#);
    let ephemerals: Vec<&str> = document.ephemerals.iter().map(|one| one.node.unique_id()).collect();
    assert_eq!(ephemerals, ["model.rich.recent"]);
    insta::assert_snapshot!(serde_json::to_string(&document.macros).unwrap(), @r#"[{"package":"rich","file":"macros/macros.sql","names":["money"]}]"#);
    insta::assert_snapshot!(serde_json::to_string(&document.shared).unwrap(), @r#"{"project":{"name":"rich","dispatch":[{"macro_namespace":"tools","search_order":["rich","tools"]}],"query_comment":"made by {{ node.name }}","vars":{"extra":{"start":"2024-01-01","rich":{"region":"eu"},"tools":{"greeting":"hello"}},"rich":{"start":"2024-01-01","rich":{"region":"eu"},"tools":{"greeting":"hello"},"region":"eu"},"tools":{"greeting":"hello","width":3,"start":"2024-01-01","rich":{"region":"eu"},"tools":{"greeting":"hello"}}},"quoting":{"database":false,"schema":true,"identifier":true},"flags":{"send_anonymous_usage_stats":false},"versions":{"extra":"1.0","rich":"1.0","tools":"2.0"}},"target":{"name":"dev","profile_name":"rich","type":"postgres","schema":"analytics","database":"db","threads":4},"env":{}}"#);
}

#[test]
fn the_same_files_give_the_same_release() {
    let (first, second) = (describe(), describe());
    assert_eq!(first.files[0].content, second.files[0].content);
    assert_eq!(first.files[1].content, second.files[1].content);
}

//! The example project, run node by node on a real SQLite through the SQLite adapter.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[allow(dead_code, unreachable_pub, reason = "the adapter's own tests use the rest")]
#[path = "../../adapter-sqlite/tests/host/mod.rs"]
mod host;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_adapter_sqlite::Sqlite;
use cofferdam_project_dbt::{DbtProject, DbtTask};
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{
    Access, Adapter, Argument, Connection, Context, Failure, Invocation, Project, ProjectConfig, Task,
    TaskSpec, Warehouse,
};
use host::Database;

struct Gateway(Database);

impl Warehouse for Gateway {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure> {
        Ok(Box::new(Sqlite::open(&self.0, gateway, access)?))
    }
}

/// A project and a warehouse.
struct House {
    files: MemoryHost,
    tasks: Vec<TaskSpec>,
    gateway: Gateway,
}

fn files(root: &Path, folder: &Path, host: MemoryHost) -> MemoryHost {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().fold(host, |host, path| {
        if path.is_dir() {
            return files(root, &path, host);
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        host.file(&name, std::fs::read(&path).unwrap())
    })
}

impl House {
    fn flights() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights");
        Self::of(files(&root, &root, MemoryHost::new()))
    }

    fn of(files: MemoryHost) -> Self {
        let config = ProjectConfig { gateway: "wh".into(), ..ProjectConfig::default() };
        let described = DbtProject::describe(&files.project_context(), config);
        let described = described.unwrap_or_else(|list| panic!("{list:#?}"));
        let files =
            described.files.iter().fold(files, |host, file| host.file(&file.path, file.content.clone()));
        let tasks = described.tasks;
        let database = Database::new();
        database.setup("ATTACH ':memory:' AS raw; ATTACH ':memory:' AS intermediate;");
        Self { files, tasks, gateway: Gateway(database) }
    }

    /// Runs every task whose needs succeeded; one line each, in the order they ran.
    fn run(&self, arguments: &[(&str, &str)]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut succeeded: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<&TaskSpec> = self.tasks.iter().collect();
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|task| task.needs.iter().all(|id| succeeded.contains(id.as_str())));
            if ready.is_empty() {
                lines.extend(rest.iter().map(|task| format!("{}: skipped", task.id)));
                return lines;
            }
            for task in ready {
                match self.attempt(task, arguments) {
                    Ok(summary) => {
                        succeeded.insert(&task.id);
                        lines.push(summary);
                    }
                    Err(why) => lines.push(format!("{}: {why}", task.id)),
                }
            }
            waiting = rest;
        }
    }

    fn attempt(&self, task: &TaskSpec, arguments: &[(&str, &str)]) -> Result<String, String> {
        let invocation = Invocation {
            task: task.id.clone(),
            entry: task.entry.clone(),
            gateway: Some("wh".into()),
            environment: "test".into(),
            started_at: "2024-03-01T12:30:00Z".into(),
            settings: task.settings.clone(),
            arguments: arguments
                .iter()
                .map(|(name, json)| Argument { name: (*name).into(), json: (*json).into() })
                .collect(),
            ..Invocation::default()
        };
        let cx = Context { files: &self.files, warehouse: &self.gateway, telemetry: &self.files };
        DbtTask::run(&cx, invocation).map(|outcome| outcome.summary).map_err(|why| why.to_string())
    }

    fn text(&self, query: &str) -> String {
        self.gateway.0.text(query)
    }
}

/// What the incremental tables hold.
const COUNTS: &str = "select (select count(*) from intermediate.int_flights), (select count(*) from marts.daily_carriers), (select sum(flights) from marts.daily_carriers), (select max(flight_date) from marts.daily_carriers)";

/// The lines of the incremental models.
fn incremental(lines: Vec<String>) -> String {
    let names = ["int_flights:", "int_flight_weather:", "daily_carriers:"];
    let of_them = |line: &String| names.iter().any(|name| line.contains(name));
    lines.into_iter().filter(of_them).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_runs_and_a_second_run_does_less() {
    let house = House::flights();
    insta::assert_snapshot!(house.run(&[]).join("\n"), @r"
airlines: INSERT 16
airports: INSERT 93
flights: INSERT 18226
planes: INSERT 2440
weather: INSERT 1506
stg_weather: SELECT 1506
not_null_airlines_carrier: passed
not_null_airports_faa: passed
not_null_flights_carrier: passed
not_null_flights_flight_date: passed
unique_airlines_carrier: passed
unique_airports_faa: passed
unique_planes_tail_number: passed
stg_airlines: SELECT 16
stg_airports: SELECT 93
stg_flights: SELECT 18226
stg_planes: SELECT 2440
accepted_values_stg_flights_origin__EWR__JFK__LGA: passed
accepted_values_stg_planes_engine_kind__turbine__piston__other: passed
not_null_stg_flights_flight_id: passed
relationships_stg_flights_carrier__carrier__ref_stg_airlines_: passed
relationships_stg_flights_dest__airport__ref_stg_airports_: warning: Got 478 results, configured to warn if != 0
unique_stg_flights_flight_id: passed
int_flights: SELECT 12208
accepted_values_int_flights_outcome__on_time__late__diverted__cancelled: passed
not_null_int_flights_flight_id: passed
unique_int_flights_flight_id: passed
daily_carriers: SELECT 206
delay_report: SELECT 0
int_aircraft_days: SELECT 9193
int_flight_weather: SELECT 12208
routes: SELECT 186
aircraft: SELECT 2621
daily_carriers_count_every_flight: passed
not_null_daily_carriers_flight_date: passed
not_null_daily_carriers_flights: passed
relationships_int_flight_weather_flight_id__flight_id__ref_int_flights_: passed
relationships_routes_origin__airport__ref_stg_airports_: passed
unique_int_flight_weather_flight_id: passed
carriers: SELECT 15
weather_delays: SELECT 9
not_null_aircraft_tail_number: passed
unique_aircraft_tail_number: passed
not_null_carriers_carrier: passed
unique_carriers_carrier: passed
carrier_ranking: CREATE VIEW
");
    insta::assert_snapshot!(house.text(COUNTS), @"12208|206|12208|2013-01-14");

    insta::assert_snapshot!(incremental(house.run(&[])), @r"
int_flights: INSERT 0
daily_carriers: INSERT 0
int_flight_weather: INSERT 0
");
    insta::assert_snapshot!(house.text(COUNTS), @"12208|206|12208|2013-01-14");

    insta::assert_snapshot!(incremental(house.run(&[("through", "\"2013-01-21\"")])), @r"
int_flights: INSERT 6018
daily_carriers: INSERT 104
int_flight_weather: INSERT 6018
");
    insta::assert_snapshot!(house.text(COUNTS), @"18226|310|18226|2013-01-21");
    insta::assert_snapshot!(house.text("select place, carrier_name, flights, on_time_percent from marts.carrier_ranking order by place limit 3"), @"1|Virgin America|219|95.4; 2|Delta Air Lines Inc.|2493|89.5; 3|AirTran Airways Corporation|221|87.8");
}

#[test]
fn a_broken_model_and_a_failing_test_skip_what_stands_on_them() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\nmodels: {shop: {+materialized: table}}\n"),
            ("seeds/days.csv", "id,day\n1,2013-01-01\n1,2013-01-02\n"),
            ("seeds/s.yml", "seeds: [{name: days, columns: [{name: id, tests: [unique]}, {name: day, tests: [not_null]}]}]"),
            ("models/on_failed_test.sql", "select * from {{ ref('days') }}"),
            ("models/broken.sql", "select\n    1 as one,\n    twoo\nfrom (select 2 as two)"),
            ("models/on_broken.sql", "select * from {{ ref('broken') }}"),
            ("models/fine.sql", "select 1 as one"),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    insta::assert_snapshot!(house.run(&[]).join("\n"), @r#"
model.shop.broken: CD0301: model `broken` (models/broken.sql:3): no such column: twoo in SELECT * FROM (
select
    1 as one,
    twoo
from (select 2 as two)
) AS "new" LIMIT 0 at offset 41
fine: SELECT 1
days: INSERT 2
not_null_days_day: passed
test.shop.unique_days_id.b736f3aa72: CD0922: test `unique_days_id` (seeds/s.yml): Got 1 result, configured to fail if != 0
model.shop.on_broken: skipped
model.shop.on_failed_test: skipped
"#);
}

#[test]
fn a_source_that_is_named_only_when_a_model_runs_is_found() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\n"),
            ("macros/m.sql", "{% macro is_there(table) %}{% if execute %}{{ return(adapter.get_relation(source('raw', table).database, source('raw', table).schema, source('raw', table).name) is not none) }}{% endif %}{% endmacro %}"),
            ("models/s.yml", "sources: [{name: raw, tables: [{name: old}, {name: new}]}]"),
            ("models/counted.sql", "{{ config(materialized='table') }} select {% if execute and flags.WHICH != 'parse' %}{{ run_query('select count(*) from ' ~ source('raw', 'new')).columns[0][0] }}{% else %}0{% endif %} as n"),
            ("models/picked.sql", "{{ config(materialized='table') }} select * from {{ source('raw', 'new') if is_there('new') else source('raw', 'old') }}"),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    house.gateway.0.setup("CREATE TABLE raw.new AS SELECT 7 AS n;");
    insta::assert_snapshot!(house.run(&[]).join("\n"), @r"
    counted: SELECT 1
    picked: SELECT 1
    ");
    insta::assert_snapshot!(house.text("select picked.n, counted.n from picked, counted"), @"7|1");
}

#[test]
fn a_source_is_quoted_as_it_says_and_found_behind_a_variable_and_yaml_takes_a_template_for_text() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\nvars: {place: '{{ target.name }}', events: \"{{ source('raw', 'new') }}\"}\n"),
            ("models/s.yml", "sources: [{name: raw, quoting: {schema: false, identifier: false}, tables: [{name: new}, {name: old, quoting: {identifier: true}}]}, {name: far, schema: \"{{ var('place') }}\", tables: [{name: t}]}]"),
            ("models/counted.sql", "{{ config(materialized='table') }} select {% if execute and flags.WHICH != 'parse' %}{{ run_query('select count(*) from ' ~ var('events')).columns[0][0] }}{% else %}0{% endif %} as n"),
            ("models/told.sql", "{{ config(materialized='table') }} select '{{ source('raw', 'new') }} {{ source('raw', 'old') }} {{ source('far', 't') }} {{ var('place') }}' as told"),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    house.gateway.0.setup("CREATE TABLE raw.new AS SELECT 7 AS n;");
    house.run(&[]);
    insta::assert_snapshot!(house.text("select n, told from counted, told"), @r#"1|raw.new raw."old" "{{ target.name }}"."t" default"#);
}

#[test]
fn a_test_that_renders_another_node_s_text_finds_the_macros_of_that_text() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\n"),
            ("macros/own.sql", "{% macro is_incremental() %}{{ return('of the project') }}{% endmacro %}"),
            (
                "macros/m.sql",
                "{% macro code_of(id) %}{{ return(render(graph.nodes[id].raw_code)) }}{% endmacro %}",
            ),
            (
                "models/a.sql",
                "{{ config(materialized='incremental') }} select '{{ is_incremental() }}' as told",
            ),
            (
                "tests/t.sql",
                "select told from ({{ code_of('model.shop.a') if execute }}) where told <> 'of the project'",
            ),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    insta::assert_snapshot!(house.run(&[]).join("\n"), @r"
    a: SELECT 1
    t: passed
    ");
}

#[test]
fn an_ephemeral_model_and_a_tested_one_see_the_variables_and_the_target() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\nvars: {word: own}\n"),
            ("macros/m.sql", "{% macro only_here(word) %}'{{ word }} {{ target.type }} {{ model.name }}'{% endmacro %}"),
            ("models/inner.sql", "{{ config(materialized='ephemeral') }} select {{ only_here(var('word')) }} as told"),
            ("models/outer.sql", "{{ config(materialized='table') }} select told, '{{ var('word') }} {{ target.schema }}' as said from {{ ref('inner') }}"),
            (
                "models/s.yml",
                "unit_tests: [{name: says, model: outer, given: [{input: ref('inner'), format: sql, rows: select 'a' as told}], expect: {rows: [{told: a, said: own main}]}}]",
            ),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    insta::assert_snapshot!(house.run(&[]).join("\n"), @r"
    inner: compiled
    says: passed
    outer: SELECT 1
    ");
    insta::assert_snapshot!(house.text("select told, said from outer"), @"own sqlite inner|own main");
}

#[test]
fn columns_follow_the_setting_and_indexes_are_made_anew_with_their_table() {
    let model = |change: &str| {
        format!(
            "{{{{ config(materialized='incremental', on_schema_change='{change}', \
             indexes=[{{'columns': ['id'], 'unique': true}}]) }}}}\n\
             select {{{{ var('id') }}}} as id{{% if var('wide') %}}, 'x' as more{{% else %}}, 1.5 as less{{% endif %}}"
        )
    };
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\nvars: {id: 1, wide: false}\n".to_owned()),
            ("models/append.sql", model("append_new_columns")),
            ("models/sync.sql", model("sync_all_columns")),
            ("models/strict.sql", model("fail")),
            ("seeds/days.csv", "id,day\n1,2013-01-01\n".to_owned()),
            ("seeds/s.yml", "seeds: [{name: days, config: {indexes: [{columns: [day]}]}}]".to_owned()),
        ]
        .into_iter()
        .fold(MemoryHost::new(), |host, (path, text)| host.file(path, text)),
    );
    house.run(&[]);
    insta::assert_snapshot!(house.run(&[("id", "2"), ("wide", "true")]).join("\n"), @"
append: INSERT 1
model.shop.strict: CD0925: model `strict` (models/strict.sql): the statement has other columns than the table, and `on_schema_change` is `fail`: new `more`, gone `less`; build it with --full-refresh, or change the setting
sync: INSERT 1
days: INSERT 1
");
    let columns =
        |name: &str| house.text(&format!("select group_concat(name, ' ') from pragma_table_info('{name}')"));
    assert_eq!(
        [columns("append"), columns("sync"), columns("strict")],
        ["id less more", "id more", "id less"]
    );
    let indexes = "select tbl_name, sql like '%unique%' from sqlite_master where type = 'index' order by 1";
    assert_eq!(house.text(indexes), "append|1; days|0; strict|1; sync|1");
}

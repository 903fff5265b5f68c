//! The example project, described: what a newcomer's first release holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};

use cofferdam_project_dbt::DbtProject;
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Project, ProjectConfig, TaskSpec};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights")
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

fn describe() -> Vec<TaskSpec> {
    let host = files(&root(), MemoryHost::new());
    let config = ProjectConfig { root: String::new(), gateway: "wh".into(), ..ProjectConfig::default() };
    DbtProject::describe(&host.project_context(), config).map(|described| described.tasks).unwrap_or_else(
        |problems| panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    )
}

#[test]
fn the_example_has_seeds_models_in_three_layers_and_tests() {
    let tasks = describe();
    let of = |entry: &str| tasks.iter().filter(|task| task.entry == entry).count();
    assert_eq!((of("seed"), of("model"), of("test")), (5, 15, 26));
}

#[test]
fn a_mart_waits_for_what_it_reads_and_for_its_tests() {
    let tasks = describe();
    let task = tasks.iter().find(|task| task.id == "model.flights.daily_carriers").unwrap();
    insta::assert_snapshot!(task.needs.join("\n"), @r#"
model.flights.int_flights
model.flights.stg_airlines
test.flights.accepted_values_int_flights_outcome__on_time__late__diverted__cancelled.2047d43513
test.flights.not_null_int_flights_flight_id.2753cb8290
test.flights.relationships_stg_flights_carrier__carrier__ref_stg_airlines_.705515ca8e
test.flights.unique_int_flights_flight_id.173a24b40b
"#);
    insta::assert_snapshot!(format!("{:#?}", task.sql), @r#"
[
    SqlRequest {
        gateway: "wh",
        mode: "write",
        reads: [
            "intermediate.int_flights",
            "marts.*",
            "staging.stg_airlines",
        ],
        writes: [
            "marts.*",
        ],
    },
]
"#);
}

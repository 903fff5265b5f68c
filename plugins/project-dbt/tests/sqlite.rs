//! The example project, run node by node on a real SQLite through the SQLite adapter.

#[allow(dead_code, reason = "the adapter's own tests use the rest")]
#[path = "../../adapter-sqlite/tests/host/mod.rs"]
mod host;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_adapter_sqlite::Sqlite;
use cofferdam_project_dbt::{DbtProject, DbtTask};
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{
    Access, Adapter, Argument, Connection, Context, Failure, Invocation, Project, ProjectConfig, Task, TaskSpec,
    Warehouse,
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
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
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
        let tasks = DbtProject::describe(&files.project_context(), config).unwrap_or_else(|list| panic!("{list:#?}"));
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
            let (ready, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|task| task.needs.iter().all(|id| succeeded.contains(id.as_str())));
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

#[test]
fn the_example_runs_and_a_second_run_does_less() {
    let house = House::flights();
    insta::assert_snapshot!(house.run(&[]).join("\n"), @"");
    let counts = "select (select count(*) from intermediate.int_flights), (select count(*) from marts.daily_carriers), (select sum(flights) from marts.daily_carriers), (select max(flight_date) from marts.daily_carriers)";
    insta::assert_snapshot!(house.text(counts), @"");

    let incremental = |lines: Vec<String>| {
        let names = ["int_flights:", "int_flight_weather:", "daily_carriers:"];
        lines.into_iter().filter(|line| names.iter().any(|name| line.contains(name))).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(incremental(house.run(&[])), @"");
    insta::assert_snapshot!(house.text(counts), @"");

    insta::assert_snapshot!(incremental(house.run(&[("through", "\"2013-01-21\"")])), @"");
    insta::assert_snapshot!(house.text(counts), @"");
    insta::assert_snapshot!(house.text("select place, carrier_name, flights, on_time_percent from marts.carrier_ranking order by place limit 3"), @"");
}

#[test]
fn a_broken_model_and_a_failing_test_skip_what_stands_on_them() {
    let house = House::of(
        [
            ("dbt_project.yml", "name: shop\nmodels: {shop: {+materialized: table, +schema: marts}}\nseeds: {shop: {+schema: raw}}\n"),
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
    insta::assert_snapshot!(house.run(&[]).join("\n"), @"");
}

//! A whole project of a folder, described and run node by node on a real PostgreSQL: on request.
//!
//! `DBT_PROJECT=/path cargo test -p cofferdam-project-dbt --test public -- --ignored --nocapture`,
//! with `DBT_SCHEMA` for another schema than `analytics`, `DBT_VARS` for variables (JSON).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "run by hand, to be read")]

#[allow(dead_code, unreachable_pub, reason = "one test uses this part, another that")]
mod house;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cofferdam_project_dbt::{DbtProject, DbtTask};
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Argument, Context, Invocation, Project, ProjectConfig, Task, TaskSpec};
use serde_json::json;

fn files(root: &Path, folder: &Path, host: MemoryHost) -> MemoryHost {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().fold(host, |host, path| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let skipped = name.starts_with("target") || name.contains(".git") || name.starts_with("logs");
            return if skipped { host } else { files(root, &path, host) };
        }
        host.file(&name, std::fs::read(&path).unwrap_or_default())
    })
}

#[test]
#[ignore = "on request: it needs a project"]
fn a_project_of_a_folder_runs() {
    let root = PathBuf::from(std::env::var("DBT_PROJECT").unwrap());
    let host = files(&root, &root, MemoryHost::new());
    let (live, database) = house::database();
    let schema = std::env::var("DBT_SCHEMA").unwrap_or_else(|_| "analytics".into());
    let target = json!({
        "name": "dev", "profile_name": "p", "type": "postgres", "schema": schema, "database": database, "threads": 4,
    });
    let vars = std::env::var("DBT_VARS").unwrap_or_default();
    let vars: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&vars).unwrap_or_default();
    let config = ProjectConfig {
        gateway: "wh".into(),
        adapter: "adapter-postgres".into(),
        settings: vec![Argument::new("target", &target).unwrap(), Argument::new("vars", &vars).unwrap()],
        ..ProjectConfig::default()
    };
    let described = DbtProject::describe(&host.project_context(), config);
    let described = described.unwrap_or_else(|list| panic!("{list:#?}"));
    let host = described.files.iter().fold(host, |host, file| host.file(&file.path, file.content.clone()));
    let (mut good, mut bad) = (0, 0);
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    let mut succeeded: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&TaskSpec> = described.tasks.iter().collect();
    // Sources are often made of seeds, which nothing says.
    waiting.sort_by_key(|task| task.entry != "seed");
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|task| task.needs.iter().all(|id| ended.contains(id.as_str())));
        assert!(!ready.is_empty(), "{rest:#?}");
        for task in ready {
            ended.insert(&task.id);
            if !task.needs.iter().all(|id| succeeded.contains(id.as_str())) {
                println!("SKIP {}", task.id);
                continue;
            }
            live.steps.borrow_mut().clear();
            let invocation = Invocation {
                task: task.id.clone(),
                entry: task.entry.clone(),
                gateway: Some("wh".into()),
                run: "run-1".into(),
                started_at: "2024-03-01T12:30:00Z".into(),
                settings: task.settings.clone(),
                ..Invocation::default()
            };
            let cx = Context { files: &host, warehouse: &live, telemetry: &host };
            match DbtTask::run(&cx, invocation) {
                Ok(_) => {
                    good += 1;
                    succeeded.insert(&task.id);
                }
                Err(why) => {
                    bad += 1;
                    println!("FAIL {}: {why}", task.id);
                }
            }
        }
        waiting = rest;
    }
    println!("{good} good, {bad} failed of {}", described.tasks.len());
}

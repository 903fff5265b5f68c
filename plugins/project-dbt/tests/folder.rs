//! Any project on this machine, described: for a look at the manifest, beside dbt's own.
//!
//! `DBT_FOLDER` is the folder of the release, `DBT_ROOT` the project's folder inside it,
//! `DBT_TARGET` what `target` says (JSON), `DBT_OUT` the file for the manifest.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "run by hand, to be read")]

use std::path::Path;
use std::time::Instant;

use cofferdam_project_dbt::DbtProject;
use cofferdam_sdk::testing::MemoryHost;
use cofferdam_sdk::{Argument, Project, ProjectConfig};

fn files(folder: &Path, top: &Path, mut host: MemoryHost) -> MemoryHost {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        let left_out = name.starts_with('.') || matches!(name, "target" | "logs");
        if left_out || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            host = files(&path, top, host);
        } else if path.metadata().unwrap().len() < 40 << 20 {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            host = host.file(&name, std::fs::read(&path).unwrap());
        }
    }
    host
}

#[test]
#[ignore = "describes the folder DBT_FOLDER names"]
fn a_folder_is_described() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let folder = variable("DBT_FOLDER");
    let host = files(Path::new(&folder), Path::new(&folder), MemoryHost::new());
    let mut settings = Vec::new();
    for (name, from) in [("target", "DBT_TARGET"), ("vars", "DBT_VARS"), ("env", "DBT_ENV")] {
        let json = variable(from);
        if !json.is_empty() {
            settings.push(Argument { name: name.into(), json });
        }
    }
    let config = ProjectConfig {
        root: variable("DBT_ROOT"),
        gateway: "wh".into(),
        adapter: "adapter-postgres".into(),
        settings,
        ..ProjectConfig::default()
    };
    let start = Instant::now();
    let described = DbtProject::describe(&host.project_context(), config);
    let took = start.elapsed();
    for (_, line) in host.log_lines() {
        println!("warning: {line}");
    }
    match described {
        Ok(description) => {
            let sizes: Vec<String> = description
                .files
                .iter()
                .map(|file| format!("{} {}", file.path, file.content.len()))
                .collect();
            println!("{} tasks in {took:?}; {}", description.tasks.len(), sizes.join(", "));
            let out = variable("DBT_OUT");
            if !out.is_empty() {
                for file in &description.files {
                    let end = if file.path.ends_with(".json") { "" } else { ".nodes" };
                    std::fs::write(format!("{out}{end}"), &file.content).unwrap();
                }
                let tasks: Vec<String> = description.tasks.iter().map(|task| format!("{task:#?}")).collect();
                std::fs::write(format!("{out}.tasks"), tasks.join("\n")).unwrap();
            }
        }
        Err(problems) => {
            for problem in &problems {
                println!("problem: {problem}");
            }
            panic!("{} problems", problems.len());
        }
    }
}

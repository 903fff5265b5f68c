//! A project loader that misbehaves on purpose, one way per value of the variable `way`.
//! `tests/tests/hostile.rs` claims each.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, unused_imports))]

wit_bindgen::generate!({
    world: "cofferdam:worlds/project@0.1.0",
    path: ["../../../wit/types", "../../../wit/capability", "../../../wit/warehouse", "../../../wit/task", "../../../wit/worlds"],
    generate_all,
});

use exports::cofferdam::task::project::{Description, Generated, Guest, Problem, ProjectConfig, TaskSpec};

type Way = fn() -> Result<Description, Vec<Problem>>;

/// Each way by its name.
pub const WAYS: &[(&str, Way)] = &[
    ("million-tasks", || tasks((0..1_000_000).map(|n| task(&n.to_string())).collect())),
    ("huge-id", || tasks(vec![task(&"x".repeat(4 << 20))])),
    ("bad-id", || tasks(vec![task("../../etc/passwd\n")])),
    ("same-id-twice", || tasks(vec![task("a"), task("a")])),
    ("needs-nobody", || tasks(vec![TaskSpec { needs: vec!["ghost".to_owned()], ..task("a") }])),
    ("circle", || {
        let a = TaskSpec { needs: vec!["b".to_owned()], ..task("a") };
        tasks(vec![a, TaskSpec { needs: vec!["a".to_owned()], ..task("b") }])
    }),
    ("escapes-in-problem", || {
        Err(vec![Problem {
            path: "\u{1b}[2Jx".to_owned(),
            line: 1,
            message: "\u{1b}]0;owned\u{7}".to_owned(),
        }])
    }),
    ("file-outside", || files(vec![generated("models/a.sql", 1)])),
    ("file-above", || files(vec![generated("cofferdam/../dbt_project.yml", 1)])),
    ("file-twice", || files(vec![generated("cofferdam/a", 1), generated("cofferdam/a", 2)])),
    ("file-huge", || files(vec![generated("cofferdam/a", (64 << 20) + 1)])),
    ("many-files", || files((0..1_001).map(|n| generated(&format!("cofferdam/{n}"), 1)).collect())),
    ("spin", || {
        loop {
            std::hint::black_box(());
        }
    }),
];

struct Hostile;

impl Guest for Hostile {
    fn describe(config: ProjectConfig) -> Result<Description, Vec<Problem>> {
        let asked = config.vars.iter().find(|v| v.name == "way").map(|v| v.json.trim_matches('"').to_owned());
        match WAYS.iter().find(|(name, _)| Some(*name) == asked.as_deref()) {
            Some((_, way)) => way(),
            None => tasks(Vec::new()),
        }
    }
}

fn tasks(tasks: Vec<TaskSpec>) -> Result<Description, Vec<Problem>> {
    Ok(Description { tasks, files: Vec::new() })
}

fn files(files: Vec<Generated>) -> Result<Description, Vec<Problem>> {
    Ok(Description { tasks: vec![task("a")], files })
}

fn generated(path: &str, bytes: usize) -> Generated {
    Generated { path: path.to_owned(), content: vec![b'x'; bytes] }
}

fn task(id: &str) -> TaskSpec {
    TaskSpec {
        id: id.to_owned(),
        entry: "behave".to_owned(),
        needs: Vec::new(),
        path: String::new(),
        tags: Vec::new(),
        settings: Vec::new(),
        sql: Vec::new(),
        reads_kept: false,
    }
}

// Natively there is nothing to export to: only the names of the ways are read.
#[cfg(target_arch = "wasm32")]
export!(Hostile);

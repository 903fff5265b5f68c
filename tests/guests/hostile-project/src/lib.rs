//! A project loader that misbehaves on purpose, one way per value of the variable `way`.
//! `tests/tests/hostile.rs` claims each.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, unused_imports))]

wit_bindgen::generate!({
    world: "cofferdam:worlds/project@0.1.0",
    path: ["../../../wit/types", "../../../wit/capability", "../../../wit/warehouse", "../../../wit/task", "../../../wit/worlds"],
    generate_all,
});

use exports::cofferdam::task::project::{Guest, Problem, ProjectConfig, TaskSpec};

type Way = fn() -> Result<Vec<TaskSpec>, Vec<Problem>>;

/// Each way by its name.
pub const WAYS: &[(&str, Way)] = &[
    ("million-tasks", || Ok((0..1_000_000).map(|n| task(&n.to_string())).collect())),
    ("huge-id", || Ok(vec![task(&"x".repeat(4 << 20))])),
    ("bad-id", || Ok(vec![task("../../etc/passwd\n")])),
    ("same-id-twice", || Ok(vec![task("a"), task("a")])),
    ("needs-nobody", || Ok(vec![TaskSpec { needs: vec!["ghost".to_owned()], ..task("a") }])),
    ("circle", || {
        let a = TaskSpec { needs: vec!["b".to_owned()], ..task("a") };
        Ok(vec![a, TaskSpec { needs: vec!["a".to_owned()], ..task("b") }])
    }),
    ("escapes-in-problem", || {
        Err(vec![Problem {
            path: "\u{1b}[2Jx".to_owned(),
            line: 1,
            message: "\u{1b}]0;owned\u{7}".to_owned(),
        }])
    }),
    ("spin", || {
        loop {
            std::hint::black_box(());
        }
    }),
];

struct Hostile;

impl Guest for Hostile {
    fn describe(config: ProjectConfig) -> Result<Vec<TaskSpec>, Vec<Problem>> {
        let asked = config.vars.iter().find(|v| v.name == "way").map(|v| v.json.trim_matches('"').to_owned());
        match WAYS.iter().find(|(name, _)| Some(*name) == asked.as_deref()) {
            Some((_, way)) => way(),
            None => Ok(Vec::new()),
        }
    }
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
    }
}

// Natively there is nothing to export to: only the names of the ways are read.
#[cfg(target_arch = "wasm32")]
export!(Hostile);

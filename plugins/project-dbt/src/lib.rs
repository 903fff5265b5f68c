//! Projects in dbt's format: read, described as a graph of tasks, rendered and run.
//!
//! In: a project's files; for a task, its settings and a warehouse.
//! Out: [`DbtProject`], which describes, and [`DbtTask`], which runs one node.
//! Never: reads the environment or the network; two thin components export the two halves, so that
//! the half that runs cannot list a project's files through the other's world.
//! Fails: with [`cofferdam_sdk::Problem`]s or a [`cofferdam_sdk::TaskFailure`].
//! Source: `docs/adr/0005-loader-and-task-are-two-components.md`; `README.md` beside this crate.

pub mod arguments;
pub mod builtin;
pub mod calendar;
pub mod codes;
mod describe;
pub mod document;
pub mod jinja;
pub mod names;
pub mod problem;
mod project;
pub mod python;
mod run;
pub mod seed;
pub mod warehouses;
pub mod yaml;

use cofferdam_sdk::{
    Context, Description, Invocation, Outcome, Problem, Project, ProjectConfig, ProjectContext, Task,
    TaskFailure,
};

/// The project loader.
#[derive(Debug)]
pub struct DbtProject;

impl Project for DbtProject {
    fn describe(cx: &ProjectContext<'_>, config: ProjectConfig) -> Result<Description, Vec<Problem>> {
        describe::describe(cx, &config)
    }
}

/// The task: entries `model`, `seed`, `snapshot`, `test`, `unit_test`, `operation`, `source`, `analysis`.
#[derive(Debug)]
pub struct DbtTask;

impl Task for DbtTask {
    fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
        run::run(cx, &invocation)
    }
}

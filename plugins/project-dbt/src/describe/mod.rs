//! Reads a project and names its tasks.
//!
//! In: the project's files, the gateway, variables of the build.
//! Out: one task per model, seed and test, with what it needs and what it asks for; or every
//! problem of every file, at once.
//! Never: opens a warehouse; renders with `execute` set; stops at the first problem.
//! Fails: with the list of problems.
//! Source: `wit/task/task.wit`; `docs/adr/0005-loader-and-task-are-two-components.md`.

mod draft;
mod edges;
mod inventory;
mod resolve;
mod tests_of;

use cofferdam_sdk::{Description, Level, Problem, ProjectConfig, ProjectContext, SqlRequest, TaskSpec};
use serde_json::{Map, Value as Json};

use crate::config::Severity;
use crate::jinja::{Macros, OVERRIDES};
use crate::problem::Problems;
use crate::project_file::{self, ProjectFile};
use crate::settings::{self, Work};
use draft::Drafts;
use inventory::Inventory;
use resolve::{Graph, Node};

/// What the steps of one description share.
pub(crate) struct Build<'a> {
    cx: &'a ProjectContext<'a>,
    project: ProjectFile,
    vars: Map<String, Json>,
    macros: Macros,
    problems: Problems,
}

/// The tasks of a project.
///
/// # Errors
/// With everything that is wrong with it.
pub(crate) fn describe(cx: &ProjectContext<'_>, config: &ProjectConfig) -> Result<Description, Vec<Problem>> {
    let mut problems = Problems::default();
    let root = config.root.trim_matches('/');
    let vars = given_vars(config, &mut problems);
    let path = if root.is_empty() { "dbt_project.yml".to_owned() } else { format!("{root}/dbt_project.yml") };
    let text = match cx.files.read_text(&path) {
        Ok(text) => text,
        Err(why) => {
            problems.add(
                &path,
                0,
                format!("a project in dbt's format has this file at its root: {}", why.detail().message),
            );
            return Err(problems.into_list());
        }
    };
    let Some(project) = project_file::read(&path, &text, &vars, &mut problems) else {
        return Err(problems.into_list());
    };
    let mut all = project.vars.clone();
    all.extend(vars);
    let mut build = Build { cx, project, vars: all, macros: Macros::default(), problems };
    let inventory = Inventory::read(&mut build, root);
    build.add_macros(&inventory);
    let drafts = Drafts::read(&mut build, &inventory);
    let graph = Graph::resolve(&mut build, drafts);
    let tasks = build.tasks(&graph, &config.gateway);
    if build.problems.is_empty() {
        Ok(Description { tasks, files: Vec::new() })
    } else {
        Err(build.problems.into_list())
    }
}

/// The variables that the operator of the build gives.
fn given_vars(config: &ProjectConfig, problems: &mut Problems) -> Map<String, Json> {
    let mut vars = Map::new();
    for argument in &config.vars {
        match serde_json::from_str(&argument.json) {
            Ok(value) => {
                vars.insert(argument.name.clone(), value);
            }
            Err(why) => problems.add(
                "",
                0,
                format!("the variable `{}` given to the build is not JSON: {why}", argument.name),
            ),
        }
    }
    vars
}

impl Build<'_> {
    fn warn(&self, message: &str) {
        self.cx.telemetry.log(Level::Warn, message);
    }

    fn add_macros(&mut self, inventory: &Inventory) {
        for file in &inventory.macros {
            for (line, name, other) in self.macros.add(&file.path, &file.text) {
                self.problems.add(&file.path, line, format!("the macro `{name}` stands in {other} already"));
            }
        }
        for name in OVERRIDES {
            if let Some((path, line)) = self.macros.place(name) {
                let why = if name.starts_with("generate_") {
                    format!("`{name}` cannot be replaced; schemas and aliases are used as they are written")
                } else {
                    format!("`{name}` is a function of dbt's Jinja; give the macro another name")
                };
                self.problems.add(path, line, why);
            }
        }
        for why in self.macros.check() {
            self.problems.add(&why.path, why.line, why.message);
        }
    }

    fn tasks(&mut self, graph: &Graph, gateway: &str) -> Vec<TaskSpec> {
        let needs = edges::needs(graph);
        let mut tasks = Vec::with_capacity(graph.nodes.len());
        for (node, needs) in graph.nodes.iter().zip(needs) {
            match settings::write(&node.settings, &node.references, &self.vars) {
                Ok(settings) => tasks.push(TaskSpec {
                    id: node.id.clone(),
                    entry: node.entry().to_owned(),
                    needs,
                    path: node.settings.path.clone(),
                    tags: node.settings.config.tags.clone(),
                    settings,
                    sql: vec![request(node, gateway)],
                }),
                Err(why) => self.problems.add(&node.settings.path, node.settings.line, why),
            }
        }
        tasks
    }
}

impl Node {
    /// What the task plugin is to do.
    fn entry(&self) -> &'static str {
        match self.settings.work {
            Work::Model { .. } => "model",
            Work::Seed { .. } => "seed",
            Work::SingularTest | Work::GenericTest { .. } => "test",
        }
    }

    /// Whether its failure keeps what stands on the tested nodes from running.
    fn blocks(&self) -> bool {
        self.settings.config.severity.unwrap_or(Severity::Error) == Severity::Error
    }
}

/// What a node asks for: the relations it names, and, where it builds one, its whole schema,
/// because a new table is filled beside the old one before it takes its place.
fn request(node: &Node, gateway: &str) -> SqlRequest {
    let mut reads: Vec<String> = node.reads.iter().map(settings::RelationName::dotted).collect();
    let (mode, writes) = match &node.settings.work {
        Work::Model { relation } | Work::Seed { relation } => ("write", vec![format!("{}.*", relation.0)]),
        Work::SingularTest | Work::GenericTest { .. } => ("read", Vec::new()),
    };
    reads.extend(writes.iter().cloned());
    reads.sort();
    reads.dedup();
    SqlRequest { gateway: gateway.to_owned(), mode: mode.to_owned(), reads, writes }
}

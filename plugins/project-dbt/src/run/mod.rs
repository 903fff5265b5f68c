//! Runs one node: builds a model, loads a seed, counts what a test finds.
//!
//! In: the invocation, the node's own file and the macros it calls, a warehouse.
//! Out: the rows it changed, and one line.
//! Never: reads another node's file; names a relation that the release did not foresee.
//! Fails: with the node's name and file, and the line where it is known.
//! Source: `wit/task/task.wit`; dbt's materializations.

mod check;
mod locate;
mod model;
mod seed;

use cofferdam_sdk::{
    Access, Connection, Context, Failure, Invocation, Level, Outcome, Relation, TaskFailure,
};

use crate::codes;
use crate::jinja::{self, Macros, Names, Output, RenderError, Rendered, Scope};
use crate::settings::{self, Attempt, Work};

/// One attempt at work.
pub(crate) struct Run<'a> {
    cx: &'a Context<'a>,
    invocation: &'a Invocation,
    attempt: Attempt,
    connection: Box<dyn Connection>,
}

/// Does the work of one node.
///
/// # Errors
/// Where the file cannot be rendered, the warehouse refuses, or a test finds rows.
pub(crate) fn run(cx: &Context<'_>, invocation: &Invocation) -> Result<Outcome, TaskFailure> {
    let attempt = settings::read(invocation)?;
    let access = match attempt.node.work {
        Work::Model { .. } | Work::Seed { .. } => Access::Write,
        Work::SingularTest | Work::GenericTest { .. } => Access::Read,
    };
    let connection = cx.warehouse.open(invocation.required_gateway()?, access)?;
    let run = Run { cx, invocation, attempt, connection };
    match &run.attempt.node.work {
        Work::Model { relation } => run.model(&relation.relation()),
        Work::Seed { relation } => run.seed(&relation.relation()),
        Work::SingularTest => run.singular_test(),
        Work::GenericTest { relation, column, quote, test } => {
            run.generic_test(&relation.relation(), column, *quote, test)
        }
    }
}

impl Run<'_> {
    fn log(&self, level: Level, message: &str) {
        self.cx.telemetry.log(level, message);
    }

    /// `model `stg_flights` (models/staging/stg_flights.sql)`: how every failure begins.
    fn who(&self) -> String {
        let node = &self.attempt.node;
        let kind = match node.work {
            Work::Model { .. } => "model",
            Work::Seed { .. } => "seed",
            Work::SingularTest | Work::GenericTest { .. } => "test",
        };
        match node.line {
            0 => format!("{kind} `{}` ({})", node.name, node.path),
            line => format!("{kind} `{}` ({}:{line})", node.name, node.path),
        }
    }

    fn rendered(&self, relation: Relation) -> Rendered {
        let text = self.connection.render(&relation);
        Rendered { relation, text }
    }

    /// Reads the node's file.
    fn source(&self) -> Result<String, TaskFailure> {
        let path = &self.attempt.node.path;
        self.cx.files.read_text(path).map_err(|why| TaskFailure::from(why).context(&self.who()))
    }

    /// Renders the node's file with everything it may name.
    fn render(&self, source: &str, this: Relation, incremental: bool) -> Result<String, TaskFailure> {
        let node = &self.attempt.node;
        let mut macros = Macros::default();
        for path in &node.macros {
            let text =
                self.cx.files.read_text(path).map_err(|why| TaskFailure::from(why).context(&self.who()))?;
            macros.add(path, &text);
        }
        let references = &self.attempt.references;
        let refs =
            references.refs.iter().map(|(name, to)| (name.clone(), self.rendered(to.relation()))).collect();
        let mut sources = Vec::new();
        for (source, tables) in &references.sources {
            for (table, to) in tables {
                sources.push(((source.clone(), table.clone()), self.rendered(to.relation())));
            }
        }
        let scope = Scope {
            project: node.project.clone(),
            execute: true,
            incremental,
            this: self.rendered(this),
            target_name: self.invocation.environment.clone(),
            target_type: self.connection.dialect().name,
            vars: self.attempt.vars.clone(),
            names: Names::Fixed { refs, sources },
            config: node.config.clone(),
            run: self.invocation.run.clone(),
            started_at: self.invocation.started_at.clone(),
        };
        let Output { text, found } =
            jinja::render(&node.path, source, scope, &macros).map_err(|why| self.render_failure(&why))?;
        for line in &found.logs {
            self.log(Level::Info, line);
        }
        let statement = statement(&text);
        self.log(Level::Debug, &format!("{}: {statement}", node.path));
        if statement.is_empty() {
            let message = format!("{}: the file renders to nothing; a node is one SELECT", self.who());
            return Err(TaskFailure::permanent(codes::RENDER, message));
        }
        Ok(statement.to_owned())
    }

    fn render_failure(&self, why: &RenderError) -> TaskFailure {
        let node = &self.attempt.node;
        let place = if why.line == 0 { why.path.clone() } else { format!("{}:{}", why.path, why.line) };
        TaskFailure::permanent(codes::RENDER, format!("`{}` ({place}): {}", node.name, why.message))
    }

    /// A failure of the warehouse, with the node's name, its file, and the line where the warehouse
    /// names something that stands on one.
    fn sql_failure(&self, why: Failure, source: &str) -> TaskFailure {
        let node = &self.attempt.node;
        let who = match locate::line(&why.detail().message, source) {
            Some(line) => {
                self.who().replacen(&format!("({}", node.path), &format!("({}:{line}", node.path), 1)
            }
            None => self.who(),
        };
        TaskFailure::from(why).context(&who)
    }
}

/// The text without the white space and semicolon at its ends: what can stand inside another
/// statement.
fn statement(text: &str) -> &str {
    text.trim().trim_end_matches(';').trim_end()
}

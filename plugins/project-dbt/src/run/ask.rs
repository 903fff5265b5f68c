//! What the run asks of an attempt, beside what the release says of its node.
//!
//! In: the arguments of the dispatch. Out: an [`Ask`].
//! Never: guesses: an argument of another shape, or a command that is not known, is an error.
//! Fails: with [`codes::ARGUMENT`].
//! Source: dbt's flags.

use std::collections::BTreeMap;

use cofferdam_sdk::{Invocation, TaskFailure};
use serde_json::{Map, Value as Json};

use crate::codes;
use crate::problem::did_you_mean;

/// Arguments with a meaning of their own; every other one is a variable of the project.
const OWN: [&str; 16] = [
    "args",
    "command",
    "empty",
    "event_time_end",
    "event_time_start",
    "full_refresh",
    "inline",
    "invocation",
    "limit",
    "macro",
    "runs",
    "schemas",
    "selected",
    "skipped",
    "store_failures",
    "vars",
];

/// What is to be done with the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Command {
    /// What its kind does: build, load, test.
    #[default]
    Run,
    /// Its statement is made and kept, and not run.
    Compile,
    /// Its rows are shown, and nothing is made.
    Show,
    /// The relations of its schema are described.
    Catalog,
}

/// What a run asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) command: Command,
    /// The command's own name, for `flags.WHICH`.
    pub(super) which: String,
    pub(super) full_refresh: Option<bool>,
    pub(super) vars: Map<String, Json>,
    pub(super) limit: Option<i64>,
    pub(super) inline: Option<String>,
    /// The id of the command that made the run, where it is another than the run's.
    pub(super) invocation: Option<String>,
    pub(super) empty: bool,
    pub(super) store_failures: bool,
    /// The macro of `run-operation`, and its arguments.
    pub(super) macro_name: Option<String>,
    pub(super) macro_args: Map<String, Json>,
    pub(super) event_time_start: Option<String>,
    pub(super) event_time_end: Option<String>,
    /// The nodes the command chose, and those it skipped: sets, see [`super::chosen`].
    pub(super) selected: Option<String>,
    pub(super) skipped: Option<String>,
    /// The schemas the run will build in, for what comes before all nodes; those it built in, for what
    /// comes after.
    pub(super) schemas: Vec<String>,
}

impl Ask {
    /// Reads the arguments; `declared` are the variables the project has.
    pub(super) fn read(
        invocation: &Invocation,
        declared: &BTreeMap<String, Map<String, Json>>,
    ) -> Result<Self, TaskFailure> {
        let which: String = invocation.argument("command")?.unwrap_or_default();
        let command = match which.as_str() {
            "" | "run" | "build" | "test" | "seed" | "snapshot" | "run-operation" | "retry" | "freshness"
            | "source freshness" => Command::Run,
            "compile" => Command::Compile,
            "show" => Command::Show,
            "catalog" | "docs" | "generate" | "docs generate" => Command::Catalog,
            other => {
                let message = format!(
                    "`{}`: `command` is `{other}`, which is none an attempt knows; use run, compile, show or catalog",
                    invocation.task
                );
                return Err(TaskFailure::permanent(codes::ARGUMENT, message));
            }
        };
        Ok(Self {
            command,
            which: if which.is_empty() { "build".to_owned() } else { which },
            full_refresh: invocation.argument("full_refresh")?,
            vars: vars(invocation, declared)?,
            limit: invocation.argument("limit")?,
            inline: invocation.argument("inline")?,
            invocation: invocation.argument("invocation")?,
            empty: invocation.argument("empty")?.unwrap_or(false),
            store_failures: invocation.argument("store_failures")?.unwrap_or(false),
            macro_name: invocation.argument("macro")?,
            macro_args: invocation.argument("args")?.unwrap_or_default(),
            event_time_start: invocation.argument("event_time_start")?,
            event_time_end: invocation.argument("event_time_end")?,
            selected: invocation.argument("selected")?,
            skipped: invocation.argument("skipped")?,
            schemas: schemas(invocation)?,
        })
    }
}

/// The schemas, as names with spaces between them.
fn schemas(invocation: &Invocation) -> Result<Vec<String>, TaskFailure> {
    let text: Option<String> = invocation.argument("schemas")?;
    Ok(text.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

/// Variables: an object, or the text of one.
fn vars(
    invocation: &Invocation,
    declared: &BTreeMap<String, Map<String, Json>>,
) -> Result<Map<String, Json>, TaskFailure> {
    let told: Json = invocation.argument("vars")?.unwrap_or_default();
    let told = match told {
        Json::String(text) if !text.trim().is_empty() => serde_json::from_str(&text).map_err(|why| {
            TaskFailure::permanent(codes::ARGUMENT, format!("argument `vars` is no JSON object: {why}"))
        })?,
        other => other,
    };
    let mut all = match told {
        Json::Object(map) => map,
        Json::Null | Json::String(_) => Map::new(),
        other => {
            return Err(TaskFailure::permanent(
                codes::ARGUMENT,
                format!("argument `vars` is `{other}`; write an object of names and values"),
            ));
        }
    };
    for argument in invocation.arguments.iter().filter(|one| !OWN.contains(&one.name.as_str())) {
        let known = || declared.values().flat_map(Map::keys).map(String::as_str);
        if !known().any(|name| name == argument.name) {
            let hint = did_you_mean(&argument.name, known());
            return Err(TaskFailure::permanent(
                codes::ARGUMENT,
                format!(
                    "`{}` is not a variable of the project{hint}; declare it under `vars` in dbt_project.yml",
                    argument.name
                ),
            ));
        }
        if let Some(value) = invocation.argument(&argument.name)? {
            all.insert(argument.name.clone(), value);
        }
    }
    Ok(all)
}

//! What tasks and project loaders are.
//!
//! In: an [`Invocation`] or a [`ProjectConfig`], and the host's things in a context.
//! Out: an [`Outcome`], or the graph as a [`Description`].
//! Never: keeps anything between calls; each runs in a fresh instance.
//! Fails: with [`TaskFailure`], or with one [`Problem`] per file that cannot be read.
//! Source: `wit/task/task.wit`.

use serde::de::DeserializeOwned;

use crate::{Failure, Files, TaskFailure, Telemetry, Warehouse, codes};

/// One named argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name: 1 to 64 characters of `a-z`, `0-9`, `_`.
    pub name: String,
    /// Its value as a JSON text, at most 64 KiB.
    pub json: String,
}

impl Argument {
    /// An argument with this value. Fails where the value has no JSON form.
    pub fn new(name: impl Into<String>, value: &impl serde::Serialize) -> Result<Self, Failure> {
        let name = name.into();
        let json = serde_json::to_string(value)
            .map_err(|error| Failure::invalid(codes::ARGUMENT, format!("argument `{name}`: {error}")))?;
        Ok(Self { name, json })
    }
}

/// What is to be done, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The task's id in the release, e.g. `model.shop.orders`.
    pub task: String,
    /// The entry point of the plugin, as the release names it.
    pub entry: String,
    /// The gateway the task works on, if it has one.
    pub gateway: Option<String>,
    /// The run this attempt belongs to.
    pub run: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The name of the environment, e.g. `prod`.
    pub environment: String,
    /// When the run was started, RFC 3339 in UTC.
    pub started_at: String,
    /// What the release says of this task, signed with it.
    pub settings: Vec<Argument>,
    /// What the dispatch says of this attempt, checked against the release's schema.
    pub arguments: Vec<Argument>,
}

impl Invocation {
    /// A setting of the release, none where it has none of that name.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, TaskFailure> {
        find(&self.settings, "setting", name)
    }

    /// A setting the task cannot do without.
    pub fn required_setting<T: DeserializeOwned>(&self, name: &str) -> Result<T, TaskFailure> {
        self.setting(name)?.ok_or_else(|| {
            TaskFailure::permanent(
                codes::ARGUMENT,
                format!("task `{}` has no setting `{name}`; add it to the task in the project", self.task),
            )
        })
    }

    /// An argument of this run, none where it was not given.
    pub fn argument<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, TaskFailure> {
        find(&self.arguments, "argument", name)
    }

    /// The gateway the task works on; a failure where the release names none.
    pub fn required_gateway(&self) -> Result<&str, TaskFailure> {
        self.gateway.as_deref().ok_or_else(|| {
            TaskFailure::permanent(
                codes::ARGUMENT,
                format!("task `{}` has no gateway; name one in the project", self.task),
            )
        })
    }
}

fn find<T: DeserializeOwned>(among: &[Argument], kind: &str, name: &str) -> Result<Option<T>, TaskFailure> {
    let Some(argument) = among.iter().find(|argument| argument.name == name) else {
        return Ok(None);
    };
    serde_json::from_str(&argument.json)
        .map(Some)
        .map_err(|error| TaskFailure::permanent(codes::ARGUMENT, format!("{kind} `{name}`: {error}")))
}

/// What came of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows changed or checked, where that has a meaning.
    pub rows_affected: Option<u64>,
    /// One line for the customer's log and live view, at most 1 KiB.
    pub summary: String,
}

/// What the host lends a task.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The files of the release.
    pub files: &'a dyn Files,
    /// The gateways.
    pub warehouse: &'a dyn Warehouse,
    /// The attempt's log.
    pub telemetry: &'a dyn Telemetry,
}

/// What a task plugin is. Export it with [`crate::export_task!`].
pub trait Task: 'static {
    /// Does the work. Called once in a fresh instance, which is thrown away afterwards.
    fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure>;
}

/// What the host lends a project loader.
#[derive(Clone, Copy)]
pub struct ProjectContext<'a> {
    /// The project's files.
    pub files: &'a dyn Files,
    /// The build's log.
    pub telemetry: &'a dyn Telemetry,
}

/// What the host tells a project loader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectConfig {
    /// Folder of the project inside the release, empty for its root.
    pub root: String,
    /// The gateway its tasks work on.
    pub gateway: String,
    /// The name of the gateway's adapter plugin, e.g. `adapter-postgres`.
    pub adapter: String,
    /// Variables given by the operator of the build.
    pub vars: Vec<Argument>,
    /// What the release's author says to this loader.
    pub settings: Vec<Argument>,
}

impl ProjectConfig {
    /// A setting of the release's author, none where there is none of that name. A value that is
    /// not of this shape is a problem of the project's configuration.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        find(&self.settings, "setting", name).map_err(|failure| Problem {
            path: String::new(),
            line: 0,
            message: failure.message,
        })
    }
}

/// A file the loader made: it becomes a file of the signed release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its path from the project's folder: starts with `cofferdam/`.
    pub path: String,
    /// What it holds, at most 64 MiB; all together at most 256 MiB.
    pub content: Vec<u8>,
}

/// A project, as a release takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its tasks.
    pub tasks: Vec<TaskSpec>,
    /// What it leaves for its tasks, at most 1,000.
    pub files: Vec<Generated>,
}

/// What a task asks to be allowed, in the words of the grant file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlRequest {
    /// The gateway's name.
    pub gateway: String,
    /// `read`, `write` or `admin`.
    pub mode: String,
    /// Relations it reads, as `schema.name` or `schema.*`.
    pub reads: Vec<String>,
    /// Relations it writes, likewise.
    pub writes: Vec<String>,
}

/// One node of the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its id, unique in the project, 1 to 200 characters of `a-z`, `A-Z`, `0-9`, `_`, `.`, `-`.
    pub id: String,
    /// What the task plugin is to do, e.g. `model`, `seed`, `test`.
    pub entry: String,
    /// Ids of the tasks that must have succeeded before.
    pub needs: Vec<String>,
    /// The file it comes from, empty where there is none.
    pub path: String,
    /// Labels for selection, e.g. `nightly`.
    pub tags: Vec<String>,
    /// Handed to the task as its settings.
    pub settings: Vec<Argument>,
    /// What it asks for.
    pub sql: Vec<SqlRequest>,
    /// Whether it asks to read what attempts of its run kept: [`crate::Telemetry::kept`].
    pub reads_kept: bool,
}

/// A file that cannot be read as part of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the release spells its path.
    pub path: String,
    /// The line, from 1; 0 where it does not apply to one.
    pub line: u32,
    /// What is wrong and how to mend it, at most 16 KiB.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// What a project loader is. Export it with [`crate::export_project!`].
pub trait Project: 'static {
    /// Reads the project's files and names its tasks.
    fn describe(cx: &ProjectContext<'_>, config: ProjectConfig) -> Result<Description, Vec<Problem>>;
}

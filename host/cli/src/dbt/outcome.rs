//! What came of one node.
//!
//! In: the state of its task, and what the attempt kept in the object folder. Out: a [`Done`].
//! Never: asks the scheduler for words; it has none.
//! Fails: not at all: where the folder is not at hand, the task's state and code say what they can.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cofferdam_ids::Timestamp;
use cofferdam_protocol::api::{TaskState, TaskView};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::logs::AttemptResult;

/// Bytes of a kept file.
const KEPT_BYTES_MAX: u64 = 1 << 20;

/// The word of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Success,
    Error,
    Skipped,
    Pass,
    Warn,
    Fail,
    NoOp,
}

impl Status {
    /// As dbt's artifacts write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NoOp => "no-op",
        }
    }

    fn read(word: &str) -> Option<Self> {
        let all = [Self::Success, Self::Error, Self::Skipped, Self::Pass, Self::Warn, Self::Fail, Self::NoOp];
        all.into_iter().find(|status| status.word() == word)
    }

    /// Whether the command fails with it.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::Error | Self::Fail)
    }

    /// Whether what stands on it cannot be done.
    pub(crate) fn is_undone(self) -> bool {
        self.is_bad() || self == Self::Skipped
    }
}

/// `result.json` of a task of this format.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    status: Option<String>,
    message: Option<String>,
    failures: Option<i64>,
    rows_affected: Option<i64>,
    adapter_response: Map<String, Value>,
    execution_time: Option<f64>,
    timing: Vec<Timing>,
    /// The statements, where they are not long: then they lie beside it.
    compiled_code: Option<String>,
    run_code: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Timing {
    name: String,
    started_at: Option<String>,
    completed_at: Option<String>,
}

/// A stretch of time, as text in RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// What came of one node.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) status: Status,
    pub(crate) message: Option<String>,
    /// The code of what went wrong.
    pub(crate) code: Option<String>,
    pub(crate) failures: Option<i64>,
    pub(crate) adapter_response: Map<String, Value>,
    pub(crate) compile: Option<Stretch>,
    pub(crate) execute: Option<Stretch>,
    /// Seconds.
    pub(crate) took: f64,
    pub(crate) compiled: Option<String>,
    pub(crate) ran: Option<String>,
}

impl Done {
    /// A node that there is nothing to do for.
    pub(crate) fn counted() -> Self {
        let message = Some("NO-OP".to_owned());
        Self { status: Status::NoOp, message, failures: Some(0), ..Self::skipped() }
    }

    /// A node that was not run.
    pub(crate) fn skipped() -> Self {
        Self {
            status: Status::Skipped,
            message: None,
            code: None,
            failures: None,
            adapter_response: Map::new(),
            compile: None,
            execute: None,
            took: 0.0,
            compiled: None,
            ran: None,
        }
    }
}

/// Where attempts leave what they keep, on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    folder: PathBuf,
}

impl Objects {
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Whether the folder is there at all.
    pub(crate) fn is_there(&self) -> bool {
        self.folder.is_dir()
    }

    /// A file an attempt kept.
    pub(crate) fn kept(&self, run: &str, task: &TaskView, name: &str) -> Option<Vec<u8>> {
        read(&self.attempt(run, task).join(name))
    }

    /// What templates said with `log(…, info=true)`, `print` and `exceptions.warn`: each line, and
    /// whether it is a warning.
    pub(crate) fn said(&self, run: &str, task: &TaskView) -> Vec<(bool, String)> {
        let log = read(&self.attempt(run, task).with_extension("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let line = |line: &str| {
            let (_, rest) = line.split_once(' ')?;
            let (level, words) = rest.split_once(' ')?;
            // A line break stands as a sign of its own in a log.
            let words = words.replace(" ⏎ ", "\n");
            matches!(level, "info" | "warn").then(|| (level == "warn", words))
        };
        log.lines().filter_map(line).collect()
    }

    fn attempt(&self, run: &str, task: &TaskView) -> PathBuf {
        self.folder.join(format!("runs/{run}/{}/attempt-{}", task.task, task.attempt))
    }

    /// What came of a task that has ended.
    pub(crate) fn done(&self, run: &str, task: &TaskView, is_test: bool) -> Done {
        if task.state == TaskState::Skipped || task.attempt.0 == 0 {
            return Done::skipped();
        }
        let attempt = self.attempt(run, task);
        let kept = read(&attempt.join("result.json"));
        let kept: Kept = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let end = read(&attempt.with_extension("json"));
        let end: Option<AttemptResult> = end.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let status = status(task.state, &kept, end.as_ref(), is_test);
        let text =
            |name: &str| read(&attempt.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut adapter_response = kept.adapter_response.clone();
        if let (Some(rows), false) = (kept.rows_affected, adapter_response.contains_key("rows_affected")) {
            adapter_response.insert("rows_affected".to_owned(), rows.into());
        }
        let whole = || end.as_ref().map_or_else(|| seconds(task), |end| end.duration_ms as f64 / 1000.0);
        let took = kept.execution_time.unwrap_or_else(whole);
        let timing = |name: &str| {
            let found = kept.timing.iter().find(|timing| timing.name == name)?;
            stretch(found.started_at.clone(), found.completed_at.clone())
        };
        Done {
            status,
            message: message(&kept, end.as_ref(), task, status),
            code: (status == Status::Error).then(|| code(end.as_ref(), task)).flatten(),
            failures: kept.failures,
            adapter_response,
            compile: timing("compile"),
            execute: timing("execute")
                .or_else(|| stretch(task.started_at.map(written), task.ended_at.map(written))),
            took,
            compiled: kept.compiled_code.or_else(|| text("compiled.sql")),
            ran: kept.run_code.or_else(|| text("run.sql")),
        }
    }
}

fn status(state: TaskState, kept: &Kept, end: Option<&AttemptResult>, is_test: bool) -> Status {
    let said = kept.status.as_deref().and_then(Status::read);
    match state {
        TaskState::Succeeded => said.unwrap_or(if is_test { Status::Pass } else { Status::Success }),
        TaskState::Failed => match said {
            Some(Status::Fail) => Status::Fail,
            // A test that said nothing of itself but found rows.
            None if is_test && end.is_some_and(|end| end.guest_code.as_deref() == Some("CD0922")) => {
                Status::Fail
            }
            _ => Status::Error,
        },
        TaskState::Cancelled | TaskState::Skipped => Status::Skipped,
        _ => Status::Error,
    }
}

fn message(kept: &Kept, end: Option<&AttemptResult>, task: &TaskView, status: Status) -> Option<String> {
    let of_end = || end.map(|end| end.message.clone()).filter(|message| !message.is_empty());
    let found = match status {
        Status::Error => of_end().or_else(|| kept.message.clone()),
        _ => match &kept.message {
            Some(message) => (!message.is_empty()).then(|| message.clone()),
            None => of_end(),
        },
    };
    found.or_else(|| task.code.map(|code| format!("{code}; the words of the attempt lie with the executor")))
}

/// The plugin's own code before the host's: it says more.
fn code(end: Option<&AttemptResult>, task: &TaskView) -> Option<String> {
    let of_guest = end.and_then(|end| end.guest_code.clone());
    let looks = |code: &String| code.len() == 6 && code.starts_with("CD");
    of_guest.filter(looks).or_else(|| end?.code.clone()).or_else(|| task.code.map(|code| code.to_string()))
}

fn stretch(from: Option<String>, to: Option<String>) -> Option<Stretch> {
    Some(Stretch { from: from?, to: to? })
}

fn written(at: Timestamp) -> String {
    at.to_string()
}

fn seconds(task: &TaskView) -> f64 {
    match (task.started_at, task.ended_at) {
        (Some(from), Some(to)) => to.since(from).as_secs_f64(),
        _ => 0.0,
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let length = fs::metadata(path).ok()?.len();
    (length <= KEPT_BYTES_MAX).then(|| fs::read(path).ok())?
}

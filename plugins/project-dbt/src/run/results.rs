//! `results` of a hook behind a run: what came of each node, as dbt hands it over.
//!
//! In: what attempts of the run kept, the manifest, and which nodes the command chose and skipped.
//! Out: a list of records, in the order the nodes ended.
//! Never: leaves out in silence what ran elsewhere: a warning counts what cannot be read here.
//! Fails: where what was kept, or what the run says of its nodes, cannot be read.
//! Source: dbt's `RunResult`; `run_results.json` of `cofferdam dbt` says the same of each node.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_sdk::{Ending, KeptAttempt, Level, TaskFailure};
use minijinja::Value;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::Run;
use super::manifest::Manifest;
use super::world::Around;
use crate::codes;
use crate::jinja::{Record, datetime, from_json, list_of};
use crate::names::task_id;

/// The folder a command's artifacts lie in, as nodes name it.
const TARGET: &str = "target";

/// `result.json` of an attempt.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    unique_id: String,
    status: String,
    message: Option<String>,
    failures: Option<i64>,
    rows_affected: Option<i64>,
    adapter_response: Map<String, Json>,
    execution_time: Option<f64>,
    timing: Vec<Timing>,
    compiled: bool,
    compiled_code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Timing {
    name: String,
    started_at: Option<String>,
    completed_at: Option<String>,
}

/// What came of one node.
#[derive(Debug, Default)]
struct One {
    unique_id: String,
    status: &'static str,
    message: Option<String>,
    failures: Option<i64>,
    adapter_response: Map<String, Json>,
    execution_time: f64,
    timing: Vec<Timing>,
    compiled: bool,
    compiled_code: Option<String>,
    started_at: String,
    ended_at: String,
    thread: usize,
}

impl Run<'_> {
    /// The list.
    pub(super) fn results(&self, around: &Around<'_>) -> Result<Value, TaskFailure> {
        let manifest = around.manifest();
        let mut attempts = self.cx.telemetry.kept("result.json", "")?;
        let long = self.long_statements(&attempts)?;
        // In the order they ended; what ended at once, in the order it began.
        attempts.sort_by(|a, b| (&a.ended_at, &a.started_at).cmp(&(&b.ended_at, &b.started_at)));
        let ids: BTreeMap<String, &str> = manifest.ids().into_iter().map(|id| (task_id(id), id)).collect();
        let mut ran = Vec::new();
        for attempt in attempts {
            let one = One::of(attempt, &ids)
                .map_err(|why| TaskFailure::permanent(codes::DOCUMENT, format!("{}: {why}", self.who())))?;
            let compiled_code = one.compiled_code.or_else(|| long.get(&one.unique_id).cloned());
            ran.push(One { compiled_code, ..one });
        }
        let chosen = around.chosen().map_err(|why| self.misfit(&why))?;
        let skipped: BTreeSet<&str> =
            around.skipped().map_err(|why| self.misfit(&why))?.unwrap_or_default().into_iter().collect();
        ran.retain(|one| {
            manifest.is_told(&one.unique_id, one.status) && !skipped.contains(one.unique_id.as_str())
        });
        let known: BTreeSet<&str> = ran.iter().map(|one| one.unique_id.as_str()).collect();
        let mut undone = Vec::new();
        match &chosen {
            Some(chosen) => {
                let left = chosen.iter().filter(|id| !known.contains(*id));
                let (beside, missing): (Vec<&str>, Vec<&str>) =
                    left.partition(|id| skipped.contains(*id) || manifest.is_counted(id));
                undone = beside.into_iter().map(|id| One::undone(id, skipped.contains(id))).collect();
                let missing = missing.into_iter().filter(|id| !manifest.is_ephemeral(id));
                self.tell_missing(known.len(), &missing.collect::<Vec<_>>());
            }
            // A run of a scheduler's own: its hooks come when all nodes before them succeeded.
            None => self.cx.telemetry.log(
                Level::Info,
                &format!(
                    "`results` holds the {} nodes whose results this executor's object store has",
                    known.len()
                ),
            ),
        }
        let mut all = ran;
        give_threads(&mut all);
        all.extend(undone);
        Ok(list_of(all.into_iter().map(|one| record(one, manifest)).collect()))
    }

    /// Statements that were too long to be part of their results.
    fn long_statements(&self, attempts: &[KeptAttempt]) -> Result<BTreeMap<String, String>, TaskFailure> {
        let kept = attempts.iter().filter_map(|one| read(one).ok().flatten());
        let is_long = |kept: &Kept| kept.compiled && kept.compiled_code.is_none();
        let ids: BTreeMap<String, String> =
            kept.filter(is_long).map(|kept| (task_id(&kept.unique_id), kept.unique_id)).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let texts = self.cx.telemetry.kept("compiled.sql", "")?.into_iter();
        Ok(texts
            .filter_map(|one| {
                Some((ids.get(&one.task)?.clone(), String::from_utf8_lossy(&one.content?).into_owned()))
            })
            .collect())
    }

    fn tell_missing(&self, found: usize, missing: &[&str]) {
        let Some(first) = missing.first() else { return };
        let message = format!(
            "`results` lacks {} of {} nodes that ran, `{first}` among them: what came of them lies in the object \
             store of another executor; let the executors of a pool share one",
            missing.len(),
            missing.len() + found,
        );
        self.cx.telemetry.log(Level::Warn, &message);
    }

    fn misfit(&self, why: &str) -> TaskFailure {
        TaskFailure::permanent(codes::ARGUMENT, format!("{}: {why}", self.who()))
    }
}

fn read(attempt: &KeptAttempt) -> Result<Option<Kept>, String> {
    let read = |bytes: &Vec<u8>| {
        serde_json::from_slice(bytes)
            .map_err(|why| format!("the result of `{}` cannot be read: {why}", attempt.task))
    };
    attempt.content.as_ref().map(read).transpose()
}

impl One {
    /// As `cofferdam dbt` tells it in `run_results.json`.
    fn of(attempt: KeptAttempt, ids: &BTreeMap<String, &str>) -> Result<Self, String> {
        let kept = read(&attempt)?.unwrap_or_default();
        let unique_id = match kept.unique_id.as_str() {
            "" => ids.get(&attempt.task).map_or(attempt.task.as_str(), |id| id).to_owned(),
            id => id.to_owned(),
        };
        let is_test = ["test.", "unit_test."].iter().any(|kind| unique_id.starts_with(kind));
        let said = STATUSES.into_iter().find(|word| *word == kept.status);
        let status = match attempt.ending {
            Ending::Succeeded => said.unwrap_or(if is_test { "pass" } else { "success" }),
            Ending::Cancelled => "skipped",
            Ending::Failed if said == Some("fail") => "fail",
            Ending::Failed if said.is_none() && is_test && attempt.code == codes::CHECK_FAILED => "fail",
            Ending::Failed | Ending::Refused => "error",
        };
        let of_end = || Some(attempt.message.clone()).filter(|message| !message.is_empty());
        let message = match (status, kept.message) {
            ("error", message) => of_end().or(message),
            (_, Some(message)) => Some(message).filter(|message| !message.is_empty()),
            (_, None) => of_end(),
        };
        let mut adapter_response = kept.adapter_response;
        if let (Some(rows), false) = (kept.rows_affected, adapter_response.contains_key("rows_affected")) {
            adapter_response.insert("rows_affected".to_owned(), rows.into());
        }
        let timing = match kept.timing.is_empty() {
            false => kept.timing,
            true => vec![Timing {
                name: "execute".to_owned(),
                started_at: Some(attempt.started_at.clone()),
                completed_at: Some(attempt.ended_at.clone()),
            }],
        };
        let execution_time =
            kept.execution_time.unwrap_or_else(|| seconds(&attempt.started_at, &attempt.ended_at));
        Ok(Self {
            unique_id,
            status,
            message,
            failures: kept.failures,
            adapter_response,
            execution_time,
            timing,
            compiled: kept.compiled,
            compiled_code: kept.compiled_code,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            thread: 1,
        })
    }

    /// A node that was not run, or that there is nothing to do for.
    fn undone(id: &str, skipped: bool) -> Self {
        let one = Self { unique_id: id.to_owned(), thread: 1, ..Self::default() };
        match skipped {
            true => Self { status: "skipped", ..one },
            false => Self { status: "no-op", message: Some("NO-OP".to_owned()), failures: Some(0), ..one },
        }
    }
}

/// Words of a result.
const STATUSES: [&str; 7] = ["success", "error", "skipped", "pass", "warn", "fail", "no-op"];

fn seconds(from: &str, to: &str) -> f64 {
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (read(from), read(to)) {
        (Some(from), Some(to)) => to.duration_since(from).as_secs_f64(),
        _ => 0.0,
    }
}

/// Numbers the threads: a node gets the first that is free when it begins.
fn give_threads(all: &mut [One]) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].started_at.cmp(&all[*b].started_at));
    let mut busy_until: Vec<String> = Vec::new();
    for at in order {
        let free = busy_until.iter().position(|until| *until <= all[at].started_at);
        let thread = free.unwrap_or_else(|| {
            busy_until.push(String::new());
            busy_until.len() - 1
        });
        busy_until[thread].clone_from(&all[at].ended_at);
        all[at].thread = thread + 1;
    }
}

fn record(one: One, manifest: &Manifest) -> Value {
    let node = node(&one, manifest);
    let timing = one.timing.into_iter().map(|timing| {
        let moment = |text: Option<String>| {
            // Without its zone: dbt's moments are UTC and do not say so.
            let text = text.map(|text| text.trim_end_matches('Z').to_owned());
            text.and_then(|text| datetime(&text)).unwrap_or_else(|| Value::from(()))
        };
        let fields = [("name".to_owned(), Json::from(timing.name))].into_iter().collect();
        let timing = Record::new("TimingInfo", fields)
            .with("started_at", moment(timing.started_at))
            .with("completed_at", moment(timing.completed_at));
        timing.into_value()
    });
    let timing = list_of(timing.collect());
    let fields = json!({
        "status": one.status,
        "timing": null,
        "thread_id": format!("Thread-{} (worker)", one.thread),
        "execution_time": one.execution_time,
        "adapter_response": one.adapter_response,
        "message": one.message,
        "failures": one.failures,
        "node": null,
        "agate_table": null,
        "batch_results": null,
    });
    let Json::Object(fields) = fields else { return Value::from(()) };
    let result = Record::new("RunResult", fields).with("timing", timing).with("node", node);
    result.beside("skipped", Value::from(one.status == "skipped")).into_value()
}

/// The node as the manifest has it, with what became of its statement.
fn node(one: &One, manifest: &Manifest) -> Value {
    let mut fields = manifest.node(&one.unique_id).and_then(Json::as_object).cloned().unwrap_or_default();
    let text = |fields: &Map<String, Json>, key: &str| {
        fields.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let kind = text(&fields, "resource_type");
    let (package, file, path) =
        (text(&fields, "package_name"), text(&fields, "original_file_path"), text(&fields, "path"));
    if matches!(kind.as_str(), "model" | "test" | "snapshot" | "analysis") {
        fields.insert("compiled".to_owned(), one.compiled.into());
        fields.insert("compiled_code".to_owned(), one.compiled_code.clone().into());
        let is_of_schema_file = file.ends_with(".yml") || file.ends_with(".yaml");
        let place = if is_of_schema_file { format!("{file}/{path}") } else { file };
        if one.compiled {
            fields.insert("compiled_path".to_owned(), format!("{TARGET}/compiled/{package}/{place}").into());
            fields.insert("extra_ctes_injected".to_owned(), true.into());
        }
    }
    let list = |key: &str| {
        let all = fields.get("depends_on").and_then(|all| all.get(key)).cloned();
        from_json(&all.unwrap_or_else(|| json!([])))
    };
    let (nodes, macros) = (list("nodes"), list("macros"));
    let identifier = match text(&fields, "alias") {
        alias if alias.is_empty() => text(&fields, "name"),
        alias => alias,
    };
    let class = match kind.as_str() {
        "model" => "ModelNode",
        "seed" => "SeedNode",
        "snapshot" => "SnapshotNode",
        "test" if fields.contains_key("test_metadata") => "GenericTestNode",
        "test" => "SingularTestNode",
        "unit_test" => "UnitTestNode",
        "exposure" => "Exposure",
        "saved_query" => "SavedQuery",
        _ => "HookNode",
    };
    let is_ephemeral = manifest.is_ephemeral(&one.unique_id);
    let config = match fields.get("config") {
        Some(Json::Object(config)) => Some(Record::config(config.clone()).into_value()),
        _ => None,
    };
    let mut record = Record::new(class, fields);
    if let Some(config) = config {
        record = record.with("config", config);
    }
    record
        .beside("depends_on_nodes", nodes)
        .beside("depends_on_macros", macros)
        .beside("identifier", Value::from(identifier))
        .beside("is_relational", Value::from(matches!(kind.as_str(), "model" | "seed" | "snapshot")))
        .beside("is_ephemeral", Value::from(is_ephemeral))
        .beside("is_ephemeral_model", Value::from(is_ephemeral))
        .into_value()
}

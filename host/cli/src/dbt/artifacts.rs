//! What a command leaves in `target/`, in dbt's published schemas.
//!
//! In: results. Out: `run_results.json`, `sources.json`, `catalog.json`, compiled and run SQL.
//! Never: writes outside of the target folder.
//! Fails: with `CD0004`.
//! Source: <https://schemas.getdbt.com/dbt/run-results/v6.json>.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path},
};

use serde_json::{Map, Value, json};

use super::{
    lines::sql_path,
    manifest::{BAD_ARTIFACT, Manifest, Node},
    outcome::{Done, Status},
    select::Before,
};
use crate::failure::{Failure, Outcome};

/// The version of dbt whose schemas these are.
const DBT_VERSION: &str = "1.10.0";

/// One node, what came of it, and which thread it seems to have run on.
pub(crate) struct Result<'a> {
    pub(crate) node: &'a Node,
    pub(crate) done: &'a Done,
    pub(crate) thread: usize,
}

/// What is told of the command itself.
pub(crate) struct Invocation<'a> {
    pub(crate) id: &'a str,
    pub(crate) at: &'a str,
    pub(crate) args: Map<String, Value>,
    pub(crate) elapsed: f64,
}

fn metadata(schema: &str, invocation: &Invocation<'_>) -> Value {
    json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
        "dbt_version": DBT_VERSION,
        "generated_at": invocation.at,
        "invocation_id": invocation.id,
        "invocation_started_at": invocation.at,
        "env": {},
    })
}

/// `run_results.json`.
pub(crate) fn run_results(results: &[Result<'_>], invocation: &Invocation<'_>) -> Value {
    json!({
        "metadata": metadata("run-results/v6", invocation),
        "results": results.iter().map(one).collect::<Vec<_>>(),
        "elapsed_time": invocation.elapsed,
        "args": invocation.args,
    })
}

/// A thread as dbt names it.
fn thread_id(thread: usize) -> String {
    format!("Thread-{thread} (worker)")
}

/// How long each step took.
fn timings(done: &Done) -> Vec<Value> {
    let timing = |name: &str, stretch: &super::outcome::Stretch| json!({"name": name, "started_at": stretch.from, "completed_at": stretch.to});
    let mut timings = Vec::new();
    timings.extend(done.compile.iter().map(|stretch| timing("compile", stretch)));
    timings.extend(done.execute.iter().map(|stretch| timing("execute", stretch)));
    timings
}

fn one(result: &Result<'_>) -> Value {
    let Result { node, done, thread } = result;
    json!({
        "status": done.status.word(),
        "timing": timings(done),
        "thread_id": thread_id(*thread),
        "execution_time": done.took,
        "adapter_response": done.adapter_response,
        "message": done.message,
        "failures": done.failures,
        "unique_id": node.unique_id,
        "compiled": if matches!(done.status, Status::Skipped | Status::NoOp) { Value::Null } else { done.compiled.is_some().into() },
        "compiled_code": done.compiled,
        "relation_name": node.relation_name,
        "batch_results": null,
    })
}

/// `sources.json`: each result is what the attempt kept, as dbt writes it.
pub(crate) fn sources(results: &[(Result<'_>, Option<Value>)], invocation: &Invocation<'_>) -> Value {
    let results = results.iter().map(|(Result { node, done, thread }, kept)| match kept {
        Some(kept) if kept["status"] != "runtime error" => {
            let of = |key: &str| kept.get(key).cloned().unwrap_or_default();
            json!({
                "unique_id": node.unique_id, "max_loaded_at": of("max_loaded_at"),
                "snapshotted_at": of("snapshotted_at"),
                "max_loaded_at_time_ago_in_s": of("max_loaded_at_time_ago_in_s"),
                "status": done.status.word(), "criteria": of("criteria"),
                "adapter_response": done.adapter_response, "timing": timings(done),
                "thread_id": thread_id(*thread), "execution_time": done.took,
            })
        }
        _ => json!({"unique_id": node.unique_id, "status": "runtime error", "error": done.message}),
    });
    json!({
        "metadata": metadata("sources/v3", invocation),
        "results": results.collect::<Vec<_>>(),
        "elapsed_time": invocation.elapsed,
    })
}

/// `catalog.json`, from what each node's attempt kept of its relation.
pub(crate) fn catalog(found: &[(&Node, Value)], errors: &[String], invocation: &Invocation<'_>) -> Value {
    let of = |is_source: bool| {
        let fits = found.iter().filter(|(node, _)| (node.resource_type == "source") == is_source);
        fits.map(|(node, table)| {
            let mut table = table.clone();
            table["unique_id"] = json!(node.unique_id);
            (node.unique_id.clone(), table)
        })
        .collect::<Map<_, _>>()
    };
    json!({
        "metadata": metadata("catalog/v1", invocation),
        "nodes": of(false),
        "sources": of(true),
        "errors": if errors.is_empty() { Value::Null } else { json!(errors) },
    })
}

/// Writes an artifact.
pub(crate) fn write(target: &Path, name: &str, bytes: &[u8]) -> Outcome<()> {
    let file = target.join(name);
    let fail = |e: std::io::Error| Failure::file("write", &file, &e);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    fs::write(&file, bytes).map_err(fail)
}

/// Writes the SQL of nodes under `compiled/` and `run/`.
pub(crate) fn write_sql(target: &Path, results: &[Result<'_>]) -> Outcome<()> {
    for Result { node, done, .. } in results {
        let path = sql_path(node);
        // The names come from the project's own files; none of them leads out of the folder.
        if !Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))) {
            continue;
        }
        for (folder, text) in [("compiled", &done.compiled), ("run", &done.ran)] {
            if let Some(text) = text {
                write(target, &format!("{folder}/{path}"), text.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// The ids of an earlier `run_results.json`, each with its status.
pub(crate) fn earlier(folder: &Path) -> Outcome<Option<(HashMap<String, String>, Value)>> {
    let Some(found) = read(folder, "run_results.json")? else { return Ok(None) };
    let results = found.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    let pairs = results.iter().filter_map(|result| {
        let text = |key: &str| result.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("unique_id")?, text("status")?))
    });
    Ok(Some((pairs.collect(), found)))
}

fn read(folder: &Path, name: &str) -> Outcome<Option<Value>> {
    let file = folder.join(name);
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("read", &file, &error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let what = format!("`{}` is no artifact of dbt", file.display());
        Failure::new(BAD_ARTIFACT, what, "name another folder, or write it again").because(&error)
    })
}

/// The artifacts of a `--state` folder.
pub(crate) fn before(state: Option<&Path>, target: &Path) -> Outcome<Before> {
    let Some(state) = state else { return Ok(Before::default()) };
    if !state.is_dir() {
        let what = format!("there is no folder `{}`", state.display());
        return Err(Failure::new(BAD_ARTIFACT, what, "name the folder of earlier artifacts with --state"));
    }
    let manifest = match fs::read(state.join("manifest.json")) {
        Ok(bytes) => Some(Manifest::read("the manifest of --state", &bytes)?),
        Err(_) => None,
    };
    let results = earlier(state)?.map(|(results, _)| results).unwrap_or_default();
    let loaded = |folder: &Path| -> Outcome<Option<HashMap<String, String>>> {
        let found = read(folder, "sources.json")?;
        let results = found.as_ref().and_then(|found| found.get("results")).and_then(Value::as_array);
        Ok(results.map(|results| {
            let pair = |result: &Value| {
                let text = |key: &str| result.get(key).and_then(Value::as_str).map(str::to_owned);
                Some((text("unique_id")?, text("max_loaded_at")?))
            };
            results.iter().filter_map(pair).collect()
        }))
    };
    let loaded = loaded(state)?.zip(loaded(target)?);
    Ok(Before { manifest, results, loaded })
}

//! What became of every node: `run_results.json` and `manifest.json` of either side.
//!
//! In: a `target` folder in dbt's published schema. Out: what differs. Never: takes a message of an
//! error for its meaning: words differ, statuses and numbers may not. Fails: when a file is not there
//! or not in that schema.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::text::{normalised, parting};

/// What became of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `success`, `pass`, `warn`, `fail`, `error`, `skipped`, `no-op`.
    pub(crate) status: String,
    /// How many rows a test found.
    pub(crate) failures: Option<i64>,
    /// What the warehouse or dbt said.
    pub(crate) message: Option<String>,
    /// The SQL it came to.
    pub(crate) compiled: Option<String>,
}

impl Outcome {
    /// Whether nothing is wrong with the node.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "success" | "pass" | "warn" | "no-op" | "partial success")
    }
}

/// The nodes' outcomes of one command.
pub(crate) fn read(target: &Path) -> Result<BTreeMap<String, Outcome>> {
    let document = json(&target.join("run_results.json"))?;
    let results = document["results"].as_array().context("run_results.json has no results")?;
    Ok(results
        .iter()
        .map(|result| {
            let text = |key: &str| result[key].as_str().map(str::to_owned);
            let outcome = Outcome {
                status: text("status").unwrap_or_default(),
                failures: result["failures"].as_i64(),
                message: text("message"),
                compiled: text("compiled_code"),
            };
            (text("unique_id").unwrap_or_default(), outcome)
        })
        .collect())
}

/// What differs between the outcomes of two sides.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Nodes with the same status and number of failures.
    pub(crate) same: usize,
    /// Nodes whose outcome differs, a line each.
    pub(crate) outcomes: Vec<String>,
    /// Nodes whose SQL differs, with where it parts.
    pub(crate) compiled: Vec<String>,
    /// Good nodes whose message differs: for reading, not for judging.
    pub(crate) messages: Vec<String>,
}

/// Compares outcomes.
pub(crate) fn compare(theirs: &BTreeMap<String, Outcome>, ours: &BTreeMap<String, Outcome>) -> Compared {
    let mut compared = Compared::default();
    for (id, their) in theirs {
        let Some(our) = ours.get(id) else {
            compared.outcomes.push(format!("{id}: {} and not there", their.status));
            continue;
        };
        if (&their.status, their.failures) == (&our.status, our.failures) {
            compared.same += 1;
        } else {
            let says =
                our.message.as_deref().unwrap_or_default().lines().take(4).collect::<Vec<_>>().join(" / ");
            compared.outcomes.push(format!("{id}: {} and not {}: {says}", shown(their), shown(our)));
        }
        if their.is_good() && our.is_good() && their.message != our.message {
            compared.messages.push(format!("{id}: {:?} and not {:?}", their.message, our.message));
        }
        let (Some(a), Some(b)) = (&their.compiled, &our.compiled) else { continue };
        let (a, b) = (normalised(a), normalised(b));
        if a != b {
            let (a, b) = parting(&a, &b);
            compared.compiled.push(format!("{id}\n      dbt-core:  …{a}…\n      Cofferdam: …{b}…"));
        }
    }
    for id in ours.keys().filter(|id| !theirs.contains_key(*id)) {
        compared.outcomes.push(format!("{id}: not there and yet {}", ours[id].status));
    }
    compared
}

fn shown(outcome: &Outcome) -> String {
    match outcome.failures {
        Some(failures) => format!("{} ({failures})", outcome.status),
        None => outcome.status.clone(),
    }
}

/// What of a node of the manifest says how it is built.
const OF_A_NODE: [&str; 8] =
    ["resource_type", "relation_name", "alias", "schema", "tags", "refs", "sources", "fqn"];
/// What of a node's settings does.
const OF_ITS_SETTINGS: [&str; 6] = ["materialized", "enabled", "severity", "where", "unique_key", "strategy"];

/// What differs between the manifests of two sides, a line each.
pub(crate) fn compare_manifests(theirs: &Path, ours: &Path) -> Result<Vec<String>> {
    let (theirs, ours) = (json(&theirs.join("manifest.json"))?, json(&ours.join("manifest.json"))?);
    let mut found = Vec::new();
    for section in ["nodes", "sources", "exposures", "groups", "unit_tests"] {
        let empty = serde_json::Map::new();
        let (a, b) =
            (theirs[section].as_object().unwrap_or(&empty), ours[section].as_object().unwrap_or(&empty));
        found.extend(a.keys().filter(|id| !b.contains_key(*id)).map(|id| format!("{id}: not there")));
        found.extend(b.keys().filter(|id| !a.contains_key(*id)).map(|id| format!("{id}: too many")));
        for (id, node) in a {
            let Some(other) = b.get(id) else { continue };
            let mut compare = |what: &str, theirs: &Value, ours: &Value| {
                if !same(theirs, ours) {
                    found.push(format!("{id}: {what}: {theirs} and not {ours}"));
                }
            };
            for key in OF_A_NODE {
                compare(key, &node[key], &other[key]);
            }
            for key in OF_ITS_SETTINGS {
                compare(&format!("config.{key}"), &node["config"][key], &other["config"][key]);
            }
            let (needs, others) = (&node["depends_on"]["nodes"], &other["depends_on"]["nodes"]);
            compare("depends_on.nodes", &sorted(needs), &sorted(others));
        }
    }
    Ok(found)
}

/// What is left out is null.
fn same(theirs: &Value, ours: &Value) -> bool {
    let nothing = |v: &Value| v.is_null() || v.as_array().is_some_and(Vec::is_empty);
    theirs == ours || (nothing(theirs) && nothing(ours))
}

fn sorted(ids: &Value) -> Value {
    let mut ids: Vec<Value> = ids.as_array().cloned().unwrap_or_default();
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    Value::Array(ids)
}

fn json(file: &Path) -> Result<Value> {
    let bytes = fs::read(file).with_context(|| format!("no {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} cannot be read", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(of: &[(&str, &str, Option<i64>, &str)]) -> BTreeMap<String, Outcome> {
        let outcome = |(id, status, failures, sql): &(&str, &str, Option<i64>, &str)| {
            let compiled = Some((*sql).to_owned());
            (
                (*id).to_owned(),
                Outcome { status: (*status).to_owned(), failures: *failures, message: None, compiled },
            )
        };
        of.iter().map(outcome).collect()
    }

    #[test]
    fn the_same_outcomes_are_the_same_whatever_the_white_space() {
        let theirs =
            outcomes(&[("test.a", "pass", Some(0), "select  1"), ("model.m", "success", None, "select 2")]);
        let ours = outcomes(&[
            ("test.a", "pass", Some(0), "select 1 -- one"),
            ("model.m", "success", None, "select 2"),
        ]);
        let compared = compare(&theirs, &ours);
        assert_eq!(compared.same, 2);
        assert!(compared.outcomes.is_empty() && compared.compiled.is_empty());
    }

    #[test]
    fn another_status_number_text_or_node_is_found() {
        let theirs = outcomes(&[
            ("a", "fail", Some(1), "select 1"),
            ("b", "pass", Some(0), "select 1"),
            ("c", "success", None, "select 1"),
        ]);
        let ours = outcomes(&[
            ("a", "fail", Some(2), "select 1"),
            ("b", "warn", Some(0), "select 2"),
            ("d", "success", None, "select 1"),
        ]);
        let compared = compare(&theirs, &ours);
        assert_eq!(compared.same, 0);
        assert_eq!(
            compared.outcomes,
            [
                "a: fail (1) and not fail (2): ",
                "b: pass (0) and not warn (0): ",
                "c: success and not there",
                "d: not there and yet success"
            ]
        );
        assert_eq!(compared.compiled.len(), 1);
    }
}

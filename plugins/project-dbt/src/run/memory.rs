//! What templates put into `graph`, for those that come after them.
//!
//! In: the keys an attempt added, and what attempts before it left. Out: one file beside the log; one
//! map. dbt runs a project in one process, whose `graph` all nodes share; packages keep what tests
//! found in it until the hooks behind the run write it down.
//! Never: hands on what the manifest holds; gives an attempt what nodes beside it put there, but for
//! hooks behind the run, which come after all of them.
//! Fails: where what was kept cannot be read. What cannot be kept is a warning.
//! Source: `docs/adr/0019-results-for-later-tasks.md`.

use cofferdam_sdk::{KeptAttempt, Level, TaskFailure};
use serde_json::{Map, Value as Json};

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::codes;
use crate::jinja::pack;

/// The file beside the log.
const FILE: &str = "graph.json";
/// What it may be long.
const FILE_BYTES_MAX: usize = 1 << 20;
/// How the ids of hooks start.
const HOOKS: &str = "operation.";
/// A part of the ids of hooks behind a run.
const BEHIND: &str = "-on-run-end-";

impl Run<'_> {
    /// What templates before this one put into `graph`.
    pub(super) fn recalled(&self) -> Result<Map<String, Json>, TaskFailure> {
        if !self.document.remembers {
            return Ok(Map::new());
        }
        let is_behind = self.document.node.unique_id().contains(BEHIND);
        let mut attempts = self.cx.telemetry.kept(FILE, if is_behind { "" } else { HOOKS })?;
        attempts.sort_by(|a, b| a.ended_at.cmp(&b.ended_at));
        let own = |attempt: &KeptAttempt| attempt.task == self.invocation.task;
        let read = |attempt: KeptAttempt| {
            let content = attempt.content.as_ref()?;
            let read = serde_json::from_slice::<Json>(content).map_err(|why| {
                let what =
                    format!("{}: what `{}` left in `graph` cannot be read: {why}", self.who(), attempt.task);
                TaskFailure::permanent(codes::DOCUMENT, what)
            });
            Some(read.map(|json| (attempt.task, json)))
        };
        let left: Vec<(String, Json)> =
            attempts.into_iter().filter(|one| !own(one)).filter_map(read).collect::<Result<_, _>>()?;
        let (hooks, nodes): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|(task, _)| task.starts_with(HOOKS));
        let whole = hooks.iter().any(|(task, _)| task.contains(BEHIND));
        let base = hooks.into_iter().next_back().map_or_else(|| Json::Object(Map::new()), |(_, json)| json);
        let mut all = base.clone();
        if !whole {
            nodes.into_iter().for_each(|(_, json)| merge(&base, &mut all, json));
        }
        Ok(if let Json::Object(all) = all { all } else { Map::new() })
    }

    /// Keeps what this one put there.
    pub(super) fn remember(&self, around: &Around<'_>, report: &mut Report) {
        if !self.document.remembers {
            return;
        }
        let Some(added) = around.added_to_graph() else { return };
        let json: Result<Map<String, Json>, String> =
            added.into_iter().map(|(key, value)| Ok((key, pack(&value)?))).collect();
        let bytes = json.and_then(|json| serde_json::to_vec(&json).map_err(|why| why.to_string()));
        let bytes = bytes.and_then(|bytes| match bytes.len() <= FILE_BYTES_MAX {
            true => Ok(bytes),
            false => Err(format!("it is {} bytes long, and at most {FILE_BYTES_MAX} are kept", bytes.len())),
        });
        match bytes {
            Ok(bytes) => report.files.push((FILE, bytes)),
            Err(why) => {
                let what = format!("what was put into `graph` is not there for those who come later: {why}");
                self.cx.telemetry.log(Level::Warn, &what);
            }
        }
    }
}

/// Adds what one attempt made of `base` to what others made of it.
fn merge(base: &Json, into: &mut Json, other: Json) {
    match (into, other) {
        (Json::Object(into), Json::Object(other)) => {
            for (key, value) in other {
                match into.get_mut(&key) {
                    Some(known) => merge(base.get(&key).unwrap_or(&Json::Null), known, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (Json::Array(into), Json::Array(other)) => {
            let known = base.as_array().map_or(0, Vec::len);
            into.extend(other.into_iter().skip(known));
        }
        (into, other) if other != *base => *into = other,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_several_attempts_add_stands_side_by_side() {
        let base = json!({"p": {"found": {}, "list": [0], "name": null, "count": 1}});
        let mut all = base.clone();
        merge(&base, &mut all, json!({"p": {"found": {"a": [1]}, "list": [0, 1], "name": "x", "count": 1}}));
        merge(
            &base,
            &mut all,
            json!({"p": {"found": {"b": [2]}, "list": [0, 2], "name": null, "count": 1}, "q": 3}),
        );
        let both = json!({"a": [1], "b": [2]});
        assert_eq!(all, json!({"p": {"found": both, "list": [0, 1, 2], "name": "x", "count": 1}, "q": 3}));
    }
}

//! What an attempt leaves behind for people and tools: its statement, what was run, its result.
//!
//! In: what was done. Out: `result.json` with the statements in it, `compiled.sql` and `run.sql` where
//! they are long, and what an entry adds.
//! Never: holds rows, but for those a show or a unit test is asked for.
//! Fails: where the host keeps no more.
//! Source: dbt's `run_results.json`, v6: one entry of its `results`.

use std::time::SystemTime;

use cofferdam_sdk::{Failure, FailureKind, Outcome, TaskFailure, Telemetry};
use serde_json::{Map, Value as Json, json};

use crate::document::Document;
use crate::jinja::world::Response;

/// The longest statement that is kept.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Statements up to this length are part of `result.json`: most attempts keep one file then.
const INSIDE_BYTES_MAX: usize = 64 << 10;

/// What there is to report of an attempt.
#[derive(Debug, Default)]
pub(super) struct Report {
    unique_id: String,
    relation: Json,
    pub(super) status: String,
    pub(super) message: String,
    pub(super) failures: Option<u64>,
    pub(super) response: Option<Response>,
    pub(super) compiled: Option<String>,
    pub(super) written: Option<String>,
    /// Results of batches, the diff of a unit test, ….
    pub(super) more: Map<String, Json>,
    /// Other files to keep.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    began: Option<SystemTime>,
    made: Option<SystemTime>,
    ended: Option<SystemTime>,
}

impl Report {
    /// Begins a report of a node.
    pub(super) fn begun(document: &Document) -> Self {
        Self {
            unique_id: document.node.unique_id().to_owned(),
            relation: document.node.0.get("relation_name").cloned().unwrap_or_default(),
            began: Some(SystemTime::now()),
            ..Self::default()
        }
    }

    /// The statement is made: from here on it is run.
    pub(super) fn made(&mut self) {
        self.made = Some(SystemTime::now());
    }

    /// Notes how it ended.
    pub(super) fn end(&mut self, done: &Result<Outcome, TaskFailure>) {
        self.ended = Some(SystemTime::now());
        match done {
            Ok(_) if self.status.is_empty() => self.status = "success".to_owned(),
            Ok(_) => {}
            Err(why) => {
                if self.status.is_empty() || why.kind != FailureKind::CheckFailed {
                    self.status = "error".to_owned();
                }
                if self.message.is_empty() || why.kind != FailureKind::CheckFailed {
                    self.message = why.to_string();
                }
            }
        }
    }

    fn json(&self) -> Json {
        let began = self.began.map(moment);
        let made = self.made.or(self.ended).map(moment);
        let ended = self.ended.map(moment);
        let seconds = match (self.began, self.ended) {
            (Some(began), Some(ended)) => ended.duration_since(began).map_or(0.0, |time| time.as_secs_f64()),
            _ => 0.0,
        };
        let response = self.response.as_ref().map_or_else(
            || json!({}),
            |response| {
                json!({
                    "_message": response.message, "code": response.code,
                    "rows_affected": response.rows_affected,
                })
            },
        );
        let mut all = json!({
            "unique_id": self.unique_id,
            "status": self.status,
            "message": self.message,
            "failures": self.failures,
            "adapter_response": response,
            "rows_affected": self.response.as_ref().and_then(|response| response.rows_affected),
            "relation_name": self.relation,
            "compiled": self.compiled.is_some(),
            "execution_time": seconds,
            "timing": [
                {"name": "compile", "started_at": began, "completed_at": made},
                {"name": "execute", "started_at": made, "completed_at": ended},
            ],
        });
        if let Json::Object(map) = &mut all {
            map.extend(self.more.clone());
        }
        all
    }

    /// Keeps the files.
    pub(super) fn keep(&self, telemetry: &dyn Telemetry) -> Result<(), Failure> {
        let mut result = self.json();
        let texts =
            [("compiled_code", "compiled.sql", &self.compiled), ("run_code", "run.sql", &self.written)];
        for (key, name, text) in texts {
            let Some(text) = text else { continue };
            if text.len() <= INSIDE_BYTES_MAX {
                result[key] = text.as_str().into();
            } else {
                let end = text.floor_char_boundary(KEPT_BYTES_MAX);
                telemetry.keep(name, &text.as_bytes()[..end])?;
            }
        }
        for (name, bytes) in &self.files {
            telemetry.keep(name, bytes)?;
        }
        telemetry.keep("result.json", &serde_json::to_vec(&result).unwrap_or_default())
    }
}

/// A moment in RFC 3339, to the microsecond.
pub(super) fn moment(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map(|at| format!("{at:.6}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cofferdam_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn short_statements_are_part_of_the_result_and_long_ones_lie_beside_it() {
        let host = MemoryHost::new();
        let long = "x".repeat(INSIDE_BYTES_MAX + 1);
        let report = Report {
            compiled: Some("select 1".to_owned()),
            written: Some(long.clone()),
            ..Report::default()
        };
        report.keep(&host).unwrap();
        let result: Json = serde_json::from_slice(&host.kept("result.json").unwrap()).unwrap();
        assert_eq!((&result["compiled_code"], &result["run_code"]), (&json!("select 1"), &Json::Null));
        assert_eq!((host.kept("compiled.sql"), host.kept("run.sql")), (None, Some(long.into_bytes())));
    }

    #[test]
    fn moments_have_six_digits() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_000);
        assert_eq!(moment(at), "2023-11-14T22:13:20.000000Z");
    }
}

//! How fresh a source is: when its last row came, beside how old that may be.
//!
//! In: the source's `freshness`, its `loaded_at_field` or `loaded_at_query`. Out: an entry of
//! `sources.json`.
//! Never: reads more than the one moment.
//! Fails: as a failed check where the source is older than `error_after`.
//! Source: `dbt source freshness`; dbt's `sources.json`, v3.

use cofferdam_sdk::{FailureKind, Level, Outcome, TaskFailure};
use jiff::{Timestamp, civil::DateTime};
use minijinja::Value;
use serde_json::{Value as Json, json};

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::codes;
use crate::jinja::world::{Answer, Cell};

impl Run<'_> {
    /// Looks how fresh the source is.
    pub(super) fn freshness(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        let node = &self.document.node;
        let own = |key: &str| {
            let told = node.0.get(key).filter(|told| !told.is_null()).or_else(|| node.setting(key));
            told.cloned().unwrap_or_default()
        };
        let criteria = own("freshness");
        let answer = self.loaded_at(
            around,
            &criteria,
            own("loaded_at_field").as_str(),
            own("loaded_at_query").as_str(),
        )?;
        report.made();
        let row = answer.rows.first().map_or(&[][..], Vec::as_slice);
        let (Some(loaded), Some(now)) = (row.first().and_then(instant), row.get(1).and_then(instant)) else {
            let message = format!(
                "{}: it has no row that says when it was loaded, so its age is not known",
                self.who()
            );
            report.status = "runtime error".to_owned();
            return Err(TaskFailure::permanent(codes::FRESHNESS, message));
        };
        let age = now.duration_since(loaded).as_secs_f64();
        let over = |key: &str| limit(&criteria, key).is_some_and(|limit| age > limit);
        let status = if over("error_after") {
            "error"
        } else if over("warn_after") {
            "warn"
        } else {
            "pass"
        };
        report.status = status.to_owned();
        report.more.insert("max_loaded_at".to_owned(), loaded.to_string().into());
        report.more.insert("snapshotted_at".to_owned(), now.to_string().into());
        report.more.insert("max_loaded_at_time_ago_in_s".to_owned(), json!(age));
        report.more.insert("criteria".to_owned(), criteria);
        let message = format!("{status}: loaded {} ago", shown(age));
        report.message.clone_from(&message);
        match status {
            "error" => Err(TaskFailure {
                kind: FailureKind::CheckFailed,
                code: codes::CHECK_FAILED.to_owned(),
                message: format!(
                    "{}: the last row was loaded {} ago, which is too long",
                    self.who(),
                    shown(age)
                ),
            }),
            "warn" => {
                self.cx.telemetry.log(Level::Warn, &format!("{}: {message}", self.who()));
                Ok(self.outcome(None, &message))
            }
            _ => Ok(self.outcome(None, &message)),
        }
    }

    fn loaded_at(
        &self,
        around: &Around<'_>,
        criteria: &Json,
        field: Option<&str>,
        query: Option<&str>,
    ) -> Result<Answer, TaskFailure> {
        let node = &self.document.node;
        let engine = around.scene.engine;
        let this = around.this().into_value();
        let filter = criteria.get("filter").and_then(Json::as_str).map_or(Value::from(()), Value::from);
        let (name, arguments) = match (query, field) {
            (Some(query), _) => {
                let text = around.with(|| engine.render(node.package(), &self.document.file, query, around));
                let text = text.map_err(|why| self.render_failure(&why))?;
                ("collect_freshness_custom_sql", vec![this, Value::from(text)])
            }
            (None, Some(field)) => ("collect_freshness", vec![this, Value::from(field), filter]),
            (None, None) => {
                let message = format!(
                    "{}: nothing says when its rows were loaded; set `loaded_at_field` or `loaded_at_query`",
                    self.who()
                );
                return Err(TaskFailure::permanent(codes::FRESHNESS, message));
            }
        };
        let wire = &around.scene.warehouse.wire;
        wire.keep_last.set(true);
        let done = around.with(|| engine.call(node.package(), name, &arguments, &[], around));
        done.map_err(|why| self.failure(around, &why))?;
        Ok(wire.last.borrow_mut().take().unwrap_or_default())
    }
}

/// A threshold in seconds.
fn limit(criteria: &Json, key: &str) -> Option<f64> {
    let told = criteria.get(key)?;
    let count = told.get("count")?.as_f64()?;
    let seconds = match told.get("period")?.as_str()? {
        "minute" => 60.0,
        "hour" => 3_600.0,
        _ => 86_400.0,
    };
    Some(count * seconds)
}

/// A moment of the warehouse; one without a zone is in UTC.
fn instant(cell: &Cell) -> Option<Timestamp> {
    let text = match cell {
        Cell::DateTime(text) | Cell::Date(text) | Cell::Text(text) => text.trim(),
        _ => return None,
    };
    if let Ok(at) = text.replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some(at);
    }
    let civil: DateTime = text.parse().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn shown(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7_200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_and_without_a_zone_are_read() {
        for text in ["2024-02-29 12:00:00", "2024-02-29 12:00:00+00:00", "2024-02-29 13:00:00+01:00"] {
            assert_eq!(
                instant(&Cell::DateTime(text.into())).unwrap().to_string(),
                "2024-02-29T12:00:00Z",
                "{text}"
            );
        }
        assert_eq!(instant(&Cell::Date("2024-02-29".into())).unwrap().to_string(), "2024-02-29T00:00:00Z");
        assert!(instant(&Cell::Null).is_none() && instant(&Cell::Text("soon".into())).is_none());
    }

    #[test]
    fn thresholds_are_counted_in_their_period() {
        let criteria = json!({"warn_after": {"count": 2, "period": "hour"}, "error_after": null});
        assert_eq!(limit(&criteria, "warn_after"), Some(7_200.0));
        assert_eq!(limit(&criteria, "error_after"), None);
    }
}

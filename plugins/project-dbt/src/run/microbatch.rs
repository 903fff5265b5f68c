//! Builds a microbatch model: one batch of time after the other, each as a run of its own.
//!
//! In: the model's `event_time`, `begin`, `batch_size` and `lookback`; the run's window. Out: the
//! table with the rows of every batch that succeeded.
//! Never: lets a batch that fails undo another.
//! Fails: where a batch failed, naming it; the others stay.
//! Source: <https://docs.getdbt.com/docs/build/incremental-microbatch>.

use cofferdam_sdk::{Level, Outcome, TaskFailure};
use jiff::{Span, Timestamp, ToSpan as _, civil::DateTime, tz::TimeZone};
use serde_json::{Value as Json, json};

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::codes;
use crate::jinja::world::{RelationKind, Response};

/// Batches of one run.
const BATCHES_MAX: usize = 10_000;

/// How far a bound of a batch is from UTC.
const UTC: &str = "+00:00";

/// How long a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Hour,
    Day,
    Month,
    Year,
}

impl Run<'_> {
    /// Whether the model is built in batches.
    pub(super) fn is_microbatch(&self) -> bool {
        self.document.node.setting("incremental_strategy").and_then(Json::as_str) == Some("microbatch")
    }

    /// Builds the batches.
    pub(super) fn microbatch(
        &self,
        around: &Around<'_>,
        report: &mut Report,
    ) -> Result<Outcome, TaskFailure> {
        let has_zones = self.document.shared.target.kind == "postgres";
        if !has_zones {
            self.strategy()?;
        }
        self.ready(around)?;
        let parts = self.document.node.relation();
        let looked = around.scene.warehouse.look(&parts.schema, &parts.identifier);
        let (_, kind) = looked.map_err(|why| self.sql_failure(around, why))?;
        let incremental = kind == Some(RelationKind::Table) && !self.full_refresh();
        let (size, batches) = self.batches(incremental)?;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut last = Response::default();
        let mut rows = 0;
        for (at, (start, end)) in batches.iter().enumerate() {
            let one = Around::new(around.scene, self.document);
            let (from, to) = (text(*start), text(*end));
            // Where moments have no zone they are UTC's: MariaDB refuses one, and to SQLite it is text.
            let bound = |text: &str| match has_zones {
                true => text.to_owned(),
                false => text.trim_end_matches(UTC).to_owned(),
            };
            *one.window.borrow_mut() = Some((bound(&from), bound(&to)));
            *one.batch.borrow_mut() = Some(json!({
                "id": id(size, *start), "event_time_start": from, "event_time_end": to, "first": at == 0,
            }));
            one.incremental.set(Some(incremental || at > 0));
            match self.build_once(&one, report, "incremental") {
                Ok(response) => {
                    rows += response.rows_affected.unwrap_or(0).max(0);
                    last = response;
                    done.push(json!([from, to]));
                }
                Err(why) => {
                    let _ = around.scene.warehouse.wire.rollback();
                    if at == 0 && !incremental {
                        return Err(why.context(&format!("batch {}", id(size, *start))));
                    }
                    let line = format!("{}: batch {}: {why}", self.who(), id(size, *start));
                    self.cx.telemetry.log(Level::Error, &line);
                    failed.push((json!([from, to]), why));
                }
            }
            report.compiled = report.compiled.take().or_else(|| one.compiled.borrow().clone());
            report.written = one.written.borrow().clone();
            self.cx.telemetry.progress(at as u64 + 1, batches.len() as u64);
        }
        let broken: Vec<&Json> = failed.iter().map(|(window, _)| window).collect();
        report.more.insert("batch_results".to_owned(), json!({"successful": done, "failed": broken}));
        last.rows_affected = Some(rows);
        report.response = Some(last);
        if let Some((_, first)) = failed.into_iter().next() {
            let said =
                format!("{} of {} batches failed; the first", batches.len() - done.len(), batches.len());
            report.message.clone_from(&said);
            return Err(first.context(&said));
        }
        let message = format!("{} batches", batches.len());
        report.message.clone_from(&message);
        Ok(self.outcome(u64::try_from(rows).ok(), &message))
    }

    /// The windows to build, each from its start up to its end.
    fn batches(&self, incremental: bool) -> Result<(Size, Vec<(DateTime, DateTime)>), TaskFailure> {
        let node = &self.document.node;
        let word = |key: &str| node.setting(key).and_then(Json::as_str);
        let broken = |why: String| TaskFailure::permanent(codes::BATCH, format!("{}: {why}", self.who()));
        let size = match word("batch_size") {
            Some("hour") => Size::Hour,
            Some("day") => Size::Day,
            Some("month") => Size::Month,
            Some("year") => Size::Year,
            other => {
                let found = other.unwrap_or("nothing");
                return Err(broken(format!("`batch_size` is hour, day, month or year; found {found}")));
            }
        };
        if word("event_time").is_none() {
            return Err(broken(
                "a microbatch model needs `event_time`, the column its batches are cut by".to_owned(),
            ));
        }
        let read = |told: &str| {
            moment(told).ok_or_else(|| {
                broken(format!("`{told}` is no point in time; write 2024-02-29 or 2024-02-29T12:00:00"))
            })
        };
        let now = read(&self.invocation.started_at)?;
        let end = match &self.ask.event_time_end {
            Some(told) => read(told)?,
            None => ceiling(now, size),
        };
        let start = match (&self.ask.event_time_start, incremental) {
            (Some(told), _) => truncated(read(told)?, size),
            (None, true) => {
                let lookback = node.setting("lookback").and_then(Json::as_i64).unwrap_or(1);
                let back = if end == truncated(end, size) { lookback + 1 } else { lookback };
                moved(truncated(end, size), size, -back)
            }
            (None, false) => {
                let begin = word("begin").ok_or_else(|| {
                    broken("a microbatch model needs `begin`, the start of its first batch".to_owned())
                })?;
                truncated(read(begin)?, size)
            }
        };
        let mut all = Vec::new();
        let mut at = start;
        while at < end {
            let next = moved(at, size, 1);
            all.push((at, next.min(end)));
            at = next;
            if all.len() > BATCHES_MAX {
                return Err(broken(format!("more than {BATCHES_MAX} batches lie between {start} and {end}")));
            }
        }
        if all.is_empty() {
            return Err(broken(format!("no batch lies between {start} and {end}")));
        }
        Ok((size, all))
    }
}

fn moment(text: &str) -> Option<DateTime> {
    if let Ok(at) = text.trim().replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some(at.to_zoned(TimeZone::UTC).datetime());
    }
    text.trim().parse().ok()
}

fn truncated(at: DateTime, size: Size) -> DateTime {
    let (year, month, day, hour) = match size {
        Size::Hour => (at.year(), at.month(), at.day(), at.hour()),
        Size::Day => (at.year(), at.month(), at.day(), 0),
        Size::Month => (at.year(), at.month(), 1, 0),
        Size::Year => (at.year(), 1, 1, 0),
    };
    jiff::civil::date(year, month, day).at(hour, 0, 0, 0)
}

fn moved(at: DateTime, size: Size, by: i64) -> DateTime {
    let span: Span = match size {
        Size::Hour => by.hours(),
        Size::Day => by.days(),
        Size::Month => by.months(),
        Size::Year => by.years(),
    };
    at.saturating_add(span)
}

fn ceiling(at: DateTime, size: Size) -> DateTime {
    let down = truncated(at, size);
    if down == at { at } else { moved(down, size, 1) }
}

/// A moment as a statement has it.
fn text(at: DateTime) -> String {
    format!("{}{UTC}", at.strftime("%Y-%m-%d %H:%M:%S"))
}

/// A batch's name.
fn id(size: Size, at: DateTime) -> String {
    let form = match size {
        Size::Hour => "%Y%m%dT%H",
        Size::Day => "%Y%m%d",
        Size::Month => "%Y%m",
        Size::Year => "%Y",
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_and_end_where_batches_do() {
        let at = moment("2024-02-29 12:30:00").unwrap();
        assert_eq!(text(truncated(at, Size::Month)), "2024-02-01 00:00:00+00:00");
        assert_eq!(text(ceiling(at, Size::Hour)), "2024-02-29 13:00:00+00:00");
        assert_eq!(text(ceiling(truncated(at, Size::Day), Size::Day)), "2024-02-29 00:00:00+00:00");
        assert_eq!(text(moved(truncated(at, Size::Year), Size::Year, -1)), "2023-01-01 00:00:00+00:00");
        assert_eq!(
            (id(Size::Hour, at), id(Size::Day, at)),
            ("20240229T12".to_owned(), "20240229".to_owned())
        );
        assert_eq!(moment("2024-02-29T13:00:00+01:00"), moment("2024-02-29T12:00:00"));
        assert!(moment("soon").is_none());
    }
}

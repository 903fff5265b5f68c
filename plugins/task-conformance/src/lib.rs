//! Runs the same checks against any adapter's gateway and prints a report a person can read.
//!
//! In: the settings `schema` (where it may make and drop tables named `conformance_…`; it must be
//! granted), `rows` (of the large load, 100,000 unless said) and `lacks` (names of checks the
//! engine cannot pass by its nature; they are reported as not applicable). The entry point is
//! `all` or the name of one group of checks.
//! Out: one line a check in the log, and a summary.
//! Never: touches a relation it did not make.
//! Fails: with `check-failed` and CD0984 where a check failed; with CD0985 for an entry it does not
//! know.
//! Source: `docs/adr/0017-conformance-kit.md`, `wit/warehouse/warehouse.wit`.

mod bench;
mod checks;
mod lacks;
mod report;

use cofferdam_sdk::{Context, Invocation, Level, Outcome, Task, TaskFailure, export_task};

use bench::Bench;
use report::{Found, Report};

/// A check failed.
const FAILED: &str = "CD0984";
/// The entry point is none of the kit's.
const ENTRY: &str = "CD0985";

/// The task.
pub struct Conformance;

impl Task for Conformance {
    fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
        let groups: Vec<_> = checks::GROUPS
            .iter()
            .filter(|group| invocation.entry == "all" || invocation.entry == group.name)
            .collect();
        if groups.is_empty() {
            let known: Vec<_> = checks::GROUPS.iter().map(|group| group.name).collect();
            return Err(TaskFailure::permanent(
                ENTRY,
                format!(
                    "there is no group of checks `{}`; the entry is `all` or one of {}",
                    invocation.entry,
                    known.join(", ")
                ),
            ));
        }
        let mut bench = Bench::open(cx, &invocation)?;
        let own_lacks: Vec<String> = invocation.setting("lacks")?.unwrap_or_default();
        let total: usize = groups.iter().map(|group| group.checks.len()).sum();
        let mut report = Report::default();
        for group in groups {
            for (name, check) in group.checks {
                let name = format!("{}/{name}", group.name);
                let found = match lacks::reason(&bench.dialect().name, &name, &own_lacks) {
                    Some(reason) => Found::NotApplicable(reason),
                    None => bench.run(*check),
                };
                if let Some(stopped) = found.stops() {
                    return Err(stopped);
                }
                let line = report.add(&name, found);
                cx.telemetry.log(line.0, &line.1);
                cx.telemetry.progress(report.total() as u64, total as u64);
            }
        }
        let summary = format!("{}: {report}", bench.dialect().name);
        cx.telemetry.log(Level::Info, &summary);
        let failed = report.failed();
        if failed.is_empty() {
            return Ok(Outcome { rows_affected: None, summary });
        }
        Err(TaskFailure::check_failed(FAILED, format!("{summary}; failed: {}", failed.join(", "))))
    }
}

export_task!(Conformance);

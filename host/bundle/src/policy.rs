//! The release's schedule policy, enforced from the executor's own journal: a scheduler that was
//! broken into cannot run an authorised task more often than its author allowed.

use std::time::Duration;

use cofferdam_ids::Timestamp;

use crate::{
    JournalView, Refused,
    limits::ATTEMPTS_MAX,
    statement::{Dispatch, Release, RunReason},
    version::Window,
};

/// Checks a verified dispatch against the policy of its verified release.
///
/// `manual` decides on runs somebody asked for; `windows` on every attempt; `max_attempts` and the
/// task's own `retry.attempts` on the number of tries in one run; `min_interval_s` on the first
/// attempt of a task in a run, counted from the first attempt in the run before. Retries of the
/// same run are not held by the interval.
pub fn check_policy(
    dispatch: &Dispatch,
    release: &Release,
    journal: &dyn JournalView,
    now: Timestamp,
) -> Result<(), Refused> {
    let policy = &release.schedule_policy;
    if now < journal.clock_floor() {
        return Err(Refused::ClockWentBack { now, floor: journal.clock_floor() });
    }
    if dispatch.reason == RunReason::Manual && !policy.manual {
        return Err(Refused::PolicyManual);
    }
    // A window that cannot be read holds no moment; a sound release has none.
    let open = |text: &String| Window::parse(text).is_some_and(|w| w.holds(now));
    if !policy.windows.is_empty() && !policy.windows.iter().any(open) {
        return Err(Refused::PolicyWindow { windows: policy.windows.join(", "), now });
    }
    let Some(task) = release.tasks.iter().find(|t| t.id == dispatch.task) else {
        return Err(Refused::UnknownTask { task: dispatch.task.clone() });
    };
    let most = policy.max_attempts.min(task.retry.attempts).min(ATTEMPTS_MAX);
    let tried = journal.attempts(&dispatch.run_id, &dispatch.task);
    let attempt = dispatch.attempt.0.max(tried.saturating_add(1));
    if dispatch.attempt.0 == 0 || attempt > most {
        return Err(Refused::Attempt { attempt, most });
    }
    match journal.last_run_start(&dispatch.project, &dispatch.task) {
        Some((run, started)) if tried == 0 && run != dispatch.run_id => {
            let interval = Duration::from_secs(policy.min_interval_s);
            if now < started || now.since(started) < interval {
                return Err(Refused::PolicyInterval { task: dispatch.task.clone(), started, interval });
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

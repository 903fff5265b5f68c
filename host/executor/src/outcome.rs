//! What came of an attempt, and the little of it the scheduler is told.
//!
//! In: how an attempt ended. Out: a signed report with the closed list of fields, and the words
//! the customer keeps.
//! Never: puts a guest's code, words or counts into a report that release and grant do not both
//! allow.
//! Source: §9 of the design; threats 35 to 37 of the threat model.

use std::time::Duration;

use cofferdam_bundle::{
    sign,
    statement::{Dispatch, Phase, Report, ReportField, ReportState, SPEC},
};
use cofferdam_call::{AttemptEnd, EndState};
use cofferdam_ids::{Code, Explain};
use cofferdam_ledger::{Event, LogError, ReportSent};

use crate::{
    attempts::{Stopped, stop},
    error::ExecutorError,
    house::House,
};

/// The task itself says that it failed.
pub const TASK_FAILED: Code = Code(760);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The state.
    pub state: ReportState,
    /// The host's code, where it did not succeed.
    pub code: Option<Code>,
    /// Where it ended.
    pub phase: Phase,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// How long it ran.
    pub ran: Option<Duration>,
    /// Rows changed or checked.
    pub rows: Option<u64>,
    /// The guest's own code; stays here.
    pub guest_code: Option<String>,
    /// What happened; stays here.
    pub message: String,
}

impl Outcome {
    /// Not started, because something said no.
    pub fn refused(error: &dyn Explain, phase: Phase, retryable: bool) -> Self {
        Self {
            state: ReportState::Refused,
            code: Some(error.code()),
            phase,
            retryable,
            ran: None,
            rows: None,
            guest_code: None,
            message: cofferdam_ids::render(error),
        }
    }

    /// Failed on the executor's side of the sandbox.
    pub fn failed(error: &ExecutorError, phase: Phase) -> Self {
        let retryable = error.is_retryable();
        Self { state: ReportState::Failed, ..Self::refused(error, phase, retryable) }
    }

    /// Stopped from outside.
    pub fn stopped(stopped: Stopped) -> Self {
        let state =
            if stopped.code == stop::CANCELLED { ReportState::Cancelled } else { ReportState::Failed };
        let message = match stopped.code {
            stop::CANCELLED => "stopped: the run was cancelled",
            stop::TIME => "stopped: the wall-clock limit was met",
            stop::DRAINING => "stopped: the executor is being stopped",
            _ => "stopped: the lease is not held any more",
        };
        Self {
            state,
            code: Some(if stopped.killed { Code(722) } else { stopped.code }),
            phase: Phase::Run,
            retryable: matches!(stopped.code, stop::DRAINING | stop::LEASE_LOST),
            ran: None,
            rows: None,
            guest_code: None,
            message: message.to_owned(),
        }
    }

    /// How the runner says it ended; `stopped` where it was told to.
    pub fn ended(end: AttemptEnd, told: Option<Stopped>) -> Self {
        let ran = Some(Duration::from_micros(end.usage.wall_us));
        let fail = |code, retryable, message| Self {
            state: ReportState::Failed,
            code: Some(code),
            phase: Phase::Run,
            retryable,
            ran,
            rows: None,
            guest_code: None,
            message,
        };
        match end.state {
            EndState::Succeeded { rows_affected, summary } => Self {
                state: ReportState::Succeeded,
                code: None,
                phase: Phase::Publish,
                rows: rows_affected,
                ..fail(TASK_FAILED, false, summary)
            },
            EndState::Failed { message, code, .. } if told.is_some() => {
                let stopped = told.map_or_else(|| fail(TASK_FAILED, false, String::new()), Self::stopped);
                Self {
                    ran,
                    guest_code: Some(code),
                    message: format!("{}\n{message}", stopped.message),
                    ..stopped
                }
            }
            EndState::Failed { retryable, code, message, .. } => {
                Self { guest_code: Some(code), ..fail(TASK_FAILED, retryable, message) }
            }
            EndState::Stopped { code, message } => match told {
                Some(told) => Self { ran, ..Self::stopped(told) },
                // A full runner, a lost lease and a broken lane are not the task's doing.
                None => fail(code, matches!(code.0, 412..=414 | 418), message),
            },
            EndState::Described(_) | EndState::Problems(_) => {
                fail(Code(417), false, "the runner ended a task as if it were a project".to_owned())
            }
        }
    }

    /// The state in the words of results and records.
    pub fn word(&self) -> &'static str {
        match self.state {
            ReportState::Succeeded => "succeeded",
            ReportState::Failed => "failed",
            ReportState::Refused => "refused",
            ReportState::Cancelled => "cancelled",
        }
    }
}

/// Records that a report is made, and signs it. `allowed` are the fields that both the release
/// and the grants let out.
pub fn report(
    house: &House,
    dispatch: &Dispatch,
    outcome: &Outcome,
    allowed: &[ReportField],
) -> Result<serde_json::Value, LogError> {
    let duration_s = outcome.ran.filter(|_| allowed.contains(&ReportField::DurationS)).map(whole_seconds);
    let rows_affected = outcome.rows.filter(|_| allowed.contains(&ReportField::RowsAffected));
    let mut fields = vec!["state".to_owned(), "phase".to_owned(), "retryable".to_owned()];
    let optional = [
        ("code", outcome.code.is_some()),
        ("duration_s", duration_s.is_some()),
        ("rows_affected", rows_affected.is_some()),
    ];
    fields.extend(optional.iter().filter(|(_, there)| *there).map(|(name, _)| (*name).to_owned()));
    let sent = ReportSent {
        dispatch: dispatch.dispatch_id.clone(),
        state: outcome.word().to_owned(),
        code: outcome.code,
        fields,
    };
    let seq = house.ledger.record(&Event::ReportSent(sent))?;
    let report = Report {
        kind: "report".into(),
        spec: SPEC,
        executor: house.own.executor.clone(),
        dispatch_id: dispatch.dispatch_id.clone(),
        lease_id: dispatch.lease_id.clone(),
        fence: dispatch.fence,
        state: outcome.state,
        code: outcome.code,
        phase: outcome.phase,
        retryable: outcome.retryable,
        duration_s,
        rows_affected,
        ledger_seq: seq.0,
    };
    let envelope = sign(&report, &[&house.own.signing]);
    // An envelope is JSON by construction.
    Ok(serde_json::from_slice(&envelope).unwrap_or_default())
}

/// Rounded up, so that a fast task cannot signal by fractions.
fn whole_seconds(ran: Duration) -> u64 {
    ran.as_secs() + u64::from(ran.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use cofferdam_call::Usage;

    use super::*;

    fn end(state: EndState) -> AttemptEnd {
        AttemptEnd { state, usage: Usage { wall_us: 1_200_000, ..Usage::default() } }
    }

    fn failed() -> EndState {
        let (code, message) = ("ROWS_LEFT".to_owned(), "3 rows".to_owned());
        EndState::Failed { retryable: true, cancelled: false, code, message }
    }

    #[test]
    fn a_guests_own_code_and_words_stay_out_of_what_is_reported() {
        let outcome = Outcome::ended(end(failed()), None);
        assert_eq!((outcome.state, outcome.code), (ReportState::Failed, Some(TASK_FAILED)));
        assert!(outcome.retryable);
        assert_eq!(outcome.guest_code.as_deref(), Some("ROWS_LEFT"));
    }

    #[test]
    fn a_stop_from_outside_is_what_is_told_however_the_guest_took_it() {
        let told = Some(Stopped { code: stop::CANCELLED, killed: false });
        let outcome = Outcome::ended(end(failed()), told);
        assert_eq!((outcome.state, outcome.code), (ReportState::Cancelled, Some(stop::CANCELLED)));
        let stopped = EndState::Stopped { code: Code(411), message: String::new() };
        assert_eq!(Outcome::ended(end(stopped), told).state, ReportState::Cancelled);
    }

    #[test]
    fn work_that_was_done_before_the_stop_counts() {
        let told = Some(Stopped { code: stop::TIME, killed: false });
        let done = EndState::Succeeded { rows_affected: Some(3), summary: "3 rows".into() };
        assert_eq!(Outcome::ended(end(done), told).state, ReportState::Succeeded);
    }

    #[test]
    fn durations_are_rounded_up_to_seconds() {
        assert_eq!(whole_seconds(Duration::from_micros(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
    }
}

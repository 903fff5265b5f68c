//! Saying no: recorded with its code, and reported where there is somebody to be told.

use std::time::Duration;

use cofferdam_bundle::{
    Refused, open,
    statement::{Dispatch, Phase, ReportField},
};
use cofferdam_ids::{Code, Explain, Fence, LeaseId};
use cofferdam_ledger::{DispatchRefused, Event};

use super::{Gate, lease};
use crate::{
    drive::Happened,
    error::ExecutorError,
    outcome::{Outcome, report},
};

/// The scheduler sent more dispatches than it was asked for.
const UNASKED: Code = Code(718);

type Reported = ((LeaseId, Fence, Duration), (LeaseId, serde_json::Value));

impl Gate {
    /// A dispatch did not pass steps 1 to 5. Gives its lease and report, where it is one that the
    /// scheduler really signed for this executor and that is not held already.
    pub(super) fn refuse_dispatch(&self, envelope: &[u8], refused: &Refused) -> Option<Reported> {
        let dispatch = open::<Dispatch>(envelope, self.house.root.dispatch_keys()).ok();
        let dispatch = dispatch.as_ref().map(|d| d.statement());
        self.record(dispatch, refused, Phase::Verify);
        // A replay must not end the attempt it is a copy of, and what was meant for another
        // executor is not ours to report.
        let replayed = matches!(refused, Refused::DispatchSeen { .. } | Refused::Fence { .. });
        let foreign = matches!(refused, Refused::Project { .. } | Refused::Audience { .. });
        let dispatch = dispatch.filter(|d| d.audience == self.house.own.executor && !replayed && !foreign)?;
        if self.house.attempts.holds(&dispatch.lease_id) {
            return None;
        }
        let outcome = Outcome::refused(refused, Phase::Verify, refused.retryable());
        let report = report(&self.house, dispatch, &outcome, &[]).ok()?;
        self.house.attempts.hold(&dispatch.lease_id);
        Some((lease(dispatch), (dispatch.lease_id.clone(), report)))
    }

    /// A dispatch that passed steps 1 to 5 did not pass a later one of verification.
    pub(super) fn refuse_verified(&self, dispatch: &Dispatch, refused: &Refused) {
        if matches!(refused, Refused::Equivocation { .. }) {
            self.house.alarm(refused.code(), refused.to_string());
        }
        self.record(Some(dispatch), refused, Phase::Verify);
        let outcome = Outcome::refused(refused, Phase::Verify, refused.retryable());
        self.end(dispatch, &outcome, &[]);
    }

    /// The grants do not allow what the task asks for.
    pub(super) fn refuse_admission(&self, dispatch: &Dispatch, refused: &dyn Explain) {
        self.record(Some(dispatch), refused, Phase::Admit);
        let outcome = Outcome::refused(refused, Phase::Admit, false);
        self.end(dispatch, &outcome, &[]);
    }

    /// What the attempt needs cannot be had.
    pub(super) fn fail(&self, dispatch: &Dispatch, error: &ExecutorError, fields: &[ReportField]) {
        self.record(Some(dispatch), error, Phase::Admit);
        self.end(dispatch, &Outcome::failed(error, Phase::Admit), fields);
    }

    /// More dispatches than slots: the rest of the answer is not looked at.
    pub(super) fn refuse_unasked(&self) {
        let reason = "the scheduler sent more dispatches than it was asked for".to_owned();
        self.house.alarm(UNASKED, reason);
    }

    fn end(&self, dispatch: &Dispatch, outcome: &Outcome, fields: &[ReportField]) {
        self.keep_words(dispatch, outcome);
        match report(&self.house, dispatch, outcome, fields) {
            Ok(report) => self.tell(Happened::Ended(dispatch.lease_id.clone(), report)),
            Err(error) => self.tell(Happened::Unwritable(ExecutorError::below(error))),
        }
    }

    /// So that `cofferdam logs` can say why a task was refused.
    fn keep_words(&self, dispatch: &Dispatch, outcome: &Outcome) {
        let now = self.house.clock.now();
        let kept =
            crate::workers::keep(&self.house, dispatch, outcome, crate::objects::Words::default(), now, None);
        if let Err(error) = kept {
            tracing::warn!(%error, "the reason of a refusal could not be stored");
        }
    }

    fn record(&self, dispatch: Option<&Dispatch>, refused: &dyn Explain, phase: Phase) {
        let code = refused.code();
        let mut reason = refused.to_string();
        let mut source = refused.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        let task = dispatch.map(|d| d.task.to_string());
        tracing::warn!(%code, task, "a dispatch was refused: {reason}");
        let event = DispatchRefused {
            dispatch: dispatch.map(|d| d.dispatch_id.clone()),
            run: dispatch.map(|d| d.run_id.clone()),
            task: dispatch.map(|d| d.task.clone()),
            phase: if phase == Phase::Verify { "verify" } else { "admit" }.to_owned(),
            code,
            reason: cofferdam_call::shorten(&reason, 1024),
        };
        if let Err(error) = self.house.ledger.record(&Event::DispatchRefused(event)) {
            self.tell(Happened::Unwritable(ExecutorError::below(error)));
        }
    }
}

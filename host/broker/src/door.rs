//! Every call of one attempt goes through here, and nowhere else.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cofferdam_call::{Call, CallKind, FailureKind, Refusal, Reply};
use cofferdam_cap_sql::CancelToken;
use cofferdam_grants::{Allowed, Ask, Decision};
use cofferdam_ids::GatewayName;
use cofferdam_ledger::{CapDenied, CapIntent, CapResult, Event, Outcome};

use crate::{
    canceller::{CancelReason, Canceller},
    context::{AttemptContext, Counts},
    facts::{self, Recording},
    handles::{Facts, Handles},
    log::BoundedLog,
    perform::Performed,
    refusals,
    weigh::{Readings, Weighed, weigh},
};

/// Records one attempt may cause. Past it every call is refused with `CD0321`, so that a guest
/// cannot fill the disk that holds the ledger.
pub const RECORDS_MAX: u64 = 400_000;

/// The one door of one attempt.
pub struct Door {
    pub(crate) context: AttemptContext,
    pub(crate) cancel: CancelToken,
    pub(crate) handles: Handles,
    pub(crate) log: BoundedLog,
    pub(crate) counts: Counts,
    readings: Readings,
    rows_out: HashMap<GatewayName, u64>,
    records: u64,
    finished: bool,
}

impl Door {
    /// A door for one attempt. Its wall clock starts now.
    pub fn new(mut context: AttemptContext) -> Self {
        let sink = std::mem::replace(&mut context.log, Box::new(crate::log::NoLog));
        let log = BoundedLog::new(sink, context.limits.log_bytes);
        let deadline = Instant::now().checked_add(Duration::from_millis(context.limits.wall_ms));
        let cancel = CancelToken::new(deadline.map(|at| (at, CancelReason::WallClock.refusal())));
        Self {
            context,
            cancel,
            handles: Handles::default(),
            log,
            counts: Counts::default(),
            readings: Readings::default(),
            rows_out: HashMap::new(),
            records: 0,
            finished: false,
        }
    }

    /// Decides on a call, records the intent, performs it and records the result.
    pub fn call(&mut self, call: Call, payload: Vec<u8>) -> Result<(Reply, Vec<u8>), Refusal> {
        self.counts.calls += 1;
        self.cancel.check()?;
        if self.finished {
            return Err(CancelReason::Asked.refusal());
        }
        let kind = call.kind();
        let (weighed, decided) = self.decide(&call, &payload);
        let allowed = match decided {
            Ok(allowed) => allowed,
            Err((refusal, rule)) => return Err(self.deny(&call, &weighed, refusal, rule)),
        };
        let recording = facts::recording(&call, &weighed);
        self.record_intent(recording, &call, &weighed, &allowed)?;
        let begun = Instant::now();
        let performed = self.perform(call, &payload);
        let cancel = performed.as_ref().err().and_then(facts::cancel);
        let performed = performed.map_err(|refusal| self.as_cancelled(refusal));
        self.record_result(recording, &performed, cancel, begun.elapsed())?;
        if performed.as_ref().is_err_and(|refusal| refusal.kind == FailureKind::Refused) {
            self.counts.denied += 1;
        }
        let Performed { reply, payload, .. } = performed?;
        if !matches!(kind, CallKind::Log | CallKind::Progress) {
            self.counts.bytes_out += payload.len() as u64;
        }
        Ok((reply, payload))
    }

    /// Stops the attempt from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.cancel.clone())
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        let (log_lines, log_lines_dropped) = (self.log.kept, self.log.dropped);
        Counts { log_lines, log_lines_dropped, ..self.counts }
    }

    /// Handles that are open.
    pub fn handles_open(&self) -> usize {
        self.handles.len()
    }

    /// Which attempt it is for.
    pub fn ids(&self) -> &crate::AttemptIds {
        &self.context.ids
    }

    /// Rolls back and closes everything that is open and ends the log. Every later call is
    /// refused. Dropping the door does the same.
    pub fn finish(&mut self) -> Counts {
        if !self.finished {
            self.finished = true;
            self.handles.clear();
            self.log.end((self.context.clock)());
        }
        self.counts()
    }

    #[allow(clippy::type_complexity, reason = "the pair is taken apart at once")]
    fn decide(
        &mut self,
        call: &Call,
        payload: &[u8],
    ) -> (Weighed, Result<Allowed, (Refusal, Option<(String, u32)>)>) {
        if self.records >= RECORDS_MAX {
            let limit = usize::try_from(RECORDS_MAX).unwrap_or(usize::MAX);
            return (Weighed::unknown(), Err((refusals::too_many("records in the ledger", limit), None)));
        }
        let files = &self.context.files;
        let signed = |digest: &_| files.holds(digest);
        let weighed = match weigh(call, payload, &self.handles, &mut self.readings, signed) {
            Ok(weighed) => weighed,
            Err(refusal) => return (Weighed::unknown(), Err((refusal, None))),
        };
        let session = weighed.session.as_ref();
        let rows_out = session.map_or(0, |session| self.rows_out(session));
        let lent = session.map(Facts::lent);
        let decision = self.context.rights.decide(&Ask {
            call,
            session: lent.as_ref(),
            reading: weighed.statement.as_ref().map(|statement| &*statement.reading),
            rows_out,
            signed_statement: weighed.statement.as_ref().is_some_and(|statement| statement.signed),
        });
        let decided = match decision {
            Decision::Allow(allowed) => Ok(allowed),
            Decision::Refuse { refusal, rule } => Err((refusal, rule)),
        };
        (weighed, decided)
    }

    fn rows_out(&self, session: &Facts) -> u64 {
        self.rows_out.get(&session.gateway).copied().unwrap_or(0)
    }

    /// Decides on rows that were read and are about to be handed over: what is over the limit
    /// never leaves.
    pub(crate) fn decide_rows(&mut self, call: &Call, session: &Facts, count: u64) -> Result<(), Refusal> {
        let rows_out = self.rows_out(session).saturating_add(count);
        let lent = session.lent();
        let ask = Ask { call, session: Some(&lent), reading: None, rows_out, signed_statement: false };
        match self.context.rights.decide(&ask) {
            Decision::Refuse { refusal, .. } => Err(refusal),
            Decision::Allow(_) => {
                self.rows_out.insert(session.gateway.clone(), rows_out);
                self.counts.rows_out = self.counts.rows_out.saturating_add(count);
                Ok(())
            }
        }
    }

    /// Records a refusal. Where that fails, the guest learns of the failure instead.
    fn deny(
        &mut self,
        call: &Call,
        weighed: &Weighed,
        refusal: Refusal,
        rule: Option<(String, u32)>,
    ) -> Refusal {
        self.counts.denied += 1;
        if self.records >= RECORDS_MAX {
            self.counts.denied_unrecorded += 1;
            return refusal;
        }
        self.records += 1;
        let event = Event::CapDenied(Box::new(CapDenied {
            at: self.context.ids.at(),
            call: self.counts.calls,
            capability: facts::capability(call.kind()).to_owned(),
            target: facts::target(call, weighed),
            statement: facts::statement(call, weighed),
            code: refusal.code,
            reason: refusal.message.clone(),
            rule: rule.map(|(file, line)| format!("{file}:{line}")),
        }));
        match self.context.ledger.record(&event) {
            Ok(_) => refusal,
            Err(error) => refusals::unrecorded(&error),
        }
    }

    fn record_intent(
        &mut self,
        recording: Recording,
        call: &Call,
        weighed: &Weighed,
        allowed: &Allowed,
    ) -> Result<(), Refusal> {
        if recording == Recording::Counted {
            // Nothing is written, but a ledger that cannot be written stops these calls too.
            return self.context.ledger.usable().map_err(|e| refusals::unrecorded(&e));
        }
        let event = Event::CapIntent(Box::new(CapIntent {
            at: self.context.ids.at(),
            call: self.counts.calls,
            capability: facts::capability(call.kind()).to_owned(),
            target: facts::target(call, weighed),
            statement: facts::statement(call, weighed),
            grant: facts::grant(allowed),
            bytes_in: weighed.bytes_in,
        }));
        self.records += 2;
        let ledger = &self.context.ledger;
        let recorded = match recording {
            Recording::Effect => ledger.record_durable(&event),
            Recording::Quiet | Recording::Counted => ledger.record(&event),
        };
        recorded.map(drop).map_err(|error| refusals::unrecorded(&error))
    }

    fn record_result(
        &mut self,
        recording: Recording,
        performed: &Result<Performed, Refusal>,
        cancel: Option<&str>,
        took: Duration,
    ) -> Result<(), Refusal> {
        if recording == Recording::Counted {
            return Ok(());
        }
        let (outcome, code, rows, bytes_out) = match performed {
            Ok(done) => (Outcome::Done, None, done.rows, done.payload.len() as u64),
            Err(refusal) => {
                // Whether a call that was stopped or lost its connection took effect is not known.
                let unknown = matches!(refusal.kind, FailureKind::Cancelled | FailureKind::Unavailable);
                let outcome = if unknown { Outcome::Unknown } else { Outcome::Failed };
                (outcome, Some(refusal.code), None, 0)
            }
        };
        let event = Event::CapResult(CapResult {
            at: self.context.ids.at(),
            call: self.counts.calls,
            outcome,
            code,
            rows,
            bytes_out,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            peer: performed.as_ref().ok().and_then(|done| done.peer.clone()).map(Box::new),
            cancel: cancel.map(str::to_owned),
            publish: performed.as_ref().ok().and_then(|done| done.publish.clone()).map(Box::new),
        });
        self.context.ledger.record(&event).map(drop).map_err(|error| refusals::result_unrecorded(&error))
    }

    /// A call that failed because the attempt was stopped says so, and why.
    fn as_cancelled(&self, refusal: Refusal) -> Refusal {
        match (refusal.kind, self.cancel.check()) {
            (FailureKind::Cancelled, Err(why)) => why,
            _ => refusal,
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.finish();
    }
}

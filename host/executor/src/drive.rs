//! The executor's conversation with its scheduler: polls, renewals, reports.
//!
//! In: what happened, from the network, the gate and the workers. Out: calls to the scheduler and
//! reasons to stop attempts, as [`cofferdam_protocol`]'s executor loop says.
//! Never: verifies, compiles or runs anything. It has a thread and a runtime of its own, so that
//! leases are renewed however busy the rest is.
//! Fails: not at all; calls that fail are repeated after a growing pause.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`, "leases".

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_bundle::{
    sign,
    statement::{LedgerHead, Poll, SPEC, Wanted},
};
use cofferdam_client::ClientError;
use cofferdam_ids::{Explain, Fence, LeaseId, Nonce};
use cofferdam_protocol::{
    api::{HeldLease, LeaseAnswer, Renew, ReportAnswer, Reports},
    executor_loop::{Action, ExecutorLoop, LoopLimits, StopReason},
};
use tokio::{sync::mpsc, task::AbortHandle, time::sleep};

use crate::{
    attempts::stop,
    error::ExecutorError,
    gate::{Answered, GateSender},
    house::House,
};

/// Something the conversation must know.
#[derive(Debug)]
pub enum Happened {
    /// The gate has looked at the dispatches of an answer: the leases that are held from now on.
    Taken(Vec<(LeaseId, Fence, Duration)>),
    /// A poll gave no answer.
    PollFailed,
    /// Leases were answered.
    Renewed(Vec<HeldLease>, Vec<LeaseAnswer>),
    /// A renewal gave no answer.
    RenewFailed,
    /// An attempt ended; its signed report.
    Ended(LeaseId, serde_json::Value),
    /// Reports were answered.
    Reported(Vec<LeaseId>, Vec<ReportAnswer>),
    /// A call with reports gave no answer.
    ReportFailed,
    /// Take no more work.
    Drain,
    /// Do not wait for what runs any longer: stop it.
    StopAll,
    /// Do not wait for what was stopped any longer.
    GiveUp,
    /// Journal or ledger cannot be written: nothing may be started any more.
    Unwritable(ExecutorError),
}

/// How the conversation ended.
#[derive(Debug)]
pub enum End {
    /// Everything was reported.
    Drained,
    /// Attempts that were stopped did not end in time.
    GivenUp,
    /// Journal or ledger cannot be written.
    Unwritable(ExecutorError),
}

/// Tells the conversation.
pub type Events = mpsc::UnboundedSender<Happened>;

/// What the conversation needs.
pub struct Driver {
    house: Arc<House>,
    gate: GateSender,
    events: Events,
    state: ExecutorLoop,
    began: Instant,
    reports: HashMap<LeaseId, serde_json::Value>,
    poll_seq: u64,
    polling: Option<AbortHandle>,
}

impl Driver {
    /// A conversation that has not begun.
    pub fn new(house: Arc<House>, gate: GateSender, events: Events) -> Self {
        let limits = LoopLimits { slots: house.config.slots, ..LoopLimits::default() };
        Self {
            house,
            gate,
            events,
            state: ExecutorLoop::new(limits),
            began: Instant::now(),
            reports: HashMap::new(),
            poll_seq: 0,
            polling: None,
        }
    }

    /// Converses until drained.
    pub async fn run(mut self, mut happened: mpsc::UnboundedReceiver<Happened>) -> End {
        loop {
            let step = self.state.step(self.now());
            for action in step.actions {
                if action == Action::Done {
                    return End::Drained;
                }
                self.act(action);
            }
            let wake_at = step.wake_at.unwrap_or(self.now() + Duration::from_secs(60));
            let mut next = tokio::select! {
                event = happened.recv() => event,
                () = sleep(wake_at.saturating_sub(self.now())) => None,
            };
            // Whatever else came meanwhile belongs into the same step: calls batch better.
            while let Some(event) = next {
                match event {
                    Happened::GiveUp => return End::GivenUp,
                    Happened::Unwritable(error) => return End::Unwritable(error),
                    event => self.take(event),
                }
                next = happened.try_recv().ok();
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn take(&mut self, event: Happened) {
        let now = self.now();
        match event {
            Happened::Taken(leases) => self.state.poll_answered(now, leases),
            Happened::PollFailed => self.state.poll_failed(now),
            Happened::Renewed(leases, answers) => {
                for action in self.state.renewed(&leases, &answers) {
                    self.act(action);
                }
            }
            Happened::RenewFailed => self.state.renew_failed(now),
            Happened::Ended(lease, report) => {
                self.reports.insert(lease.clone(), report);
                self.state.attempt_ended(&lease);
            }
            Happened::Reported(leases, answers) => {
                self.state.reports_answered(&leases, &answers);
                for lease in leases {
                    self.reports.remove(&lease);
                    self.house.attempts.release(&lease);
                }
            }
            Happened::ReportFailed => self.state.reports_failed(now),
            Happened::Drain => self.state.drain(),
            Happened::StopAll => self.house.attempts.stop_all(stop::DRAINING),
            Happened::GiveUp | Happened::Unwritable(_) => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Poll { slots_free, wait_ms } => self.poll(slots_free, wait_ms),
            Action::AbandonPoll => self.abandon_poll(),
            Action::Renew { leases } => self.renew(leases),
            Action::Report { leases } => self.report(leases),
            Action::Stop { lease_id, why } => {
                let code = match why {
                    StopReason::Cancelled => stop::CANCELLED,
                    StopReason::Lost | StopReason::Expired => stop::LEASE_LOST,
                };
                tracing::warn!(lease = %lease_id, %code, "an attempt is told to stop");
                self.house.attempts.stop(&lease_id, code);
            }
            Action::Done => {}
        }
    }

    /// A poll with a nonce that is used for this answer and no other.
    fn poll(&mut self, slots_free: u32, wait_ms: u32) {
        let mut nonce = [0; 32];
        if let Err(error) = getrandom::fill(&mut nonce) {
            tracing::error!(%error, "the kernel gave no random bytes; no poll is sent");
            let _ = self.events.send(Happened::PollFailed);
            return;
        }
        let nonce = Nonce::from_bytes(nonce);
        self.poll_seq += 1;
        let house = Arc::clone(&self.house);
        let head = house.ledger.head();
        let poll = Poll {
            kind: "poll".into(),
            spec: SPEC,
            executor: house.own.executor.clone(),
            cluster: house.config.cluster.clone(),
            pool: house.config.pool.clone(),
            role: house.config.role,
            nonce,
            boot: house.boot.clone(),
            poll_seq: self.poll_seq,
            version: house.version.to_owned(),
            wanted: Wanted { slots_free, wait_ms },
            ledger: LedgerHead { size: head.size, head: head.hash },
        };
        let envelope = sign(&poll, &[&house.own.signing]);
        let (gate, events) = (self.gate.clone(), self.events.clone());
        let sent_at = Instant::now();
        let task = tokio::spawn(async move {
            match house.scheduler.poll(envelope, wait_ms).await {
                Ok(answer) => {
                    house.health.reached(true);
                    let asked = slots_free as usize;
                    gate.answered(Answered { nonce, sent_at, asked, dispatches: answer.dispatches });
                }
                Err(error) => {
                    house.health.reached(false);
                    warn("poll", &error);
                    let _ = events.send(Happened::PollFailed);
                }
            }
        });
        self.polling = Some(task.abort_handle());
    }

    fn abandon_poll(&mut self) {
        if let Some(poll) = self.polling.take() {
            poll.abort();
        }
        let _ = self.events.send(Happened::PollFailed);
    }

    fn renew(&self, leases: Vec<HeldLease>) {
        let (house, events) = (Arc::clone(&self.house), self.events.clone());
        tokio::spawn(async move {
            let event = match house.scheduler.renew(Renew { leases: leases.clone() }).await {
                Ok(renewed) if renewed.leases.len() == leases.len() => {
                    Happened::Renewed(leases, renewed.leases)
                }
                Ok(_) => Happened::RenewFailed,
                Err(error) => {
                    warn("renew leases", &error);
                    Happened::RenewFailed
                }
            };
            let _ = events.send(event);
        });
    }

    /// Sends reports; what they stand on is durable in the ledger before.
    fn report(&self, leases: Vec<LeaseId>) {
        let reports: Vec<_> = leases.iter().filter_map(|l| self.reports.get(l).cloned()).collect();
        let (house, events) = (Arc::clone(&self.house), self.events.clone());
        tokio::spawn(async move {
            let ledger = Arc::clone(&house.ledger);
            let flushed = tokio::task::spawn_blocking(move || ledger.flush()).await;
            // Nothing is reported that the ledger does not hold; the leases run out.
            match flushed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let _ = events.send(Happened::Unwritable(ExecutorError::below(error)));
                    return;
                }
                Err(_) => {
                    let _ = events.send(Happened::ReportFailed);
                    return;
                }
            }
            let event = match house.scheduler.report(Reports { reports }).await {
                Ok(taken) if taken.answers.len() == leases.len() => {
                    let refused = taken.answers.iter().filter(|a| **a != ReportAnswer::Taken).count();
                    if refused > 0 {
                        tracing::warn!(refused, "reports were not taken: their leases are another's");
                    }
                    Happened::Reported(leases, taken.answers)
                }
                Ok(_) => Happened::ReportFailed,
                Err(error) => {
                    warn("report", &error);
                    Happened::ReportFailed
                }
            };
            let _ = events.send(event);
        });
    }
}

fn warn(what: &str, error: &ClientError) {
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(code = %error.code(), %error, why, "could not {what}; trying again");
}

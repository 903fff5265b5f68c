//! What an executor does next: ask for work, renew leases, report, stop an attempt, or be done.
//!
//! In: what happened ([`ExecutorLoop::poll_answered`] and its kin) and the monotonic clock, a
//! [`Duration`] since any fixed moment. Out: [`Step`]: what to do now, and when to ask again.
//! Never: does IO, reads a clock, or waits. One poll, one renewal and one report call are under way
//! at most, so calls batch by themselves while the network is slow.
//! Fails: not at all; an answer about a lease that is not held any more is ignored.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`, "leases".

use std::{collections::BTreeMap, time::Duration};

use cofferdam_ids::{Fence, LeaseId};

use crate::api::{
    DISPATCHES_MAX, HeldLease, LeaseAnswer, RENEWALS_MAX, REPORTS_MAX, ReportAnswer, WAIT_MS_MAX,
};

/// Pauses and limits of the loop.
#[derive(Clone, Copy, Debug)]
pub struct LoopLimits {
    /// Attempts at once, at least 1.
    pub slots: u32,
    /// How long a poll may wait for work, at most [`WAIT_MS_MAX`].
    pub poll_wait_ms: u32,
    /// The pause after the first failed call; doubled with each further one.
    pub pause_min: Duration,
    /// The longest pause between calls that fail.
    pub pause_max: Duration,
}

impl Default for LoopLimits {
    fn default() -> Self {
        Self {
            slots: 4,
            poll_wait_ms: 20_000,
            pause_min: Duration::from_millis(200),
            pause_max: Duration::from_secs(15),
        }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a poll with a fresh nonce. Answer with `poll_answered` or `poll_failed`.
    Poll {
        /// Free slots to name in it.
        slots_free: u32,
        /// How long it may wait.
        wait_ms: u32,
    },
    /// Give up a poll that waits, because a drain began; then call `poll_failed`.
    AbandonPoll,
    /// Renew these leases. Answer with `renewed` or `renew_failed`.
    Renew {
        /// The leases.
        leases: Vec<HeldLease>,
    },
    /// Send the reports of these attempts in one call. Answer with `reports_answered` or
    /// `reports_failed`.
    Report {
        /// The leases whose reports to send, oldest first.
        leases: Vec<LeaseId>,
    },
    /// Stop an attempt; `attempt_ended` follows when it has stopped. Said once.
    Stop {
        /// Its lease.
        lease_id: LeaseId,
        /// Why.
        why: StopReason,
    },
    /// Drained: nothing runs and nothing is left to report.
    Done,
}

/// Why an attempt is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The run was cancelled.
    Cancelled,
    /// The scheduler says the lease is another's.
    Lost,
    /// The lease could not be renewed in time: another executor may be given the task.
    Expired,
}

/// What to do now and when to ask again, if nothing happens before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// In this order.
    pub actions: Vec<Action>,
    /// When to call [`ExecutorLoop::step`] again at the latest.
    pub wake_at: Option<Duration>,
}

/// The loop's memory.
#[derive(Debug)]
pub struct ExecutorLoop {
    limits: LoopLimits,
    held: BTreeMap<LeaseId, Held>,
    reports: Vec<LeaseId>,
    polling: Call,
    renewing: Call,
    reporting: Call,
    abandoned: bool,
    draining: bool,
}

#[derive(Debug)]
struct Held {
    fence: Fence,
    term: Duration,
    /// When the term that is running began, as far as it is known for certain.
    since: Duration,
    stop_said: bool,
    ended: bool,
}

/// One kind of call: at most one under way, with a growing pause after failures.
#[derive(Debug, Default)]
struct Call {
    sent_at: Option<Duration>,
    failures: u32,
    not_before: Duration,
}

impl Call {
    fn is_due(&self, now: Duration) -> bool {
        self.sent_at.is_none() && now >= self.not_before
    }

    fn succeeded(&mut self) -> Option<Duration> {
        self.failures = 0;
        self.sent_at.take()
    }

    fn failed(&mut self, now: Duration, limits: &LoopLimits) {
        self.sent_at = None;
        let pause = limits.pause_min.saturating_mul(1 << self.failures.min(16)).min(limits.pause_max);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + pause;
    }
}

impl ExecutorLoop {
    /// A loop that holds nothing.
    pub fn new(limits: LoopLimits) -> Self {
        let limits = LoopLimits {
            slots: limits.slots.max(1),
            poll_wait_ms: limits.poll_wait_ms.min(WAIT_MS_MAX),
            ..limits
        };
        Self {
            limits,
            held: BTreeMap::new(),
            reports: Vec::new(),
            polling: Call::default(),
            renewing: Call::default(),
            reporting: Call::default(),
            abandoned: false,
            draining: false,
        }
    }

    /// What to do now. Every action said counts as begun.
    pub fn step(&mut self, now: Duration) -> Step {
        let mut actions = Vec::new();
        self.stop_expired(now, &mut actions);
        if self.renewing.is_due(now) && self.renew_at().is_some_and(|at| now >= at) {
            self.renewing.sent_at = Some(now);
            let leases =
                self.renewable().map(|(id, held)| HeldLease { lease_id: id.clone(), fence: held.fence });
            actions.push(Action::Renew { leases: leases.take(RENEWALS_MAX).collect() });
        }
        if self.reporting.is_due(now) && !self.reports.is_empty() {
            self.reporting.sent_at = Some(now);
            let leases = self.reports.iter().take(REPORTS_MAX).cloned().collect();
            actions.push(Action::Report { leases });
        }
        let free = self.slots_free();
        if self.draining {
            if self.polling.sent_at.is_some() && !self.abandoned {
                self.abandoned = true;
                actions.push(Action::AbandonPoll);
            }
            if self.held.is_empty() && self.reports.is_empty() && self.polling.sent_at.is_none() {
                actions.push(Action::Done);
            }
        } else if self.polling.is_due(now) && free > 0 {
            self.polling.sent_at = Some(now);
            actions.push(Action::Poll { slots_free: free, wait_ms: self.limits.poll_wait_ms });
        }
        Step { actions, wake_at: self.wake_at(now) }
    }

    /// Slots without an attempt, at most what one poll may ask for.
    pub fn slots_free(&self) -> u32 {
        let busy = self.held.values().filter(|h| !h.ended).count();
        let free = self.limits.slots.saturating_sub(u32::try_from(busy).unwrap_or(u32::MAX));
        free.min(DISPATCHES_MAX as u32)
    }

    /// Leases held: attempts that run or whose reports are not taken yet.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The poll was answered with these leases (all of them, also those that will be refused:
    /// a refusal is an attempt that ends at once). Their terms count from now.
    pub fn poll_answered(
        &mut self,
        now: Duration,
        leases: impl IntoIterator<Item = (LeaseId, Fence, Duration)>,
    ) {
        self.polling.succeeded();
        self.polling.not_before = now;
        for (lease_id, fence, term) in leases {
            let held = Held { fence, term, since: now, stop_said: false, ended: false };
            self.held.insert(lease_id, held);
        }
    }

    /// The poll gave no answer.
    pub fn poll_failed(&mut self, now: Duration) {
        self.polling.failed(now, &self.limits);
    }

    /// Leases were answered, in the order of the [`Action::Renew`].
    pub fn renewed(&mut self, leases: &[HeldLease], answers: &[LeaseAnswer]) -> Vec<Action> {
        let sent_at = self.renewing.succeeded().unwrap_or_default();
        let mut actions = Vec::new();
        for (lease, answer) in leases.iter().zip(answers) {
            let Some(held) = self.held.get_mut(&lease.lease_id) else { continue };
            let why = match answer {
                LeaseAnswer::Renewed => {
                    held.since = held.since.max(sent_at);
                    continue;
                }
                LeaseAnswer::Cancel => {
                    held.since = held.since.max(sent_at);
                    StopReason::Cancelled
                }
                LeaseAnswer::Lost => StopReason::Lost,
            };
            if !held.stop_said && !held.ended {
                held.stop_said = true;
                actions.push(Action::Stop { lease_id: lease.lease_id.clone(), why });
            }
        }
        actions
    }

    /// The renewal gave no answer.
    pub fn renew_failed(&mut self, now: Duration) {
        self.renewing.failed(now, &self.limits);
    }

    /// An attempt ended and its report is ready to be sent. Its slot is free; its lease is renewed
    /// until the report is taken.
    pub fn attempt_ended(&mut self, lease_id: &LeaseId) {
        if let Some(held) = self.held.get_mut(lease_id)
            && !held.ended
        {
            held.ended = true;
            self.reports.push(lease_id.clone());
        }
    }

    /// Reports were answered, in the order of the [`Action::Report`]; whatever the answer, they are
    /// done with.
    pub fn reports_answered(&mut self, leases: &[LeaseId], answers: &[ReportAnswer]) {
        self.reporting.succeeded();
        for (lease_id, _) in leases.iter().zip(answers) {
            self.held.remove(lease_id);
            self.reports.retain(|r| r != lease_id);
        }
    }

    /// The call with reports gave no answer: they are sent again.
    pub fn reports_failed(&mut self, now: Duration) {
        self.reporting.failed(now, &self.limits);
    }

    /// Takes no more work; what runs goes on to its end.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    fn stop_expired(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for (lease_id, held) in &mut self.held {
            if now >= held.ends_at() && !held.stop_said && !held.ended {
                held.stop_said = true;
                actions.push(Action::Stop { lease_id: lease_id.clone(), why: StopReason::Expired });
            }
        }
    }

    fn renewable(&self) -> impl Iterator<Item = (&LeaseId, &Held)> {
        self.held.iter().filter(|(_, h)| !h.stop_said || h.ended)
    }

    fn renew_at(&self) -> Option<Duration> {
        self.renewable().map(|(_, h)| h.since + h.term / 3).min()
    }

    fn wake_at(&self, now: Duration) -> Option<Duration> {
        let ends = self.held.values().filter(|h| !h.stop_said && !h.ended).map(Held::ends_at).min();
        let renew = self.renew_at().map(|at| at.max(self.renewing.not_before));
        let renew = renew.filter(|_| self.renewing.sent_at.is_none());
        let report = self.reporting.sent_at.is_none() && !self.reports.is_empty();
        let poll = self.polling.sent_at.is_none() && !self.draining && self.slots_free() > 0;
        let calls = [report.then_some(self.reporting.not_before), poll.then_some(self.polling.not_before)];
        [ends, renew].into_iter().chain(calls).flatten().min().map(|at| at.max(now))
    }
}

impl Held {
    /// When the attempt must have been told to stop: a tenth of the term before the scheduler may
    /// give the task to another.
    fn ends_at(&self) -> Duration {
        self.since + self.term - self.term / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn lease(n: u32) -> LeaseId {
        LeaseId::new(format!("lease_{n:036}")).unwrap()
    }

    fn holding(n: u32) -> ExecutorLoop {
        let mut it = ExecutorLoop::new(LoopLimits { slots: 2, ..LoopLimits::default() });
        it.step(seconds(0));
        it.poll_answered(seconds(0), (0..n).map(|i| (lease(i), Fence(i.into()), seconds(60))));
        it
    }

    #[test]
    fn an_idle_loop_polls_once_for_all_its_slots() {
        let mut it = ExecutorLoop::new(LoopLimits { slots: 2, ..LoopLimits::default() });
        let step = it.step(seconds(0));
        assert_eq!(step.actions, [Action::Poll { slots_free: 2, wait_ms: 20_000 }]);
        assert_eq!(it.step(seconds(1)).actions, [], "one poll is under way");
    }

    #[test]
    fn a_full_loop_does_not_poll_and_polls_when_a_slot_is_free() {
        let mut it = holding(2);
        assert_eq!(it.step(seconds(1)).actions, []);
        it.attempt_ended(&lease(0));
        let expected =
            [Action::Report { leases: vec![lease(0)] }, Action::Poll { slots_free: 1, wait_ms: 20_000 }];
        assert_eq!(it.step(seconds(2)).actions, expected);
    }

    #[test]
    fn leases_are_renewed_at_a_third_of_their_term() {
        let mut it = holding(2);
        let step = it.step(seconds(19));
        assert_eq!((step.actions, step.wake_at), (vec![], Some(seconds(20))));
        let leases: Vec<_> =
            (0..2).map(|i| HeldLease { lease_id: lease(i), fence: Fence(i.into()) }).collect();
        assert_eq!(it.step(seconds(20)).actions, [Action::Renew { leases: leases.clone() }]);
        assert_eq!(it.renewed(&leases, &[LeaseAnswer::Renewed; 2]), []);
        assert_eq!(it.step(seconds(39)).wake_at, Some(seconds(40)));
    }

    #[test]
    fn an_attempt_whose_lease_cannot_be_renewed_is_stopped_before_it_ends() {
        let mut it = holding(1);
        let mut now = seconds(0);
        loop {
            let step = it.step(now);
            if step.actions.iter().any(|a| matches!(a, Action::Renew { .. })) {
                it.renew_failed(now);
            }
            if step.actions.iter().any(|a| matches!(a, Action::Stop { why: StopReason::Expired, .. })) {
                break;
            }
            now = step.wake_at.filter(|at| *at > now).unwrap_or(now + Duration::from_millis(100));
        }
        assert_eq!(now, seconds(54));
        let stops = it.step(now).actions.iter().filter(|a| matches!(a, Action::Stop { .. })).count();
        assert_eq!(stops, 0, "a stop is said once");
    }

    #[test]
    fn a_cancelled_and_a_lost_attempt_are_stopped_with_their_reasons() {
        let mut it = holding(2);
        it.step(seconds(20));
        let leases: Vec<_> =
            (0..2).map(|i| HeldLease { lease_id: lease(i), fence: Fence(i.into()) }).collect();
        let actions = it.renewed(&leases, &[LeaseAnswer::Cancel, LeaseAnswer::Lost]);
        let stop = |n, why| Action::Stop { lease_id: lease(n), why };
        assert_eq!(actions, [stop(0, StopReason::Cancelled), stop(1, StopReason::Lost)]);
    }

    #[test]
    fn a_report_is_sent_again_until_it_is_answered() {
        let mut it = holding(1);
        it.attempt_ended(&lease(0));
        let report = Action::Report { leases: vec![lease(0)] };
        assert!(it.step(seconds(1)).actions.contains(&report));
        it.reports_failed(seconds(1));
        let step = it.step(seconds(1));
        assert!(!step.actions.contains(&report), "not before the pause");
        assert_eq!(step.wake_at, Some(Duration::from_millis(1200)));
        assert!(it.step(seconds(2)).actions.contains(&report));
        it.reports_answered(&[lease(0)], &[ReportAnswer::Taken]);
        assert_eq!(it.held(), 0);
    }

    #[test]
    fn a_draining_loop_polls_no_more_and_is_done_when_all_is_reported() {
        let mut it = holding(1);
        it.step(seconds(1));
        it.drain();
        assert_eq!(it.step(seconds(2)).actions, [Action::AbandonPoll]);
        it.poll_failed(seconds(2));
        it.attempt_ended(&lease(0));
        assert_eq!(it.step(seconds(3)).actions, [Action::Report { leases: vec![lease(0)] }]);
        it.reports_answered(&[lease(0)], &[ReportAnswer::Stale]);
        assert_eq!(it.step(seconds(4)).actions, [Action::Done]);
    }
}

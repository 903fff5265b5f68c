//! The executor's slots: one thread each, running one admitted attempt after the other.
//!
//! In: jobs from the gate, whose admission is durable. Out: their results in the object store,
//! their records in the ledger, their signed reports.
//! Never: starts what was stopped meanwhile; frees a slot before the door is closed.
//! Fails: an attempt whose runner is gone fails as retryable, and the next one gets a new runner.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cofferdam_broker::{
    AttemptContext, AttemptIds, CancelReason, Canceller, Counts, Door, Gateways, LogSink, serve_lane,
};
use cofferdam_bundle::statement::{Dispatch, Phase, ReportState};
use cofferdam_call::{AttemptEnd, EndState, Usage};
use cofferdam_ids::{Code, ProjectId, Sha256Digest, Timestamp};

use crate::{
    attempts::{Running, Stopped, stop},
    drive::{Events, Happened},
    earlier::EarlierAttempts,
    error::ExecutorError,
    gate::Admitted,
    health::Pool,
    house::House,
    objects::{AttemptName, AttemptResult, Words},
    outcome::{Outcome, report},
    release::ReadyRelease,
    runners::{Lane, ReleaseRunner},
};

/// Characters of a project's label that stand before its digest.
const LABEL_SHOWN: usize = 40;

/// An admitted attempt and what it runs on.
pub struct Job {
    /// The attempt.
    pub attempt: Admitted,
    /// Its release.
    pub ready: Arc<ReadyRelease>,
}

/// Jobs that wait for a slot. There are never more than slots, because the gate takes no more
/// dispatches than slots are free.
#[derive(Default)]
pub struct Queue {
    state: Mutex<(VecDeque<Job>, bool)>,
    changed: Condvar,
}

impl Queue {
    /// Adds a job.
    pub fn push(&self, job: Job) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(job);
        self.changed.notify_one();
    }

    /// No more jobs come; workers end when the queue is empty.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = state.0.pop_front() {
                return Some(job);
            }
            if state.1 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts one thread a slot.
pub fn start(
    house: &Arc<House>,
    queue: &Arc<Queue>,
    events: &Events,
) -> Result<Vec<JoinHandle<()>>, ExecutorError> {
    (0..house.config.slots)
        .map(|slot| {
            let (house, queue, events) = (Arc::clone(house), Arc::clone(queue), events.clone());
            thread::Builder::new()
                .name(format!("slot-{slot}"))
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        run(&house, &job, &events);
                    }
                })
                .map_err(|e| ExecutorError::RunnerStart(e.to_string()))
        })
        .collect()
}

/// One attempt, from its lane to its report.
fn run(house: &House, job: &Job, events: &Events) {
    let order = job.attempt.dispatch.statement();
    let began = Instant::now();
    let log = MemoryLog::default();
    let (outcome, usage, counts) = on_lane(house, job, &log);
    let ids = ids(house, order);
    let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let word = match (outcome.state, outcome.code) {
        (_, Some(stop::LEASE_LOST)) => "lost",
        (ReportState::Cancelled, _) => "cancelled",
        (ReportState::Failed, Some(code)) if code != crate::outcome::TASK_FAILED => "stopped",
        _ => outcome.word(),
    };
    let recorded = house.ledger.record(&counts.ended(&ids, word, outcome.code, wall_ms));
    let kept = keep(house, order, &outcome, log.take(), job.attempt.at, Some(usage));
    if let Err(error) = kept {
        // Work that was done counts, even where its words are lost.
        tracing::error!(%error, task = %order.task, "an attempt's result could not be stored");
    }
    let fields = job.attempt.report_fields();
    match recorded.and_then(|_| report(house, order, &outcome, &fields)) {
        Ok(report) => {
            let _ = events.send(Happened::Ended(order.lease_id.clone(), report));
        }
        // Without its record nothing is told; the lease runs out and the task is tried again.
        Err(error) => {
            let _ = events.send(Happened::Unwritable(ExecutorError::below(error)));
        }
    }
}

fn on_lane(house: &House, job: &Job, log: &MemoryLog) -> (Outcome, Usage, Counts) {
    let failed =
        |error: &ExecutorError| (Outcome::failed(error, Phase::Run), Usage::default(), Counts::default());
    let release = job.attempt.release.digest;
    let runner = match house.runners.get(release, || job.ready.artifacts(house)) {
        Ok(runner) => runner,
        Err(error) => return failed(&error),
    };
    let Some(lane) = runner.take_lane() else {
        return failed(&ExecutorError::RunnerDied("it has no free lane".into()));
    };
    let mut door = Door::new(context(house, job, log));
    let lease = &job.attempt.dispatch.statement().lease_id;
    let running = running(&runner, &lane, door.canceller(), job);
    if let Err(stopped) = house.attempts.started(lease, running) {
        runner.put_back(lane);
        return (Outcome::stopped(stopped), Usage::default(), door.finish());
    }
    let served = serve_lane(&lane.stream, job.attempt.plan(), &mut door);
    let told = house.attempts.ended(lease);
    let counts = door.finish();
    house.health.pools(|| pools(house));
    let usage = served.end.usage;
    let outcome = match served.usable {
        true => {
            runner.put_back(Lane { next_start: lane.next_start + 1, ..lane });
            Outcome::ended(served.end, told)
        }
        false => lost_runner(&runner, served.end, told),
    };
    (outcome, usage, counts)
}

/// The lane broke: the runner is gone, hangs, or does not keep to the protocol. It is ended, and
/// the next attempt gets another one.
fn lost_runner(runner: &ReleaseRunner, end: AttemptEnd, told: Option<Stopped>) -> Outcome {
    if let Some(told) = told {
        runner.process.kill();
        return Outcome::stopped(told);
    }
    let words = match &end.state {
        EndState::Stopped { message, .. } => message.clone(),
        _ => String::new(),
    };
    let how = runner.process.last_words();
    runner.process.kill();
    let ran = Some(Duration::from_micros(end.usage.wall_us));
    Outcome { ran, ..Outcome::failed(&ExecutorError::RunnerDied(format!("{words}; {how}")), Phase::Run) }
}

fn running(runner: &Arc<ReleaseRunner>, lane: &Lane, canceller: Canceller, job: &Job) -> Running {
    Running {
        runner: Arc::clone(runner),
        lane: lane.index,
        start: lane.next_start,
        cancel: Box::new(move |code| canceller.cancel(reason(code))),
        wall: Duration::from_millis(job.attempt.admission.limits().wall_ms),
    }
}

fn reason(code: Code) -> CancelReason {
    match code {
        stop::TIME => CancelReason::WallClock,
        stop::LEASE_LOST => CancelReason::LeaseLost,
        _ => CancelReason::Asked,
    }
}

fn context(house: &House, job: &Job, log: &MemoryLog) -> AttemptContext {
    AttemptContext {
        ids: ids(house, job.attempt.dispatch.statement()),
        rights: Arc::new(job.attempt.admission.clone()),
        files: Arc::clone(&job.ready.files),
        gateways: Arc::new(gateways(house)),
        ledger: Arc::clone(&house.ledger),
        log: Box::new(log.clone()),
        earlier: Box::new(EarlierAttempts::new(house.objects.clone(), &job.attempt)),
        limits: job.attempt.admission.limits(),
        clock: house.clock.reader(),
    }
}

/// The gateways as they are now: the attempt keeps them until its end.
fn gateways(house: &House) -> Gateways {
    let (gateways, warnings) = house.gateways.attempt();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    gateways
}

fn pools(house: &House) -> Vec<Pool> {
    let held = house.gateways.pools().into_iter();
    let said = held.flat_map(|(gateway, pools)| {
        pools.into_iter().map(move |pool| Pool {
            gateway: gateway.to_string(),
            mode: pool.access.to_string(),
            generation: pool.generation,
            in_use: pool.in_use,
            idle: pool.idle,
            limit: pool.limit,
        })
    });
    said.collect()
}

fn ids(house: &House, order: &Dispatch) -> AttemptIds {
    AttemptIds {
        project: identity(&order.project, house.root.digest()),
        fence: order.fence,
        run: order.run_id.clone(),
        task: order.task.clone(),
        attempt: order.attempt,
        dispatch: order.dispatch_id.clone(),
    }
}

/// A project as a warehouse knows it. Its label is not enough: two projects of one label may share a
/// warehouse, and a label may come to mean another trust root.
fn identity(label: &ProjectId, root: Sha256Digest) -> ProjectId {
    let shown = label.as_str().get(..LABEL_SHOWN).unwrap_or(label.as_str());
    let root = root.to_string();
    let whole = format!("{shown}-{}", root.get(..16).unwrap_or(&root));
    ProjectId::new(whole).unwrap_or_else(|_| label.clone())
}

/// Keeps what came of an attempt in the object store.
pub fn keep(
    house: &House,
    order: &Dispatch,
    outcome: &Outcome,
    words: Words,
    started_at: Timestamp,
    usage: Option<Usage>,
) -> Result<(), ExecutorError> {
    let ended_at = house.clock.now();
    let result = AttemptResult {
        release: order.release_sha256,
        state: outcome.word().into(),
        code: outcome.code,
        guest_code: outcome.guest_code.clone(),
        message: outcome.message.clone(),
        rows_affected: outcome.rows,
        started_at,
        ended_at,
        duration_ms: u64::try_from(ended_at.since(started_at).as_millis()).unwrap_or(u64::MAX),
        usage: usage.unwrap_or_default(),
    };
    let name = AttemptName { run: &order.run_id, task: &order.task, attempt: order.attempt };
    house.objects.keep(name, words, &result)
}

/// An attempt's log until it ends; the door keeps it within its limit.
#[derive(Clone, Default)]
struct MemoryLog(Arc<Mutex<Words>>);

impl MemoryLog {
    fn take(&self) -> Words {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogSink for MemoryLog {
    fn line(&mut self, line: &str) -> io::Result<()> {
        let log = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).log;
        log.extend_from_slice(line.as_bytes());
        log.push(b'\n');
        Ok(())
    }

    fn keep(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.files.insert(name.to_owned(), content.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_of_one_label_and_two_roots_are_two() {
        let label = ProjectId::new("prj_shop").expect("a label");
        let of = |root: &[u8]| identity(&label, Sha256Digest::of(root)).to_string();
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one"), of(b"two"));
        assert!(of(b"one").starts_with("prj_shop-"), "{}", of(b"one"));
        let long = ProjectId::new(format!("prj_{}", "x".repeat(56))).expect("the longest label");
        assert_ne!(identity(&long, Sha256Digest::of(b"one")), long);
    }
}

//! The attempts this executor holds: how each is told to stop, and what happens when it does not.
//!
//! In: starts, ends and reasons to stop. Out: a cancel on the control socket and on the broker's
//! side of the lane, and, where the attempt has not ended [`STOP_TIME_MAX`] later, the end of its
//! runner.
//! Never: waits for a guest. A lane that hangs costs its runner, not the executor.
//! Source: facts on cancellation that does not cancel; `host/protocol`'s executor loop.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use cofferdam_ids::{Code, LeaseId};

use crate::{error::ExecutorError, runners::ReleaseRunner};

/// How long an attempt may take to end once it was told to.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// How much later than the runner the broker looks at the wall-clock limit: a guest that spins
/// is stopped by the runner itself, and one that waits inside a call by the broker.
const WALL_MARGIN: Duration = Duration::from_millis(100);
/// How often running attempts are looked at.
const WATCH_PAUSE: Duration = Duration::from_millis(50);

/// Codes an attempt may be stopped with; the sandbox's own, and one of the executor's.
pub mod stop {
    use cofferdam_ids::Code;

    /// The wall-clock limit.
    pub const TIME: Code = Code(410);
    /// The run was cancelled.
    pub const CANCELLED: Code = Code(411);
    /// The lease is another's, or could not be renewed.
    pub const LEASE_LOST: Code = Code(412);
    /// The executor is being stopped.
    pub const DRAINING: Code = Code(730);
}

/// What a running attempt is made of, as far as stopping it goes.
pub struct Running {
    /// Where it runs.
    pub runner: Arc<ReleaseRunner>,
    /// On which lane.
    pub lane: u32,
    /// Which start on that lane.
    pub start: u64,
    /// Interrupts what the broker does for it.
    pub cancel: Box<dyn Fn(Code) + Send + Sync>,
    /// Its wall-clock limit.
    pub wall: Duration,
}

#[derive(Default)]
struct Attempt {
    stop: Option<(Code, Instant)>,
    running: Option<(Running, Instant)>,
    nudges: u32,
    killed: bool,
}

/// All attempts held, whether they run yet or not.
#[derive(Default)]
pub struct Attempts {
    held: Mutex<HashMap<LeaseId, Attempt>>,
    changed: Condvar,
}

/// How an attempt was stopped from outside, if it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Why.
    pub code: Code,
    /// Whether its runner had to be killed for it.
    pub killed: bool,
}

impl Attempts {
    /// Starts the thread that watches limits. It lives as long as the executor.
    pub fn watched() -> Result<Arc<Self>, ExecutorError> {
        let attempts = Arc::new(Self::default());
        let weak = Arc::downgrade(&attempts);
        thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                while let Some(attempts) = weak.upgrade() {
                    attempts.wait_and_watch();
                }
            })
            .map_err(|e| ExecutorError::RunnerStart(e.to_string()))?;
        Ok(attempts)
    }

    /// A dispatch was taken; its attempt can be stopped from now on.
    pub fn hold(&self, lease: &LeaseId) {
        self.lock().insert(lease.clone(), Attempt::default());
    }

    /// Whether an attempt of this lease is held.
    pub fn holds(&self, lease: &LeaseId) -> bool {
        self.lock().contains_key(lease)
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The attempt is about to start. Gives the reason where it was stopped before it did.
    pub fn started(&self, lease: &LeaseId, running: Running) -> Result<(), Stopped> {
        let mut held = self.lock();
        let attempt = held.entry(lease.clone()).or_default();
        if let Some((code, _)) = attempt.stop {
            return Err(Stopped { code, killed: false });
        }
        attempt.running = Some((running, Instant::now()));
        self.changed.notify_one();
        Ok(())
    }

    /// The attempt has left its lane; nothing is cancelled on that lane for it any more. Gives
    /// the reason where it was stopped.
    pub fn ended(&self, lease: &LeaseId) -> Option<Stopped> {
        let mut held = self.lock();
        let attempt = held.get_mut(lease)?;
        attempt.running = None;
        attempt.stop.map(|(code, _)| Stopped { code, killed: attempt.killed })
    }

    /// The attempt was reported or given up.
    pub fn release(&self, lease: &LeaseId) {
        self.lock().remove(lease);
    }

    /// Stops an attempt; the first reason stays.
    pub fn stop(&self, lease: &LeaseId, code: Code) {
        if let Some(attempt) = self.lock().get_mut(lease) {
            attempt.stop(code);
        }
        self.changed.notify_one();
    }

    /// Stops all attempts.
    pub fn stop_all(&self, code: Code) {
        for attempt in self.lock().values_mut() {
            attempt.stop(code);
        }
        self.changed.notify_one();
    }

    fn wait_and_watch(&self) {
        let mut held = self.lock();
        if held.values().all(|a| a.running.is_none()) {
            // Also wakes by itself, so that the thread ends when the executor does.
            held = self
                .changed
                .wait_timeout(held, Duration::from_secs(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let now = Instant::now();
        let mut to_kill = Vec::new();
        for attempt in held.values_mut() {
            let Some((running, since)) = &attempt.running else { continue };
            let wall_over = now.duration_since(*since) > running.wall.saturating_add(WALL_MARGIN);
            if wall_over && attempt.stop.is_none() {
                attempt.stop(stop::TIME);
            }
            let (Some((code, told)), Some((running, _))) = (attempt.stop, &attempt.running) else { continue };
            let waited = now.duration_since(told);
            if waited > STOP_TIME_MAX && !attempt.killed {
                attempt.killed = true;
                to_kill.push(Arc::clone(&running.runner));
            } else if waited > Duration::from_secs(1) * (attempt.nudges + 1) && !attempt.killed {
                // The first cancel may have overtaken the start it was meant for.
                attempt.nudges += 1;
                running.runner.process.cancel(running.lane, running.start, code);
                (running.cancel)(code);
            }
        }
        drop(held);
        for runner in to_kill {
            tracing::error!(runner = runner.process.id(), "an attempt did not stop; its runner is killed");
            runner.process.kill();
        }
        thread::sleep(WATCH_PAUSE);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Attempt>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    fn stop(&mut self, code: Code) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some((code, Instant::now()));
        if let Some((running, _)) = &self.running {
            running.runner.process.cancel(running.lane, running.start, code);
            (running.cancel)(code);
        }
    }
}

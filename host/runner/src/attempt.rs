//! One attempt: fresh stores, one call of the guest's entry, an end.
//!
//! In: the [`AttemptPlan`], the library, a door. Out: an [`AttemptEnd`]; the stores are gone.
//! Never: ends the process; a trap, a limit and even a panic of ours end the attempt alone.
//! Fails: not at all; whatever went wrong is in the end state.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use cofferdam_call::{AttemptEnd, AttemptPlan, EndState, GuestKind, Interface, Usage};

use crate::{
    door::Door,
    host::Warehouses,
    library::{Entry, Interfaces, Library},
    limits::{HOSTCALL_BYTES_MAX, Memory, Meter, PROJECT_HOSTCALL_BYTES_MAX, Stop, Term, harden},
    outcome,
    room::{Attempt, Room},
    stopped::{BAD_PLAN, INTERNAL, Stopped},
};

/// Which attempt of a lane this is, and where word to stop it is left.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The lane's.
    pub stop: Arc<Stop>,
    /// Counts the lane's attempts, from 1.
    pub start: u64,
}

/// Runs one attempt to its end.
pub fn run<D: Door + 'static>(
    library: &Arc<Library>,
    plan: AttemptPlan,
    door: &Rc<RefCell<D>>,
    turn: &Turn,
) -> AttemptEnd {
    let interfaces = Interfaces::of(&plan.interfaces);
    let term = Term::new(turn.stop.clone(), turn.start, Duration::from_millis(plan.limits.wall_ms));
    let memory = Memory::new(plan.limits.memory_bytes, library.budget().clone());
    let telemetry = interfaces.has(Interface::Telemetry);
    let attempt = Attempt::new(door.clone(), term.clone(), telemetry, plan.limits.log_bytes);
    let mut started = Duration::ZERO;
    // Stores are made, used and dropped inside; a panic of ours must not take the lane with it.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        Guest { library, interfaces, memory: &memory, attempt: &attempt }.run(plan, &mut started)
    }));
    let state = match ended {
        Ok(Ok(state)) => state,
        Ok(Err(stopped)) => EndState::Stopped { code: stopped.code, message: stopped.message },
        Err(_) => EndState::Stopped {
            code: INTERNAL,
            message: "the runner failed inside a host function".to_owned(),
        },
    };
    attempt.close_log();
    AttemptEnd {
        state,
        usage: Usage {
            wall_us: micros(term.elapsed()),
            start_us: micros(started),
            memory_bytes_peak: memory.peak(),
            calls: attempt.calls(),
        },
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

struct Guest<'a> {
    library: &'a Arc<Library>,
    interfaces: Interfaces,
    memory: &'a Arc<Memory>,
    attempt: &'a Rc<Attempt>,
}

impl Guest<'_> {
    fn run(&self, plan: AttemptPlan, started: &mut Duration) -> Result<EndState, Stopped> {
        let entry = self.library.entry(&plan.component, plan.kind, self.interfaces)?;
        let warehouses = (plan.kind == GuestKind::Task).then(|| {
            Warehouses::new(self.library.clone(), plan.adapters, self.interfaces, self.memory.clone())
        });
        let room = Room::new(Meter::new(self.memory.clone()), self.attempt.clone(), warehouses);
        let hostcall_bytes = match plan.kind {
            GuestKind::Task => HOSTCALL_BYTES_MAX,
            GuestKind::Project => PROJECT_HOSTCALL_BYTES_MAX,
        };
        let mut store = harden(self.library.engine(), room, hostcall_bytes);
        let mut start = || *started = self.attempt.term.elapsed();
        let ended = match (entry, plan.invocation, plan.describe) {
            (Entry::Task(task), Some(invocation), _) => task.instantiate(&mut store).and_then(|guest| {
                start();
                let invocation = outcome::invocation(invocation);
                guest.cofferdam_task_task().call_run(&mut store, &invocation).map(outcome::of_task)
            }),
            (Entry::Project(project), _, Some(describe)) => {
                project.instantiate(&mut store).and_then(|guest| {
                    start();
                    let config = outcome::project_config(describe);
                    guest.cofferdam_task_project().call_describe(&mut store, &config).map(outcome::of_project)
                })
            }
            _ => return Err(Stopped::new(BAD_PLAN, "the plan names no work for its kind of guest")),
        };
        let flushed = flush(store.data_mut());
        match ended {
            Ok(state) => flushed.and(state),
            Err(error) => Err(self.with_last_words(Stopped::from_error(&error, self.memory.denied()))),
        }
    }

    /// A trap says little; what the guest wrote last, e.g. a panic's message, says more.
    fn with_last_words(&self, stopped: Stopped) -> Stopped {
        match self.attempt.last_words() {
            words if words.is_empty() => stopped,
            words => Stopped::new(stopped.code, format!("{}; its last words:\n{words}", stopped.message)),
        }
    }
}

/// Sends what all stores wrote without a line feed, the adapters' first.
fn flush(room: &mut Room) -> Result<(), Stopped> {
    if let Some(warehouses) = &mut room.warehouses {
        warehouses.flush()?;
    }
    room.flush()
}

//! What benchmarks compare an attempt with.
//!
//! In: a plan of a task. Out: how long the shortest way through Wasmtime takes.
//! Never: used outside benchmarks; nothing is limited here.
//! Fails: as an attempt does, with [`Stopped`].
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use cofferdam_call::AttemptPlan;
use wasmtime::Store;

use crate::{
    door::Door,
    library::{Entry, Interfaces, Library},
    limits::{Memory, Meter, Term},
    outcome,
    room::{Attempt, Room},
    stopped::{BAD_PLAN, Stopped},
};

/// Instantiates a task and calls it in a bare store: no limiter, no caps, no term, no end state.
/// Gives the time from before the store is made until after it is dropped.
pub fn bare<D: Door + 'static>(
    library: &Library,
    plan: &AttemptPlan,
    door: &Rc<RefCell<D>>,
) -> Result<Duration, Stopped> {
    let Entry::Task(task) = library.entry(&plan.component, plan.kind, Interfaces::of(&plan.interfaces))?
    else {
        return Err(Stopped::new(BAD_PLAN, "only a task can be measured"));
    };
    let Some(invocation) = plan.invocation.clone() else {
        return Err(Stopped::new(BAD_PLAN, "the plan has no invocation"));
    };
    // The host's side is made before the clock starts: it is not Wasmtime's.
    let memory = Memory::new(u64::MAX, library.budget().clone());
    let term = Term::new(Arc::default(), 1, Duration::MAX);
    let attempt = Attempt::new(door.clone(), term, true, u64::MAX);
    let room = Room::new(Meter::new(memory.clone()), attempt, None);
    let invocation = outcome::invocation(invocation);

    let began = Instant::now();
    let mut store = Store::new(library.engine(), room);
    store.set_epoch_deadline(u64::MAX / 2);
    let called = task
        .instantiate(&mut store)
        .and_then(|guest| guest.cofferdam_task_task().call_run(&mut store, &invocation));
    drop(store);
    let took = began.elapsed();
    called.map(|_| took).map_err(|error| Stopped::from_error(&error, None))
}

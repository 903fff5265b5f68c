//! What an attempt may use: memory, handles, data per call, time.
//!
//! In: the attempt's limits, the process's budget. Out: a hardened store, and a [`Stop`] that the
//! control thread can set.
//! Never: kills the process; a limit ends one attempt.
//! Fails: a refused growth is `-1` to the guest; time and cancel interrupt it.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cofferdam_ids::Code;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};

use crate::{
    engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX},
    room::Room,
    stopped::{CANCELLED, LEASE_LOST, MEMORY_LIMIT, RUNNER_FULL, Stopped, TIME_LIMIT},
};

/// Bytes a guest may pass to the host in one call.
pub const HOSTCALL_BYTES_MAX: usize = 8 << 20;
/// Bytes a project's guest may move in one call: its description is one value.
pub(crate) const PROJECT_HOSTCALL_BYTES_MAX: usize = 512 << 20;
/// Live component-model handles of one store.
pub const STORE_HANDLES_MAX: usize = 4_096;
/// Entries of one store's resource table.
pub const RESOURCES_MAX: usize = 1_024;
/// Bytes charged for one table element.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Bytes of guest memory all lanes of this process together may hold.
#[derive(Debug)]
pub struct Budget {
    max: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicU64::new(0) })
    }

    /// Bytes held now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The memory of one attempt, all its stores summed. Dropped, it gives everything back.
#[derive(Debug)]
pub(crate) struct Memory {
    max: u64,
    used: AtomicU64,
    peak: AtomicU64,
    denied: AtomicU16,
    budget: Arc<Budget>,
}

impl Memory {
    pub(crate) fn new(max: u64, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { max, used: 0.into(), peak: 0.into(), denied: 0.into(), budget })
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// The limit that refused memory last, if one did.
    pub(crate) fn denied(&self) -> Option<Code> {
        match self.denied.load(Ordering::Relaxed) {
            0 => None,
            code => Some(Code(code)),
        }
    }

    /// One attempt is one thread, so sum and peak need no more than relaxed order.
    fn charge(&self, bytes: u64) -> bool {
        let sum = self.used.load(Ordering::Relaxed).saturating_add(bytes);
        if sum > self.max {
            self.denied.store(MEMORY_LIMIT.0, Ordering::Relaxed);
            return false;
        }
        if !self.budget.take(bytes) {
            self.denied.store(RUNNER_FULL.0, Ordering::Relaxed);
            return false;
        }
        self.used.store(sum, Ordering::Relaxed);
        self.peak.fetch_max(sum, Ordering::Relaxed);
        true
    }

    fn refund(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.give_back(bytes);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.give_back(*self.used.get_mut());
    }
}

/// Charges one store's memories and tables to its attempt.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: Arc<Memory>,
    /// What was charged for the growth under way, to be refunded if the kernel refuses it.
    pending: u64,
}

impl Meter {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, pending: 0 }
    }

    fn grow(&mut self, current: usize, desired: usize, unit: usize) -> bool {
        let bytes = desired.saturating_sub(current).saturating_mul(unit) as u64;
        let granted = self.memory.charge(bytes);
        self.pending = if granted { bytes } else { 0 };
        granted
    }

    fn undo(&mut self) {
        self.memory.refund(std::mem::take(&mut self.pending));
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Growth beyond a memory's own maximum fails without our doing.
        Ok(maximum.is_none_or(|max| desired <= max) && self.grow(current, desired, 1))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|max| desired <= max);
        Ok(fits && self.grow(current, desired, TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}

/// Where the control thread leaves word that what runs on a lane must stop.
#[derive(Debug, Default)]
pub struct Stop {
    /// The newest request: which start (upper 48 bits), which code (lower 16).
    request: AtomicU64,
}

impl Stop {
    /// Asks for the end of the given start of the lane. A request for a start that is over does
    /// nothing; one for a start to come is kept for it.
    pub fn request(&self, start: u64, code: Code) {
        self.request.fetch_max(start << 16 | u64::from(code.0), Ordering::Release);
    }

    fn requested(&self, start: u64) -> Option<Code> {
        let request = self.request.load(Ordering::Acquire);
        (request >> 16 == start).then_some(Code((request & 0xffff) as u16))
    }
}

/// When and why one attempt must end.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    stop: Arc<Stop>,
    start: u64,
    began: Instant,
    deadline: Option<Instant>,
}

impl Term {
    /// The term of the lane's `start`-th attempt, which begins now.
    pub(crate) fn new(stop: Arc<Stop>, start: u64, wall: Duration) -> Self {
        let began = Instant::now();
        Self { stop, start, began, deadline: began.checked_add(wall) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// An error once the attempt must end.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if let Some(code) = self.stop.requested(self.start) {
            let why = match code {
                CANCELLED => "the attempt was cancelled",
                LEASE_LOST => "the lease of the attempt was lost",
                TIME_LIMIT => "the attempt took longer than it may",
                _ => "the attempt was stopped by the broker",
            };
            return Err(Stopped::new(code, why));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Stopped::new(TIME_LIMIT, "the attempt took longer than it may"))
            }
            _ => Ok(()),
        }
    }

    /// Sleeps until `moment`, or until the attempt must end.
    pub(crate) fn sleep_until(&self, moment: Instant) -> Result<(), Stopped> {
        loop {
            self.check()?;
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(crate::engine::EPOCH_TICK));
        }
    }
}

/// A store with every cap on a guest set, before anything is instantiated in it. `hostcall_bytes`
/// is what may cross in one call, [`HOSTCALL_BYTES_MAX`] for all but projects.
pub(crate) fn harden(engine: &Engine, mut room: Room, hostcall_bytes: usize) -> Store<Room> {
    room.table.set_max_capacity(RESOURCES_MAX);
    let mut store = Store::new(engine, room);
    store.limiter(|room| &mut room.meter);
    store.set_hostcall_fuel(hostcall_bytes);
    store.set_max_component_handles(STORE_HANDLES_MAX);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        store.data().attempt.term.check()?;
        Ok(UpdateDeadline::Continue(1))
    });
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardened_store_has_every_cap_set() {
        let engine = crate::engine::compiler().unwrap();
        let mut store = harden(&engine, Room::for_tests(), HOSTCALL_BYTES_MAX);
        assert_eq!(store.hostcall_fuel(), HOSTCALL_BYTES_MAX);
        assert_eq!(store.max_component_handles(), STORE_HANDLES_MAX);
        assert_eq!(store.data_mut().table.max_capacity(), RESOURCES_MAX);
        assert_eq!(store.data_mut().meter.memories(), 2);
        assert_eq!(store.data_mut().meter.tables(), 8);
        assert_eq!(store.data_mut().meter.instances(), 20);
    }

    #[test]
    fn stores_of_one_attempt_share_its_memory_limit() {
        let budget = Budget::new(1 << 30);
        let memory = Memory::new(100, budget.clone());
        let (mut task, mut adapter) = (Meter::new(memory.clone()), Meter::new(memory.clone()));
        assert!(task.memory_growing(0, 60, None).unwrap());
        assert!(!adapter.memory_growing(0, 60, None).unwrap());
        assert_eq!(memory.denied(), Some(MEMORY_LIMIT));
        assert!(adapter.table_growing(0, 5, None).unwrap(), "40 bytes are left");
        assert_eq!((memory.peak(), budget.used()), (100, 100));
        drop((task, adapter, memory));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn attempts_share_the_budget_of_the_process() {
        let budget = Budget::new(100);
        let (one, two) = (Memory::new(90, budget.clone()), Memory::new(90, budget));
        assert!(Meter::new(one.clone()).memory_growing(0, 80, None).unwrap());
        assert!(!Meter::new(two.clone()).memory_growing(0, 80, None).unwrap());
        assert_eq!(two.denied(), Some(RUNNER_FULL));
        drop(one);
        assert!(Meter::new(two).memory_growing(0, 80, None).unwrap());
    }

    #[test]
    fn a_growth_the_kernel_refuses_is_refunded() {
        let memory = Memory::new(100, Budget::new(100));
        let mut meter = Meter::new(memory.clone());
        assert!(meter.memory_growing(0, 80, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(meter.memory_growing(0, 90, None).unwrap());
    }

    #[test]
    fn a_stop_hits_the_start_it_names_and_no_other() {
        let stop = Arc::new(Stop::default());
        let term = |start| Term::new(stop.clone(), start, Duration::from_secs(60));
        stop.request(2, CANCELLED);
        assert!(term(1).check().is_ok());
        assert_eq!(term(2).check().unwrap_err().code, CANCELLED);
        assert!(term(3).check().is_ok());
        stop.request(1, LEASE_LOST);
        assert_eq!(term(2).check().unwrap_err().code, CANCELLED, "a late word for another start");
    }

    #[test]
    fn a_term_ends_with_its_wall_clock() {
        let term = Term::new(Arc::default(), 1, Duration::ZERO);
        assert_eq!(term.check().unwrap_err().code, TIME_LIMIT);
        let term = Term::new(Arc::default(), 1, Duration::from_millis(30));
        let late = Instant::now() + Duration::from_secs(60);
        assert_eq!(term.sleep_until(late).unwrap_err().code, TIME_LIMIT);
    }
}

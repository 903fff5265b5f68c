//! The wall clock, as verification wants it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use cofferdam_ids::Timestamp;

/// How far the machine's clock may be set back without the executor noticing: a correction by
/// NTP. Anything more is refused by verification, which compares with the journal.
const SMALL_STEP_MS: i64 = 1_000;

/// A wall clock that does not run back by small steps.
#[derive(Clone)]
pub struct WallClock {
    machine: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    last_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::of(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Any other clock, for tests.
    pub fn of(machine: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { machine: Arc::new(machine), last_ms: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        let machine = (self.machine)().as_millis();
        let last = self.last_ms.load(Ordering::Relaxed);
        if machine < last && machine >= last.saturating_sub(SMALL_STEP_MS) {
            return Timestamp::from_millis(last);
        }
        self.last_ms.store(machine, Ordering::Relaxed);
        Timestamp::from_millis(machine)
    }

    /// The same, as a function others can hold.
    pub fn reader(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_back_is_smoothed_and_a_large_one_shown() {
        let machine = Arc::new(AtomicI64::new(10_000));
        let read = Arc::clone(&machine);
        let clock = WallClock::of(move || Timestamp::from_millis(read.load(Ordering::Relaxed)));
        assert_eq!(clock.now().as_millis(), 10_000);
        machine.store(9_500, Ordering::Relaxed);
        assert_eq!(clock.now().as_millis(), 10_000);
        machine.store(5_000, Ordering::Relaxed);
        assert_eq!(clock.now().as_millis(), 5_000);
    }
}

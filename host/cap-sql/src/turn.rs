//! Whose turn it is to write.
//!
//! SQLite lets one connection write at a time and answers `busy` to the others. Attempts of this
//! executor queue here instead; only other processes are waited for inside the engine.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use cofferdam_call::Refusal;

use crate::cancel::CancelToken;

/// How often a waiter looks whether it was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The right to write, one holder at a time.
#[derive(Default)]
pub(crate) struct WriteTurn {
    taken: Mutex<bool>,
    given_back: Condvar,
}

impl WriteTurn {
    /// Waits for the turn, unless the attempt is cancelled first.
    pub(crate) fn take(self: &Arc<Self>, cancel: &CancelToken) -> Result<Turn, Refusal> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            cancel.check()?;
            let waited = self.given_back.wait_timeout(taken, LOOK_EVERY);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        cancel.check()?;
        *taken = true;
        Ok(Turn(Arc::clone(self)))
    }
}

/// The turn, given back when dropped.
pub(crate) struct Turn(Arc<WriteTurn>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_call::FailureKind;
    use cofferdam_ids::Code;

    use super::*;

    #[test]
    fn one_waits_for_the_other_and_a_cancelled_one_gives_up() {
        let turn = Arc::new(WriteTurn::default());
        let held = turn.take(&CancelToken::default()).unwrap();
        let cancel = CancelToken::default();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| turn.take(&cancel).map(drop));
            cancel.cancel(Refusal::new(FailureKind::Cancelled, Code(411), "stopped"));
            assert_eq!(waiter.join().unwrap().unwrap_err().code, Code(411));
            let patient = scope.spawn(|| turn.take(&CancelToken::default()).map(drop));
            drop(held);
            assert!(patient.join().unwrap().is_ok());
        });
    }
}

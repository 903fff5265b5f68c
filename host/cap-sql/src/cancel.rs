//! Stops what an attempt is doing, from any thread.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use cofferdam_call::Refusal;

type Action = Arc<dyn Fn() + Send + Sync>;

/// Stops what one attempt is doing. Clones share one state; it is never taken back.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    why: OnceLock<Refusal>,
    deadline: Option<(Instant, Refusal)>,
    next: AtomicU64,
    actions: Mutex<Vec<(u64, Action)>>,
}

impl CancelToken {
    /// A token that cancels itself at a deadline. Checks find that out; so does a statement that
    /// runs, within milliseconds. Nothing else is interrupted by it.
    pub fn new(deadline: Option<(Instant, Refusal)>) -> Self {
        Self(Arc::new(Inner { deadline, ..Inner::default() }))
    }

    /// Makes every later check fail with `why` and runs every action. Only the first call counts.
    pub fn cancel(&self, why: Refusal) {
        if self.0.why.set(why).is_err() {
            return;
        }
        let actions: Vec<Action> = {
            let held = self.0.actions.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().map(|(_, action)| Arc::clone(action)).collect()
        };
        for action in actions {
            action();
        }
    }

    /// Fails once the attempt is cancelled.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some((deadline, why)) = &self.0.deadline
            && self.0.why.get().is_none()
            && Instant::now() >= *deadline
        {
            self.cancel(why.clone());
        }
        self.0.why.get().map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Whether the attempt is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Runs `action` on cancel, at once where that has happened already; no more once the guard
    /// is dropped.
    pub fn on_cancel(&self, action: impl Fn() + Send + Sync + 'static) -> OnCancel {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let action: Action = Arc::new(action);
        self.0.actions.lock().unwrap_or_else(PoisonError::into_inner).push((id, Arc::clone(&action)));
        if self.is_cancelled() {
            action();
        }
        OnCancel { token: self.clone(), id }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelToken(cancelled: {})", self.is_cancelled())
    }
}

/// Keeps an action registered.
#[must_use = "the action is forgotten when this is dropped"]
pub struct OnCancel {
    token: CancelToken,
    id: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        let mut actions = self.token.0.actions.lock().unwrap_or_else(PoisonError::into_inner);
        actions.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use cofferdam_call::FailureKind;
    use cofferdam_ids::Code;

    use super::*;

    fn why(code: u16) -> Refusal {
        Refusal::new(FailureKind::Cancelled, Code(code), "stopped")
    }

    #[test]
    fn actions_run_once_and_only_while_they_are_wanted() {
        let token = CancelToken::default();
        let count = Arc::new(AtomicUsize::new(0));
        let add = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let _kept = token.on_cancel(add(&count));
        drop(token.on_cancel(add(&count)));
        token.cancel(why(411));
        token.cancel(why(410));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(token.check().unwrap_err().code, Code(411), "the first reason stays");
        let _late = token.on_cancel(add(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2, "a late action runs at once");
    }
}

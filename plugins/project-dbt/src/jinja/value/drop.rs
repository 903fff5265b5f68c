//! Drops values that hold values without going deeper and deeper.
//!
//! In: what a container held. Out: nothing.
//! Never: takes more stack than one container's drop, however deep values lie in one another.
//! Fails: not at all.
//! Source: a sandbox's stack is small, and a template may put a list into a list as often as it likes.

use std::cell::RefCell;
use std::sync::Arc;

use minijinja::Value;

use super::Python;

/// What waits to be dropped.
pub(super) enum Left {
    /// Values of a container.
    Values(Vec<Value>),
    /// An object.
    Object(Arc<dyn Python>),
}

thread_local! {
    static WAITING: RefCell<Option<Vec<Left>>> = const { RefCell::new(None) };
}

/// Drops what is left of a container: at once, or after the container that is being dropped already.
pub(super) fn drop_later(left: Left) {
    let mut left = Some(left);
    let first = WAITING.try_with(|waiting| {
        let mut waiting = waiting.borrow_mut();
        match &mut *waiting {
            Some(queue) => {
                queue.extend(left.take());
                false
            }
            None => {
                *waiting = Some(Vec::new());
                true
            }
        }
    });
    drop(left);
    if first != Ok(true) {
        return;
    }
    let next = || WAITING.with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop));
    while let Some(left) = next() {
        match left {
            Left::Values(values) => drop(values),
            Left::Object(object) => drop(object),
        }
    }
    WAITING.with(|waiting| *waiting.borrow_mut() = None);
}

/// Whether dropping these values may drop others.
pub(super) fn holds_values<'v>(mut values: impl Iterator<Item = &'v Value>) -> bool {
    values.any(|value| value.as_object().is_some())
}

//! Work that must not be repeated by a later attempt of the same run.

use std::{cell::RefCell, collections::HashMap};

use super::{Place, place::fingerprint};
use crate::{Failure, Session, Value};

/// Characters of a step's name.
const STEP_CHARS_MAX: usize = 200;

thread_local! {
    // An adapter lives as long as its attempt, so its connections count together: the n-th append
    // to a table is the same step in every attempt, whichever connection does it.
    static APPENDS: RefCell<HashMap<String, u64>> = RefCell::default();
}

/// Forgets which appends there were, as a new attempt does. For tests that play several attempts.
pub fn forget_appends() {
    APPENDS.with_borrow_mut(HashMap::clear);
}

/// The step that the next append to a table is.
pub(super) fn append_step(place: &Place) -> String {
    let ordinal = APPENDS.with_borrow_mut(|appends| {
        let next = appends.entry(place.to_string()).or_default();
        *next += 1;
        *next
    });
    within_limits(format!("append:{place}:{ordinal}"))
}

/// The step of a transaction the task ends itself.
pub(super) fn task_step(step: &str) -> String {
    within_limits(format!("commit:{step}"))
}

fn within_limits(step: String) -> String {
    if step.chars().count() <= STEP_CHARS_MAX {
        return step;
    }
    let start: String = step.chars().take(STEP_CHARS_MAX - 17).collect();
    format!("{start}:{:016x}", fingerprint(&step))
}

/// Runs one statement that changes rows, and makes that last unless an earlier attempt of the run
/// has; gives the number of rows, 0 where it has.
pub(super) fn execute_once(
    session: &dyn Session,
    step: &str,
    statement: &str,
    values: &[Value],
) -> Result<u64, Failure> {
    once(session, &within_limits(format!("execute:{step}")), || session.execute(statement, values))
        .map(|(rows, fresh)| if fresh { rows } else { 0 })
}

/// Does something once per run; gives what it did and whether it was done now.
pub(super) fn once<T>(
    session: &dyn Session,
    step: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, bool), Failure> {
    session.begin()?;
    let done = work().and_then(|done| session.commit_once(step).map(|fresh| (done, fresh)));
    if done.is_err() {
        let _ = session.rollback();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Relation, adapter::Naming};

    static NAMING: Naming = Naming { dialect: "test", warehouse: "Test", mark: '"', bytes_max: 1_000 };

    #[test]
    fn the_appends_of_an_attempt_are_counted_by_table() {
        forget_appends();
        let place = |name: &str| Place::of(&Relation::new("s", name), "main", &NAMING).unwrap();
        assert_eq!(append_step(&place("a")), "append:s.a:1");
        assert_eq!(append_step(&place("b")), "append:s.b:1");
        assert_eq!(append_step(&place("a")), "append:s.a:2");
        forget_appends();
        assert_eq!(append_step(&place("a")), "append:s.a:1");
    }

    #[test]
    fn a_long_step_is_cut_and_still_its_own() {
        let (one, other) = (within_limits("ä".repeat(300) + "1"), within_limits("ä".repeat(300) + "2"));
        assert_eq!(one.chars().count(), STEP_CHARS_MAX);
        assert_ne!(one, other);
    }
}

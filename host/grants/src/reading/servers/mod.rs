//! PostgreSQL and MySQL.
use super::{Dialect, Reading, ReadingProblem, Relation};
pub(super) fn read(_: &str, _: Dialect, _: &str) -> Result<Reading, ReadingProblem> {
    Err(ReadingProblem::Unreadable("statements of this engine are not read yet".to_owned()))
}
pub(super) fn is_catalog(_: &Relation) -> bool {
    false
}
pub(super) fn is_reserved(_: &Relation) -> bool {
    true
}

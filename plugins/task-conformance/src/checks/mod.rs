//! The checks, in groups. A check's name is what holds where it is fine.

mod catalog;
mod errors;
mod history;
mod insert;
mod load;
mod names;
mod swap;
mod types;
mod views;

use crate::{bench::Bench, report::Checked};

/// One check.
type Check = fn(&Bench<'_>) -> Checked;

/// Checks that can be run by themselves.
pub(crate) struct Group {
    /// The entry point's name.
    pub(crate) name: &'static str,
    /// Name and check.
    pub(crate) checks: &'static [(&'static str, Check)],
}

/// Every group, in the order in which they are run.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "catalog", checks: catalog::CHECKS },
    Group { name: "names", checks: names::CHECKS },
    Group { name: "types", checks: types::CHECKS },
    Group { name: "load", checks: load::CHECKS },
    Group { name: "swap", checks: swap::CHECKS },
    Group { name: "views", checks: views::CHECKS },
    Group { name: "insert", checks: insert::CHECKS },
    Group { name: "history", checks: history::CHECKS },
    Group { name: "errors", checks: errors::CHECKS },
];

//! `cargo xtask bench`: what the budgets name, each beside a reference in the same run.

use anyhow::Result;

/// Placeholder until the benches are wired.
pub(crate) fn run() -> Result<()> {
    Ok(())
}

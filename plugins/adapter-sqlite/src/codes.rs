//! The adapter's own codes; one page each under `docs/errors/`.

/// The gateway declares no schema of this name.
pub(crate) const NO_SCHEMA: &str = "CD0970";

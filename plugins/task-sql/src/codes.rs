//! The task's own codes; one page each under `docs/errors/`.

/// The file does not hold exactly one statement with named parameters.
pub(crate) const STATEMENT: &str = "CD0950";
/// The statement names a parameter nobody gave.
pub(crate) const MISSING: &str = "CD0951";
/// A parameter is not what the schema allows.
pub(crate) const PARAMETER: &str = "CD0952";
/// The schema itself cannot be used.
pub(crate) const SCHEMA: &str = "CD0953";
/// A parameter cannot be bound.
pub(crate) const BINDING: &str = "CD0954";

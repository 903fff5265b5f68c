//! The adapter's own codes; one page each under `docs/errors/`.

/// The gateway declares no schema of this name.
pub(crate) const NO_SCHEMA: &str = "CD0970";
/// There is no relation of this name.
pub(crate) const NO_RELATION: &str = "CD0971";
/// The columns of a select and of its table do not go together.
pub(crate) const COLUMNS: &str = "CD0972";
/// The key of a merge names no row, or more than one.
pub(crate) const KEY: &str = "CD0973";
/// Rows lie outside the range they are to replace.
pub(crate) const RANGE: &str = "CD0974";
/// A name has a part SQLite does not know.
pub(crate) const NAME: &str = "CD0975";

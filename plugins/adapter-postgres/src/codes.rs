//! The adapter's own codes; one page each under `docs/errors/`.

/// A statement's marks and its values do not go together.
pub(crate) const MARKS: &str = "CD0976";
/// Views read a table whose new columns would break them.
pub(crate) const READ_BY_VIEWS: &str = "CD0977";

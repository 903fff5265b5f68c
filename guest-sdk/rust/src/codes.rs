//! The SDK's own codes; one page each under `docs/errors/`.

/// A frame is not one of an Arrow IPC stream as the contracts have it.
pub(crate) const FRAME: &str = "CD0990";
/// A value does not fit the type of its column.
pub(crate) const VALUE: &str = "CD0991";
/// A result or row is larger than a helper of the SDK takes.
pub(crate) const TOO_LARGE: &str = "CD0992";
/// A setting or argument is missing or has another shape than the plugin expects.
pub(crate) const ARGUMENT: &str = "CD0993";
/// A file that should be text is not UTF-8.
pub(crate) const NOT_TEXT: &str = "CD0994";
/// A statement no test scripted; only from `testing`.
pub(crate) const UNSCRIPTED: &str = "CD0995";

//! The codes of this plugin's failures; one page each under `docs/errors/`.

/// An argument of the run is not one the project knows.
pub const ARGUMENT: &str = "CD0920";
/// A file's Jinja could not be rendered during the attempt.
pub const RENDER: &str = "CD0921";
/// A test found rows.
pub const CHECK_FAILED: &str = "CD0922";
/// A seed could not be read during the attempt.
pub const SEED: &str = "CD0923";
/// A relation of another kind is in the way, or the task's entry is not one of the plugin's.
pub const NODE: &str = "CD0924";

//! The codes of this plugin's failures; one page each under `docs/errors/`.

/// An argument of the run is not one the project knows.
pub const ARGUMENT: &str = "CD0920";
/// A file's Jinja could not be rendered during the attempt.
pub const RENDER: &str = "CD0921";
/// A test found rows.
pub const CHECK_FAILED: &str = "CD0922";
/// A file is no YAML.
pub const YAML: &str = "CD0945";
/// A seed cannot be read.
pub const SEED: &str = "CD0923";
/// The warehouse answered a test with something else than a number of rows.
pub const COUNT: &str = "CD0924";
/// The release's document of the node cannot be read.
pub const DOCUMENT: &str = "CD0955";
/// There is no materialization of that name for the warehouse.
pub const MATERIALIZATION: &str = "CD0925";
/// Nothing says how fresh a source is.
pub const FRESHNESS: &str = "CD0926";
/// A unit test cannot be run as it stands.
pub const UNIT_TEST: &str = "CD0927";
/// A setting is not to be had on this warehouse.
pub const UNSUPPORTED: &str = "CD0928";
/// A batch of a microbatch model failed, or its settings say no batches.
pub const BATCH: &str = "CD0929";

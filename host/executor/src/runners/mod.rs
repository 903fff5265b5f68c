//! Runner processes: one per project release, its lanes, and how long it is kept.

mod pool;
mod process;

pub use pool::{Lane, RUNNERS_WARM, ReleaseRunner, RunnerPool};
pub use process::RunnerProcess;

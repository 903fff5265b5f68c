//! How the executor is, for whoever operates it: one small file in the data folder.

use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cofferdam_call::Confinement;
use cofferdam_ids::Timestamp;
use serde::Serialize;

/// How long what is said of connections stays.
const POOLS_PAUSE: Duration = Duration::from_secs(1);

/// What the file says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// This executor.
    pub executor: String,
    /// Its version.
    pub version: String,
    /// When this was written.
    pub at: Option<Timestamp>,
    /// Whether the scheduler answered last time.
    pub scheduler_reached: bool,
    /// Whether it takes no more work.
    pub draining: bool,
    /// What the kernel gives runners.
    pub confinement: Vec<String>,
    /// What the kernel does not give.
    pub confinement_missing: Vec<String>,
    /// Digest of the grants in force.
    pub grants_sha256: String,
    /// What is wrong with the grant files as they are now.
    pub grants_problem: Option<String>,
    /// Connections to warehouses, as of a second ago or less while attempts run.
    pub pools: Vec<Pool>,
}

/// The connections of one gateway's mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// The gateway.
    pub gateway: String,
    /// `read`, `write` or `admin`.
    pub mode: String,
    /// Generation of the credential: rises with each rotation.
    pub generation: u64,
    /// Lent to attempts.
    pub in_use: usize,
    /// Open and waiting for one.
    pub idle: usize,
    /// At most so many.
    pub limit: usize,
}

/// Keeps the file.
#[derive(Debug)]
pub struct Health {
    path: PathBuf,
    state: Mutex<State>,
    pools_at: Mutex<Option<Instant>>,
}

impl Health {
    /// Writes to `path` from now on.
    pub fn new(path: PathBuf, state: State) -> Self {
        Self { path, state: Mutex::new(state), pools_at: Mutex::default() }
    }

    /// The scheduler did or did not answer.
    pub fn reached(&self, reached: bool) {
        let mut state = self.lock();
        if state.scheduler_reached != reached {
            state.scheduler_reached = reached;
            self.write(&state);
        }
    }

    /// Says which connections are held, where it was not said within the last second.
    pub fn pools(&self, held: impl FnOnce() -> Vec<Pool>) {
        {
            let mut at = self.pools_at.lock().unwrap_or_else(PoisonError::into_inner);
            if at.is_some_and(|at| at.elapsed() < POOLS_PAUSE) {
                return;
            }
            *at = Some(Instant::now());
        }
        let pools = held();
        let mut state = self.lock();
        if state.pools != pools {
            state.pools = pools;
            self.write(&state);
        }
    }

    /// Changes what is said, and says it.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.write(&state);
    }

    fn write(&self, state: &State) {
        let text = serde_json::to_vec_pretty(state).unwrap_or_default();
        let temp = self.path.with_extension("new");
        if let Err(error) = fs::write(&temp, text).and_then(|()| fs::rename(&temp, &self.path)) {
            tracing::warn!(%error, "the health file cannot be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the kernel gave, in words: what is there, and what is missing.
pub fn words(confinement: &Confinement) -> (Vec<String>, Vec<String>) {
    let parts = [
        (format!("landlock {}", confinement.landlock_abi), "landlock", confinement.landlock_abi > 0),
        ("seccomp".to_owned(), "seccomp", confinement.seccomp),
        ("rlimits".to_owned(), "rlimits", confinement.rlimits),
        ("no network".to_owned(), "no network", confinement.no_network),
    ];
    let (mut given, mut missing) = (Vec::new(), Vec::new());
    for (words, name, is_given) in parts {
        if is_given {
            given.push(words);
        } else {
            missing.push(name.to_owned());
        }
    }
    (given, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_does_not_give_is_said() {
        let weak = Confinement { landlock_abi: 0, seccomp: true, rlimits: true, no_network: true };
        let (given, missing) = words(&weak);
        assert_eq!(given, ["seccomp", "rlimits", "no network"]);
        assert_eq!(missing, ["landlock"]);
    }

    #[test]
    fn the_file_says_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("health.json");
        let health = Health::new(path.clone(), State::default());
        health.reached(true);
        health.update(|s| s.grants_problem = Some("CD0202: a.toml:3".into()));
        let pool = |idle| Pool {
            gateway: "wh".into(),
            mode: "read".into(),
            generation: 2,
            in_use: 1,
            idle,
            limit: 8,
        };
        health.pools(|| vec![pool(3)]);
        health.pools(|| vec![pool(4)]);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("\"generation\": 2") && text.contains("\"idle\": 3"), "{text}");
        assert!(text.contains("\"scheduler_reached\": true") && text.contains("a.toml:3"), "{text}");
    }
}

//! Which release has which runner, and how many runners are kept.
//!
//! In: a release and what its runner must hold. Out: a live [`ReleaseRunner`] with free lanes.
//! Never: lets two releases share a process; a guest that breaks out finds only its own release.
//! Fails: with what starting or loading a runner fails with.
//! Source: `docs/adr/0003-threads-not-fibers.md`; threat 44 of the threat model.

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use cofferdam_call::Confinement;
use cofferdam_ids::Sha256Digest;

use super::RunnerProcess;
use crate::error::ExecutorError;

/// Runners kept: the one in use, and the one before it.
pub const RUNNERS_WARM: usize = 2;

/// One lane of a runner, with its place and how often an attempt was started on it.
#[derive(Debug)]
pub struct Lane {
    /// Its number, from 0.
    pub index: u32,
    /// Which start comes next, from 1.
    pub next_start: u64,
    /// The broker's end.
    pub stream: UnixStream,
}

/// The runner of one release.
#[derive(Debug)]
pub struct ReleaseRunner {
    release: Sha256Digest,
    /// The process.
    pub process: RunnerProcess,
    lanes: Mutex<Vec<Lane>>,
    lanes_all: usize,
}

impl ReleaseRunner {
    /// A free lane. None where the runner is gone, or has none.
    pub fn take_lane(&self) -> Option<Lane> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts a lane back whose attempt ended in order.
    pub fn put_back(&self, lane: Lane) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    fn is_idle(&self) -> bool {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).len() == self.lanes_all
    }
}

type Started = Result<(RunnerProcess, Vec<UnixStream>), ExecutorError>;

/// The runners of one executor.
pub struct RunnerPool {
    /// Asks the one thread that starts runners. A runner dies with the thread that started it
    /// (PR_SET_PDEATHSIG counts threads, not processes), so that thread must outlive them all.
    starter: mpsc::Sender<mpsc::Sender<Started>>,
    /// Last used first.
    runners: Mutex<Vec<Arc<ReleaseRunner>>>,
}

impl RunnerPool {
    /// A pool without runners; each will have `lanes` lanes.
    pub fn new(program: PathBuf, lanes: u32, memory_bytes_max: u64) -> Result<Self, ExecutorError> {
        let (starter, asked) = mpsc::channel::<mpsc::Sender<Started>>();
        thread::Builder::new()
            .name("starter".into())
            .spawn(move || {
                for answer in asked {
                    let _ = answer.send(RunnerProcess::start(&program, lanes, memory_bytes_max));
                }
            })
            .map_err(|e| ExecutorError::RunnerStart(e.to_string()))?;
        Ok(Self { starter, runners: Mutex::new(Vec::new()) })
    }

    fn start(&self) -> Started {
        let gone = || ExecutorError::RunnerStart("the thread that starts runners is gone".into());
        let (answer, started) = mpsc::channel();
        self.starter.send(answer).map_err(|_| gone())?;
        started.recv().map_err(|_| gone())?
    }

    /// The runner of a release: the living one, or a new one that loads what `components` gives.
    ///
    /// Blocks while a runner starts.
    pub fn get(
        &self,
        release: Sha256Digest,
        components: impl FnOnce() -> Result<Vec<(Sha256Digest, Arc<Vec<u8>>)>, ExecutorError>,
    ) -> Result<Arc<ReleaseRunner>, ExecutorError> {
        let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = runners.iter().position(|r| r.release == release) {
            let runner = runners.remove(at);
            if runner.process.is_alive() {
                runners.insert(0, Arc::clone(&runner));
                return Ok(runner);
            }
            tracing::warn!(runner = runner.process.id(), "a runner is gone; another one is started");
        }
        let (process, streams) = self.start()?;
        for (component, artifact) in components()? {
            process.load(component, &artifact)?;
        }
        let lanes: Vec<Lane> =
            (0..).zip(streams).map(|(index, stream)| Lane { index, next_start: 1, stream }).collect();
        let lanes_all = lanes.len();
        let runner = Arc::new(ReleaseRunner { release, process, lanes: Mutex::new(lanes), lanes_all });
        tracing::info!(runner = runner.process.id(), release = %release.short(), "a runner is ready");
        runners.insert(0, Arc::clone(&runner));
        retire(&mut runners);
        Ok(runner)
    }

    /// What the kernel gave the runner used last, if there is one.
    pub fn confinement(&self) -> Option<Confinement> {
        let runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        runners.first().map(|r| r.process.confinement().clone())
    }

    /// Ends all runners that run nothing.
    pub fn end(&self) {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Ends idle runners of other releases beyond those kept warm.
fn retire(runners: &mut Vec<Arc<ReleaseRunner>>) {
    let mut kept = 0;
    runners.retain(|runner| {
        kept += 1;
        if kept <= RUNNERS_WARM || !runner.is_idle() {
            return true;
        }
        let old = Arc::clone(runner);
        // Ending a process may take seconds, and whoever asked for a runner should not wait.
        let spawned = thread::Builder::new().name("runner-end".into()).spawn(move || drop(old));
        spawned.is_err()
    });
}

//! One runner process: this program again, confined, holding guests and nothing else.
//!
//! In: compiled components. Out: lanes, each a socket on which one attempt at a time runs.
//! Never: passes the runner an environment, a file or a socket but its own.
//! Fails: with `CD0720` when it does not start; a runner that dies later closes its lanes.
//! Source: `docs/adr/0003-threads-not-fibers.md`; `host/call`'s lane protocol.

use std::{
    io::{self, BufRead, BufReader, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cofferdam_call::{Confinement, FromRunner, PAYLOAD_BYTES_MAX, ToRunner, read_frame, write_frame};
use cofferdam_ids::{Code, Sha256Digest};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::error::{ExecutorError, clean};

/// How long a runner may take to confine itself.
const READY_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a runner may take to load one component.
const LOAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a write to the control socket may take; a runner that does not read is broken.
const CONTROL_WRITE_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes of one line a runner writes to its standard error.
const STDERR_LINE_BYTES_MAX: u64 = 2048;
/// Lines logged of one runner.
const STDERR_LINES_MAX: usize = 1000;

/// A runner that is confined and has its lanes.
#[derive(Debug)]
pub struct RunnerProcess {
    child: Mutex<Child>,
    control: Mutex<UnixStream>,
    confinement: Confinement,
    killed: AtomicBool,
}

impl RunnerProcess {
    /// Starts a runner; gives it and the broker's ends of its lanes.
    pub fn start(
        program: &Path,
        lanes: u32,
        memory_bytes_max: u64,
    ) -> Result<(Self, Vec<UnixStream>), ExecutorError> {
        let bad = |e: io::Error| ExecutorError::RunnerStart(clean(&e.to_string(), 256));
        let (control, theirs) = UnixStream::pair().map_err(bad)?;
        let mut child = Command::new(program)
            .arg("runner")
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(bad)?;
        log_words(&mut child);
        match configure(&control, lanes, memory_bytes_max) {
            Ok((confinement, ours)) => {
                let process = Self {
                    child: Mutex::new(child),
                    control: Mutex::new(control),
                    confinement,
                    killed: AtomicBool::new(false),
                };
                Ok((process, ours))
            }
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(ExecutorError::RunnerStart(why))
            }
        }
    }

    /// What the kernel gave it.
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Loads a compiled component; the runner's own words where it refuses.
    pub fn load(&self, component: Sha256Digest, artifact: &[u8]) -> Result<(), ExecutorError> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = |e: &dyn std::fmt::Display| ExecutorError::RunnerStart(clean(&e.to_string(), 256));
        let mut pieces = artifact.chunks(PAYLOAD_BYTES_MAX).peekable();
        control.set_write_timeout(Some(LOAD_TIME_MAX)).map_err(|e| broken(&e))?;
        while let Some(piece) = pieces.next() {
            let load = ToRunner::Load { component, last: pieces.peek().is_none() };
            write_frame(&mut &*control, &load, piece).map_err(|e| broken(&e))?;
        }
        control.set_read_timeout(Some(LOAD_TIME_MAX)).map_err(|e| broken(&e))?;
        match read_frame::<FromRunner>(&mut &*control).map_err(|e| broken(&e))?.message {
            FromRunner::Loaded { component: loaded, failure: None } if loaded == component => Ok(()),
            FromRunner::Loaded { failure: Some(refusal), .. } => Err(ExecutorError::below(Refused(refusal))),
            _ => Err(ExecutorError::RunnerStart("it answered out of turn".into())),
        }
    }

    /// Tells the runner to stop what runs on a lane.
    pub fn cancel(&self, lane: u32, start: u64, code: Code) {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = control.set_write_timeout(Some(CONTROL_WRITE_TIME_MAX));
        if write_frame(&mut &*control, &ToRunner::Cancel { lane, start, code }, &[]).is_err() {
            drop(control);
            self.kill();
        }
    }

    /// Whether the process still runs.
    pub fn is_alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Ends the process at once. Its lanes close, and with them its attempts.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Whether this executor killed it.
    pub fn was_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// How it ended, in words, once its lanes are closed.
    pub fn last_words(&self) -> String {
        let until = Instant::now() + Duration::from_millis(200);
        loop {
            match self.child().try_wait() {
                Ok(Some(status)) => return status.to_string(),
                _ if Instant::now() > until => return "it closed its lane".into(),
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunnerProcess {
    fn drop(&mut self) {
        // It holds nothing that would have to be put in order.
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A refusal of the runner, as an error that explains itself.
#[derive(Debug, thiserror::Error)]
#[error("the runner did not take a component: {0}")]
struct Refused(cofferdam_call::Refusal);

impl cofferdam_ids::Explain for Refused {
    fn code(&self) -> Code {
        self.0.code
    }
    fn fault(&self) -> cofferdam_ids::Fault {
        cofferdam_ids::Fault::Publisher
    }
    fn fix(&self) -> String {
        "look at the plugin with `cofferdam plugin inspect`".into()
    }
}

/// Sends the first message with the runner's ends of the lanes, and waits until it is confined.
fn configure(
    control: &UnixStream,
    lanes: u32,
    memory_bytes_max: u64,
) -> Result<(Confinement, Vec<UnixStream>), String> {
    let text = |e: &dyn std::fmt::Display| clean(&e.to_string(), 256);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..lanes {
        let (our, their) = UnixStream::pair().map_err(|e| text(&e))?;
        ours.push(our);
        theirs.push(their);
    }
    let mut frame = Vec::new();
    write_frame(&mut frame, &ToRunner::Configure { lanes, memory_bytes_max }, &[]).map_err(|e| text(&e))?;
    let fds: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err("its lanes do not fit into one message".into());
    }
    let sent = sendmsg(control, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL)
        .map_err(|e| text(&e))?;
    // A stream socket may take less; the descriptors went with the first byte.
    (&mut &*control).write_all(&frame[sent..]).map_err(|e| text(&e))?;
    control.set_read_timeout(Some(READY_TIME_MAX)).map_err(|e| text(&e))?;
    match read_frame::<FromRunner>(&mut &*control).map_err(|e| text(&e))?.message {
        FromRunner::Ready(confinement) => Ok((confinement, ours)),
        _ => Err("its first message was not that it is ready".into()),
    }
}

/// Passes on what a runner says of itself, cut and cleaned, to the log.
fn log_words(child: &mut Child) {
    let (Some(stderr), id) = (child.stderr.take(), child.id()) else { return };
    let spawned = thread::Builder::new().name("runner-stderr".into()).spawn(move || {
        let mut reader = BufReader::new(stderr);
        for _ in 0..STDERR_LINES_MAX {
            let mut line = Vec::new();
            match reader.by_ref().take(STDERR_LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let words = clean(&String::from_utf8_lossy(&line), 2048);
                    tracing::warn!(runner = id, "runner: {words}");
                }
            }
        }
        // Keeps the pipe open, so that a runner that talks too much does not die of it.
        let _ = io::copy(&mut reader, &mut io::sink());
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "a runner's words are not logged");
    }
}

//! A file that only grows, written by one thread, made durable for all waiters at once.
//!
//! In: lines, from many threads. Out: the same lines in the order they were accepted, each ended
//! by a line break; [`AppendLog::append_durable`] returns once `fdatasync` has covered its line.
//! Never: reorders, drops or rewrites; grows its queue past [`QUEUE_BYTES_MAX`].
//! Fails: closed. After the first failed write or sync nothing is accepted any more, because a
//! kernel that reported a failed `fdatasync` once may report success for the lost pages next time.
//! Source: `docs/adr/0009-ledger-hash-chain-and-group-commit.md`.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::error::LogError;

/// Bytes of one line.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Bytes that may wait for the writer thread; whoever would exceed them waits too.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;
/// A line nobody waits for is durable within this time, the sync itself not counted.
pub const SYNC_WITHIN: Duration = Duration::from_millis(50);

/// Where bytes go. A file outside of tests.
pub trait Sink: Send {
    /// Adds bytes at the end, all of them.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once all that was written would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// Bytes of the log up to and including a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// An append-only log with group commit. Dropping it writes and syncs what is queued.
pub struct AppendLog {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// The writer thread waits on this one.
    work: Condvar,
    /// Everybody else waits on this one.
    done: Condvar,
}

struct State {
    queue: Vec<u8>,
    queued_since: Option<Instant>,
    /// Bytes accepted, queued or written.
    accepted: u64,
    durable: u64,
    /// Somebody waits until so many bytes are durable.
    wanted: u64,
    failure: Option<Arc<io::Error>>,
    closed: bool,
}

impl AppendLog {
    /// A log onto any sink that already holds `size` bytes. Starts the writer thread.
    pub fn onto(sink: Box<dyn Sink>, size: u64) -> io::Result<Self> {
        let state = State {
            queue: Vec::new(),
            queued_since: None,
            accepted: size,
            durable: size,
            wanted: size,
            failure: None,
            closed: false,
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() });
        let of_writer = Arc::clone(&shared);
        let writer =
            std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || of_writer.run(sink))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Accepts a line, given without its line break. Durable within [`SYNC_WITHIN`] and a sync.
    pub fn append(&self, line: &[u8]) -> Result<Position, LogError> {
        if line.is_empty() || line.len() > LINE_BYTES_MAX || line.contains(&b'\n') {
            return Err(LogError::BadLine { bytes: line.len(), limit: LINE_BYTES_MAX });
        }
        let mut state = self.shared.lock();
        while state.queue.len() + line.len() >= QUEUE_BYTES_MAX && state.usable().is_ok() {
            state.wanted = state.accepted;
            self.shared.work.notify_one();
            state = self.shared.wait(state);
        }
        state.usable()?;
        if state.queue.is_empty() {
            state.queued_since = Some(Instant::now());
            self.shared.work.notify_one();
        }
        state.queue.extend_from_slice(line);
        state.queue.push(b'\n');
        state.accepted += line.len() as u64 + 1;
        Ok(Position(state.accepted))
    }

    /// Accepts a line and returns once it is durable. Waiters share one sync.
    pub fn append_durable(&self, line: &[u8]) -> Result<Position, LogError> {
        let position = self.append(line)?;
        self.wait_durable(position)?;
        Ok(position)
    }

    /// Returns once everything accepted so far is durable.
    pub fn flush(&self) -> Result<(), LogError> {
        let accepted = self.shared.lock().accepted;
        self.wait_durable(Position(accepted))
    }

    /// Returns once the log is durable up to `position`.
    pub fn wait_durable(&self, position: Position) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        while state.durable < position.0 {
            state.usable()?;
            if state.wanted < position.0 {
                state.wanted = position.0;
                self.shared.work.notify_one();
            }
            state = self.shared.wait(state);
        }
        Ok(())
    }

    /// Whether lines are still accepted.
    pub fn usable(&self) -> Result<(), LogError> {
        self.shared.lock().usable()
    }
}

impl Drop for AppendLog {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        self.shared.done.notify_all();
        if let Some(writer) = self.writer.take() {
            // The writer has no way to panic; where it did, there is nobody left to tell.
            let _ = writer.join();
        }
    }
}

impl State {
    fn usable(&self) -> Result<(), LogError> {
        match &self.failure {
            Some(error) => Err(LogError::Failed(Arc::clone(error))),
            None if self.closed => Err(LogError::Closed),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// A panic elsewhere leaves the state whole: no code path panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.done.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer thread: takes what is queued, writes it, syncs once, wakes everybody.
    fn run(&self, mut sink: Box<dyn Sink>) {
        while let Some((batch, end)) = self.next_batch() {
            let outcome = sink.write_all(&batch).and_then(|()| sink.sync());
            let mut state = self.lock();
            match outcome {
                Ok(()) => state.durable = end,
                Err(error) => state.failure = Some(Arc::new(error)),
            }
            let failed = state.failure.is_some();
            drop(state);
            self.done.notify_all();
            if failed {
                return;
            }
        }
    }

    /// Waits until a batch is due: somebody waits for it, it is old enough, or the log closes.
    fn next_batch(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.lock();
        loop {
            let age = state.queued_since.map(|since| since.elapsed());
            match age {
                None if state.closed => return None,
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(age) if !state.closed && state.wanted <= state.durable && age < SYNC_WITHIN => {
                    let rest = SYNC_WITHIN - age;
                    let waited = self.work.wait_timeout(state, rest);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => break,
            }
        }
        state.queued_since = None;
        Some((std::mem::take(&mut state.queue), state.accepted))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory {
        bytes: Arc<Mutex<Vec<u8>>>,
        syncs: Arc<AtomicUsize>,
        room: Option<usize>,
        slow: Duration,
    }

    impl Sink for Memory {
        fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut held = self.bytes.lock().unwrap();
            if self.room.is_some_and(|room| held.len() + bytes.len() > room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(bytes);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            std::thread::sleep(self.slow);
            self.syncs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[test]
    fn lines_of_many_threads_arrive_whole_and_share_syncs() {
        let memory = Memory { slow: Duration::from_millis(2), ..Memory::default() };
        let log = AppendLog::onto(Box::new(memory.clone()), 0).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for n in 0..50 {
                        log.append_durable(format!("{thread}:{n}").as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = String::from_utf8(memory.bytes.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 400);
        for thread in 0..8 {
            let of_thread: Vec<_> = text.lines().filter(|l| l.starts_with(&format!("{thread}:"))).collect();
            assert_eq!(of_thread, (0..50).map(|n| format!("{thread}:{n}")).collect::<Vec<_>>());
        }
        assert!(memory.syncs.load(Ordering::SeqCst) < 300, "syncs are shared");
    }

    #[test]
    fn a_line_nobody_waits_for_is_durable_soon() {
        let memory = Memory::default();
        let log = AppendLog::onto(Box::new(memory.clone()), 0).unwrap();
        let position = log.append(b"quiet").unwrap();
        let begun = Instant::now();
        while log.shared.lock().durable < position.0 {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(*memory.bytes.lock().unwrap(), b"quiet\n");
    }

    #[test]
    fn a_full_disk_fails_the_waiter_and_everything_after() {
        let memory = Memory { room: Some(10), ..Memory::default() };
        let log = AppendLog::onto(Box::new(memory.clone()), 0).unwrap();
        log.append_durable(b"fits").unwrap();
        assert!(matches!(log.append_durable(b"does not fit"), Err(LogError::Failed(_))));
        assert!(matches!(log.append(b"x"), Err(LogError::Failed(_))), "though it would fit");
        assert!(matches!(log.flush(), Err(LogError::Failed(_))));
        assert_eq!(*memory.bytes.lock().unwrap(), b"fits\n");
    }

    #[test]
    fn dropping_the_log_writes_what_is_queued() {
        let memory = Memory::default();
        let log = AppendLog::onto(Box::new(memory.clone()), 0).unwrap();
        log.append(b"last words").unwrap();
        drop(log);
        assert_eq!(*memory.bytes.lock().unwrap(), b"last words\n");
    }

    #[test]
    fn a_line_break_an_empty_and_a_huge_line_are_refused() {
        let log = AppendLog::onto(Box::new(Memory::default()), 0).unwrap();
        for line in [&b""[..], b"two\nlines", &vec![b'x'; LINE_BYTES_MAX + 1]] {
            assert!(matches!(log.append(line), Err(LogError::BadLine { .. })));
        }
        assert!(log.append_durable(&vec![b'x'; LINE_BYTES_MAX]).is_ok());
    }

    #[test]
    fn a_full_queue_makes_writers_wait_and_loses_nothing() {
        let memory = Memory { slow: Duration::from_millis(1), ..Memory::default() };
        let log = AppendLog::onto(Box::new(memory.clone()), 0).unwrap();
        let line = vec![b'x'; LINE_BYTES_MAX];
        for _ in 0..12 {
            log.append(&line).unwrap();
        }
        drop(log);
        assert_eq!(memory.bytes.lock().unwrap().len(), 12 * (LINE_BYTES_MAX + 1));
    }
}

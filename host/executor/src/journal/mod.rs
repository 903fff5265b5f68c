//! The executor's memory across restarts: what was taken, from where, how often and when.
//!
//! In: entries, as verification and admission decide. Out: the [`cofferdam_bundle::JournalView`]
//! that later verification reads.
//! Never: lets a guest start before the entries that forbid starting it again are durable.
//! Fails: with `CD0704`. A line that is not an entry is refused, except a torn last one, which is
//! a write the last process did not finish: nothing was started on it.
//! Source: steps 5 to 7 and 11 of the order of verification.

mod entry;
mod memory;

use std::path::Path;

use cofferdam_ids::Explain;
use cofferdam_ledger::AppendLog;

pub use entry::Entry;
pub use memory::{ATTEMPTS_MAX, Memory};

use crate::{error::ExecutorError, folder::write_new};

/// Lines beyond what is needed before the file is rewritten at the next start.
const LINES_SPARE: usize = 1_000;

/// The journal of one executor. One thread owns it.
pub struct Journal {
    memory: Memory,
    log: AppendLog,
}

impl Journal {
    /// Opens or creates the file, reads it, and rewrites it where most of it is not needed.
    pub fn open(path: &Path) -> Result<Self, ExecutorError> {
        let mut memory = Memory::default();
        let mut lines = 0_usize;
        let mut broken = None;
        let (log, _) = AppendLog::open_replaying(path, |line| {
            lines += 1;
            match serde_json::from_slice::<Entry>(line) {
                Ok(entry) => memory.apply(&entry),
                Err(error) => {
                    broken.get_or_insert_with(|| format!("line {lines} is not an entry: {error}"));
                }
            }
        })
        .map_err(ExecutorError::below)?;
        if let Some(why) = broken {
            return Err(ExecutorError::Journal(why));
        }
        let entries = memory.entries();
        if lines <= entries.len().saturating_mul(2) + LINES_SPARE {
            return Ok(Self { memory, log });
        }
        drop(log);
        rewrite(path, &entries)?;
        let (log, _) = AppendLog::open(path).map_err(ExecutorError::below)?;
        Ok(Self { memory, log })
    }

    /// What is known now.
    pub fn view(&self) -> &Memory {
        &self.memory
    }

    /// Takes an entry in. It is known at once, and durable after [`Self::commit`].
    pub fn note(&mut self, entry: &Entry) -> Result<(), ExecutorError> {
        // Known even where it cannot be written: what is known only ever refuses.
        self.memory.apply(entry);
        let line = serde_json::to_vec(entry).map_err(|e| ExecutorError::Journal(e.to_string()))?;
        self.log.append(&line).map_err(unwritten)?;
        Ok(())
    }

    /// Returns once every entry so far would survive a power cut.
    pub fn commit(&self) -> Result<(), ExecutorError> {
        self.log.flush().map_err(unwritten)
    }
}

fn unwritten(error: cofferdam_ledger::LogError) -> ExecutorError {
    let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
    ExecutorError::Journal(format!("{error}{cause} ({})", error.code()))
}

fn rewrite(path: &Path, entries: &[Entry]) -> Result<(), ExecutorError> {
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, entry).map_err(|e| ExecutorError::Journal(e.to_string()))?;
        text.push(b'\n');
    }
    write_new(path, &text).map_err(|e| ExecutorError::Journal(e.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, time::Duration};

    use cofferdam_bundle::JournalView;
    use cofferdam_ids::{DispatchId, Fence, ProjectId, ReleaseSeq, RunId, Sha256Digest, TaskId, Timestamp};

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(second))
    }

    fn project() -> ProjectId {
        ProjectId::new("prj_shop").unwrap()
    }

    fn task() -> TaskId {
        TaskId::new("model.shop.orders").unwrap()
    }

    fn dispatch(n: u64) -> DispatchId {
        DispatchId::new(format!("dispatch-{n}")).unwrap()
    }

    fn run(n: u64) -> RunId {
        RunId::new(format!("run_{n}")).unwrap()
    }

    fn consumed(n: u64, second: u64) -> Entry {
        Entry::Consumed {
            at: at(second),
            dispatch: dispatch(n),
            not_after: at(second + 60),
            project: project(),
            task: task(),
            fence: Fence(n),
        }
    }

    fn attempt(n: u64, second: u64) -> Entry {
        Entry::Attempt { at: at(second), project: project(), run: run(n), task: task() }
    }

    fn release(seq: u64, second: u64) -> Entry {
        let sha256 = Sha256Digest::of(&seq.to_le_bytes());
        Entry::Release { at: at(second), project: project(), seq: ReleaseSeq(seq), sha256 }
    }

    fn check(memory: &Memory) {
        assert!(memory.dispatch_seen(&dispatch(2)) && !memory.dispatch_seen(&dispatch(3)));
        assert_eq!(memory.fence(&project(), &task()), Some(Fence(2)));
        assert_eq!(memory.release_mark(&project()).map(|m| m.0), Some(ReleaseSeq(41)));
        assert_eq!((memory.attempts(&run(1), &task()), memory.attempts(&run(2), &task())), (2, 1));
        assert_eq!(memory.last_run_start(&project(), &task()), Some((run(2), at(7))));
        assert_eq!(memory.clock_floor(), at(7));
    }

    fn fill(journal: &mut Journal) {
        let entries = [
            consumed(1, 0),
            release(40, 0),
            attempt(1, 1),
            release(41, 2),
            release(40, 3),
            consumed(2, 4),
            attempt(1, 5),
            attempt(2, 7),
        ];
        for entry in entries {
            journal.note(&entry).unwrap();
        }
        journal.commit().unwrap();
    }

    #[test]
    fn what_was_noted_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        let mut journal = Journal::open(&path).unwrap();
        fill(&mut journal);
        check(journal.view());
        drop(journal);
        check(Journal::open(&path).unwrap().view());
    }

    #[test]
    fn a_rewritten_journal_knows_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        let mut journal = Journal::open(&path).unwrap();
        for _ in 0..2 * LINES_SPARE {
            journal.note(&release(40, 0)).unwrap();
        }
        fill(&mut journal);
        drop(journal);
        check(Journal::open(&path).unwrap().view());
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 20, "{lines} lines are left");
        check(Journal::open(&path).unwrap().view());
    }

    #[test]
    fn a_torn_last_line_is_cut_and_a_broken_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.log");
        let mut journal = Journal::open(&path).unwrap();
        fill(&mut journal);
        drop(journal);
        let whole = fs::read(&path).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"e\":\"consu").unwrap();
        check(Journal::open(&path).unwrap().view());

        fs::write(&path, [b"{\"e\":\"forget\"}\n", &whole[..]].concat()).unwrap();
        let error = Journal::open(&path).err().unwrap();
        assert!(error.to_string().contains("line 1 is not an entry"), "{error}");
    }

    #[test]
    fn a_dispatch_is_forgotten_only_when_its_own_time_refuses_it() {
        let mut memory = Memory::default();
        memory.apply(&consumed(1, 0));
        memory.apply(&consumed(2, 60));
        assert!(memory.dispatch_seen(&dispatch(1)), "its last moment is not over");
        memory.apply(&consumed(3, 61));
        assert!(!memory.dispatch_seen(&dispatch(1)) && memory.dispatch_seen(&dispatch(2)));
    }

    #[test]
    fn counted_attempts_stay_within_their_limit() {
        let mut memory = Memory::default();
        for n in 0..ATTEMPTS_MAX as u64 + 10 {
            memory.apply(&attempt(n, 0));
        }
        assert_eq!(memory.attempts(&run(0), &task()), 0);
        assert_eq!(memory.attempts(&run(10), &task()), 1);
        assert_eq!(memory.entries().len(), ATTEMPTS_MAX + 1);
    }
}

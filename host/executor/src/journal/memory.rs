//! What the journal says, as maps: the view that verification reads.

use std::collections::{HashMap, VecDeque};

use cofferdam_bundle::JournalView;
use cofferdam_ids::{DispatchId, Fence, ProjectId, ReleaseSeq, RunId, Sha256Digest, TaskId, Timestamp};

use super::entry::Entry;

/// (Run, task) pairs whose attempts are counted; the longest unused are forgotten first. What is
/// forgotten is still bound by the interval between runs and by the fence.
pub const ATTEMPTS_MAX: usize = 200_000;

/// The maps. Kept up to date with every entry, before it is durable: what is not durable in the
/// end was not started either.
#[derive(Debug)]
pub struct Memory {
    consumed: HashMap<DispatchId, Timestamp>,
    consumed_order: VecDeque<(Timestamp, DispatchId)>,
    fences: HashMap<(ProjectId, TaskId), Fence>,
    releases: HashMap<ProjectId, (ReleaseSeq, Sha256Digest)>,
    attempts: HashMap<(RunId, TaskId), u32>,
    attempts_order: VecDeque<(RunId, TaskId)>,
    first_starts: HashMap<(ProjectId, TaskId), (RunId, Timestamp)>,
    floor: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            consumed: HashMap::new(),
            consumed_order: VecDeque::new(),
            fences: HashMap::new(),
            releases: HashMap::new(),
            attempts: HashMap::new(),
            attempts_order: VecDeque::new(),
            first_starts: HashMap::new(),
            floor: Timestamp::from_millis(0),
        }
    }
}

impl Memory {
    /// Takes an entry in.
    pub fn apply(&mut self, entry: &Entry) {
        self.floor = self.floor.max(entry.at());
        match entry {
            Entry::Consumed { dispatch, not_after, project, task, fence, .. } => {
                self.apply_spent(dispatch, *not_after);
                self.apply_fence(project, task, *fence);
            }
            Entry::Spent { dispatch, not_after, .. } => self.apply_spent(dispatch, *not_after),
            Entry::Fence { project, task, fence, .. } => self.apply_fence(project, task, *fence),
            Entry::Attempts { run, task, count, .. } => {
                let key = (run.clone(), task.clone());
                self.attempts_order.push_back(key.clone());
                self.attempts.insert(key, *count);
            }
            Entry::Start { project, task, run, started, .. } => {
                self.first_starts.insert((project.clone(), task.clone()), (run.clone(), *started));
            }
            Entry::Release { project, seq, sha256, .. } => {
                let mark = self.releases.entry(project.clone()).or_insert((*seq, *sha256));
                if *seq > mark.0 {
                    *mark = (*seq, *sha256);
                }
            }
            Entry::Attempt { at, project, run, task } => self.apply_attempt(*at, project, run, task),
        }
    }

    fn apply_spent(&mut self, dispatch: &DispatchId, not_after: Timestamp) {
        if self.consumed.insert(dispatch.clone(), not_after).is_none() {
            self.consumed_order.push_back((not_after, dispatch.clone()));
        }
        self.forget_expired();
    }

    fn apply_fence(&mut self, project: &ProjectId, task: &TaskId, fence: Fence) {
        let highest = self.fences.entry((project.clone(), task.clone())).or_default();
        *highest = (*highest).max(fence);
    }

    fn apply_attempt(&mut self, at: Timestamp, project: &ProjectId, run: &RunId, task: &TaskId) {
        let key = (run.clone(), task.clone());
        if !self.attempts.contains_key(&key) {
            self.attempts_order.push_back(key.clone());
            let start = (run.clone(), at);
            self.first_starts.insert((project.clone(), task.clone()), start);
        }
        *self.attempts.entry(key).or_default() += 1;
        while self.attempts.len() > ATTEMPTS_MAX {
            let Some(oldest) = self.attempts_order.pop_front() else { break };
            self.attempts.remove(&oldest);
        }
    }

    /// A dispatch whose time is over before the clock's floor is refused by its time alone, and
    /// the clock never runs below its floor: its id need not be kept.
    fn forget_expired(&mut self) {
        while let Some((not_after, _)) = self.consumed_order.front() {
            if *not_after >= self.floor {
                break;
            }
            if let Some((_, dispatch)) = self.consumed_order.pop_front() {
                self.consumed.remove(&dispatch);
            }
        }
    }

    /// The same knowledge in as few entries as it takes.
    pub fn entries(&self) -> Vec<Entry> {
        let at = self.floor;
        let mut entries = Vec::new();
        for (not_after, dispatch) in &self.consumed_order {
            entries.push(Entry::Spent { at, dispatch: dispatch.clone(), not_after: *not_after });
        }
        for ((project, task), fence) in &self.fences {
            entries.push(Entry::Fence { at, project: project.clone(), task: task.clone(), fence: *fence });
        }
        for (project, (seq, sha256)) in &self.releases {
            entries.push(Entry::Release { at, project: project.clone(), seq: *seq, sha256: *sha256 });
        }
        for key in &self.attempts_order {
            let (run, task) = key.clone();
            let count = self.attempts.get(key).copied().unwrap_or_default();
            entries.push(Entry::Attempts { at, run, task, count });
        }
        for ((project, task), (run, started)) in &self.first_starts {
            let (project, task, run) = (project.clone(), task.clone(), run.clone());
            entries.push(Entry::Start { at, project, task, run, started: *started });
        }
        entries
    }
}

impl JournalView for Memory {
    fn dispatch_seen(&self, dispatch: &DispatchId) -> bool {
        self.consumed.contains_key(dispatch)
    }

    fn fence(&self, project: &ProjectId, task: &TaskId) -> Option<Fence> {
        // The map's key is owned, and a lookup by parts would need one of its own.
        self.fences.get(&(project.clone(), task.clone())).copied()
    }

    fn release_mark(&self, project: &ProjectId) -> Option<(ReleaseSeq, Sha256Digest)> {
        self.releases.get(project).copied()
    }

    fn attempts(&self, run: &RunId, task: &TaskId) -> u32 {
        self.attempts.get(&(run.clone(), task.clone())).copied().unwrap_or(0)
    }

    fn last_run_start(&self, project: &ProjectId, task: &TaskId) -> Option<(RunId, Timestamp)> {
        self.first_starts.get(&(project.clone(), task.clone())).cloned()
    }

    fn clock_floor(&self) -> Timestamp {
        self.floor
    }
}

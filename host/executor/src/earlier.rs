//! What earlier attempts of a run left in the object store, for the attempt that may read it.
//!
//! In: an admitted attempt. Out: for each task of its run the last attempt, and a file it kept.
//! Never: leads to a run that the signed dispatch does not name, or to an attempt of another
//! release, which for one executor is to say: of another project.
//! Fails: where the store cannot be read, or holds what this program did not write.
//! Source: `docs/adr/0019-results-for-later-tasks.md`.

use std::{collections::BTreeMap, io};

use cofferdam_broker::{Earlier, KeptPage};
use cofferdam_call::{
    Ending, KEPT_FILE_BYTES_MAX, KEPT_PAGE_ATTEMPTS_MAX, KEPT_PAGE_BYTES_MAX, KeptAttempt, shorten,
};
use cofferdam_ids::{RunId, Sha256Digest};

use crate::{
    gate::Admitted,
    objects::{AttemptResult, Objects},
};

/// Bytes of what the executor itself says of an attempt.
const RESULT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of an attempt's message.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The results of the attempts of a run, and of those its dispatch names beside it.
pub struct EarlierAttempts {
    objects: Objects,
    /// In their order: what a later one has of a task stands for what an earlier one has.
    runs: Vec<RunId>,
    release: Sha256Digest,
    tasks: Option<BTreeMap<String, RunId>>,
}

impl EarlierAttempts {
    /// Those an attempt may know of. Looks at nothing yet.
    pub fn new(objects: Objects, attempt: &Admitted) -> Self {
        Self::of(objects, attempt.runs(), attempt.release.digest)
    }

    fn of(objects: Objects, runs: Vec<RunId>, release: Sha256Digest) -> Self {
        Self { objects, runs, release, tasks: None }
    }

    /// Every task that left something, and the last run that has it.
    fn tasks(&self) -> io::Result<BTreeMap<String, RunId>> {
        let mut tasks = BTreeMap::new();
        for run in &self.runs {
            let (folders, _) = self.objects.names(&format!("runs/{run}"))?;
            tasks.extend(folders.into_iter().map(|task| (task, run.clone())));
        }
        Ok(tasks)
    }

    /// The last attempt of a task that has ended, with its file.
    fn last(&self, run: &RunId, task: &str, name: &str) -> io::Result<Option<(KeptAttempt, Vec<u8>)>> {
        let folder = format!("runs/{run}/{task}");
        let (_, files) = self.objects.names(&folder)?;
        let number =
            |file: &String| file.strip_prefix("attempt-")?.strip_suffix(".json")?.parse::<u32>().ok();
        let Some(attempt) = files.iter().filter_map(number).max() else { return Ok(None) };
        let base = format!("{folder}/attempt-{attempt}");
        let Some(bytes) = self.objects.get(&format!("{base}.json"), RESULT_BYTES_MAX)? else {
            return Ok(None);
        };
        let result: AttemptResult = serde_json::from_slice(&bytes)?;
        if result.release != self.release {
            return Ok(None);
        }
        let file = self.objects.get(&format!("{base}/{name}"), KEPT_FILE_BYTES_MAX as u64)?;
        let ending = match &*result.state {
            "succeeded" => Ending::Succeeded,
            "cancelled" => Ending::Cancelled,
            "refused" => Ending::Refused,
            _ => Ending::Failed,
        };
        let host = result.code.map(|code| code.to_string());
        let kept = KeptAttempt {
            task: task.to_owned(),
            attempt,
            ending,
            code: result.guest_code.or(host).unwrap_or_default(),
            message: shorten(&result.message, MESSAGE_BYTES_MAX),
            started_at: result.started_at.to_string(),
            ended_at: result.ended_at.to_string(),
            length: file.as_ref().map(|file| u32::try_from(file.len()).unwrap_or(u32::MAX)),
        };
        Ok(Some((kept, file.unwrap_or_default())))
    }
}

impl Earlier for EarlierAttempts {
    fn kept(&mut self, name: &str, start: &str, after: Option<&str>) -> io::Result<KeptPage> {
        let tasks = match self.tasks.take() {
            Some(tasks) if after.is_some() => tasks,
            _ => self.tasks()?,
        };
        let mut page = KeptPage::default();
        let mut bytes = 0;
        let is_asked_for = |task: &str| task.starts_with(start) && after.is_none_or(|after| task > after);
        for (task, run) in tasks.iter().filter(|(task, _)| is_asked_for(task)) {
            let Some((attempt, file)) = self.last(run, task, name)? else { continue };
            bytes += file.len() + attempt.message.len();
            let is_full = page.attempts.len() >= KEPT_PAGE_ATTEMPTS_MAX || bytes > KEPT_PAGE_BYTES_MAX;
            if is_full && !page.attempts.is_empty() {
                page.more = true;
                break;
            }
            page.bytes.extend(file);
            page.attempts.push(attempt);
        }
        self.tasks = Some(tasks);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_ids::{AttemptNo, TaskId, Timestamp};

    use super::*;
    use crate::objects::{AttemptName, Words};

    fn run(name: &str) -> RunId {
        RunId::new(name).unwrap()
    }

    struct Store {
        objects: Objects,
        _folder: tempfile::TempDir,
        _runtime: tokio::runtime::Runtime,
    }

    fn store() -> Store {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let objects = Objects::local(&folder.path().join("objects"), runtime.handle().clone()).unwrap();
        Store { objects, _folder: folder, _runtime: runtime }
    }

    impl Store {
        fn keep(&self, run: &RunId, task: &str, attempt: u32, release: &[u8], file: &[u8]) {
            let at = Timestamp::from_millis(0);
            let result = AttemptResult {
                release: Sha256Digest::of(release),
                state: "succeeded".into(),
                code: None,
                guest_code: None,
                message: format!("{task} {attempt}"),
                rows_affected: None,
                started_at: at,
                ended_at: at,
                duration_ms: 1,
                usage: cofferdam_call::Usage::default(),
            };
            let task = TaskId::new(task).unwrap();
            let name = AttemptName { run, task: &task, attempt: AttemptNo(attempt) };
            let files = BTreeMap::from([("result.json".to_owned(), file.to_vec())]);
            self.objects.keep(name, Words { log: Vec::new(), files }, &result).unwrap();
        }

        fn read(&self, runs: &[&RunId]) -> Vec<(String, Option<u32>)> {
            self.read_those(runs, "")
        }

        fn read_those(&self, runs: &[&RunId], start: &str) -> Vec<(String, Option<u32>)> {
            let runs = runs.iter().map(|run| (*run).clone()).collect();
            let mut earlier = EarlierAttempts::of(self.objects.clone(), runs, Sha256Digest::of(b"mine"));
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = earlier.kept("result.json", start, after.as_deref()).unwrap();
                let sum: u32 = page.attempts.iter().filter_map(|one| one.length).sum();
                assert_eq!(page.bytes.len(), sum as usize);
                after = page.attempts.last().map(|one| one.task.clone());
                all.extend(page.attempts.into_iter().map(|one| (one.message, one.length)));
                if !page.more {
                    return all;
                }
            }
        }
    }

    #[test]
    fn the_last_attempt_of_each_task_of_the_named_runs_is_read_and_no_other() {
        let store = store();
        let (before, own, foreign) = (run("run_a"), run("run_b"), run("run_c"));
        store.keep(&before, "model.shop.a", 1, b"mine", b"one");
        store.keep(&before, "model.shop.a", 2, b"mine", b"three");
        store.keep(&before, "model.shop.b", 1, b"mine", b"one");
        store.keep(&own, "model.shop.b", 1, b"mine", b"newer");
        store.keep(&own, "model.shop.c", 1, b"another", b"of another release");
        store.keep(&foreign, "model.shop.d", 1, b"mine", b"of another run");
        let found = store.read(&[&before, &own]);
        assert_eq!(found, [("model.shop.a 2".to_owned(), Some(5)), ("model.shop.b 1".to_owned(), Some(5))]);
        assert_eq!(store.read(&[&own]), [("model.shop.b 1".to_owned(), Some(5))]);
        assert_eq!(store.read(&[&run("run_nothing")]), []);
        assert_eq!(store.read_those(&[&before], "model.shop.b"), [("model.shop.b 1".to_owned(), Some(3))]);
    }

    #[test]
    fn pages_hold_what_fits_and_at_least_one_attempt() {
        let store = store();
        let own = run("run_a");
        for task in ["a", "b", "c"] {
            store.keep(&own, task, 1, b"mine", &vec![b'x'; 400 << 10]);
        }
        store.keep(&own, "d", 1, b"mine", &vec![b'x'; 1 << 20]);
        store.keep(&own, "e", 1, b"mine", b"");
        let names: Vec<_> = store.read(&[&own]).into_iter().map(|(message, _)| message).collect();
        assert_eq!(names, ["a 1", "b 1", "c 1", "d 1", "e 1"]);
    }
}

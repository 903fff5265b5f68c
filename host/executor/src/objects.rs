//! Results and logs of attempts, in an object store of the customer's: a local folder by default.
//!
//! In: an attempt's log, the files it kept and its result. Out: objects under the run,
//! `<task>/attempt-<n>.log` and `.json`, and `attempt-<n>/<name>` for each file. Nothing of them goes
//! to the scheduler.
//! Fails: with `CD0740`.
//! Source: §9 of the design, "what may leave the customer's network".

use std::{borrow::Cow, collections::BTreeMap, io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc};

use cofferdam_call::Usage;
use cofferdam_ids::{AttemptNo, Code, RunId, Sha256Digest, TaskId, Timestamp};
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path as ObjectPath,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::error::ExecutorError;

/// Which attempt an object belongs to.
#[derive(Clone, Copy, Debug)]
pub struct AttemptName<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The task.
    pub task: &'a TaskId,
    /// Which try.
    pub attempt: AttemptNo,
}

/// What is kept of an attempt's end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptResult {
    /// Digest of the release it was an attempt of.
    pub release: Sha256Digest,
    /// `succeeded`, `failed`, `refused` or `cancelled`.
    pub state: Cow<'static, str>,
    /// The host's code, where it did not succeed.
    pub code: Option<Code>,
    /// The guest's own code, where it failed by itself.
    pub guest_code: Option<String>,
    /// What happened, for the customer.
    pub message: String,
    /// Rows changed or checked.
    pub rows_affected: Option<u64>,
    /// When it was admitted.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// What the runner counted.
    pub usage: Usage,
}

/// What an attempt leaves beside its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Its log.
    pub log: Vec<u8>,
    /// Small files it kept, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The object store.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
}

impl Objects {
    /// A folder of this machine, made where it is missing.
    pub fn local(folder: &Path, runtime: Handle) -> Result<Self, ExecutorError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| ExecutorError::Objects {
            path: folder.display().to_string(),
            source: e,
        };
        // Made for the executor's user alone; who else may read an existing folder is the
        // operator's to say.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|e| failed(e.into()))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| failed(e.into()))?;
        Ok(Self { store: Arc::new(store), runtime })
    }

    /// Keeps an attempt's log, if it has one, its files and, when they are there, its result.
    /// Blocks.
    pub fn keep(
        &self,
        name: AttemptName<'_>,
        words: Words,
        result: &AttemptResult,
    ) -> Result<(), ExecutorError> {
        let base = format!("runs/{}/{}/attempt-{}", name.run, name.task, name.attempt);
        if !words.log.is_empty() {
            self.put(format!("{base}.log"), words.log)?;
        }
        for (file, content) in words.files {
            self.put(format!("{base}/{file}"), content)?;
        }
        let json = serde_json::to_vec_pretty(result).unwrap_or_default();
        self.put(format!("{base}.json"), json)
    }

    /// The names that lie directly under a path: of folders, then of files. Blocks.
    pub(crate) fn names(&self, path: &str) -> io::Result<(Vec<String>, Vec<String>)> {
        let place = ObjectPath::from(path);
        let found = self.runtime.block_on(self.store.list_with_delimiter(Some(&place)))?;
        let last = |path: &ObjectPath| path.filename().map(str::to_owned);
        let folders = found.common_prefixes.iter().filter_map(last).collect();
        Ok((folders, found.objects.iter().filter_map(|object| last(&object.location)).collect()))
    }

    /// An object of at most so many bytes; none where there is none. Blocks.
    pub(crate) fn get(&self, path: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let place = ObjectPath::from(path);
        let got = async {
            let found = self.store.get(&place).await?;
            if found.meta.size > bytes_max {
                let why = format!("{path} is longer than {bytes_max} bytes");
                return Err(object_store::Error::Generic { store: "results", source: why.into() });
            }
            found.bytes().await
        };
        match self.runtime.block_on(got) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn put(&self, path: String, bytes: Vec<u8>) -> Result<(), ExecutorError> {
        let place = ObjectPath::from(path.as_str());
        let put = self.store.put(&place, PutPayload::from(bytes));
        self.runtime.block_on(put).map_err(|e| ExecutorError::Objects { path, source: e.into() })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempts_log_and_result_lie_under_its_run() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let objects = Objects::local(&dir.path().join("objects"), runtime.handle().clone()).unwrap();
        let (run, task) = (RunId::new("run_1").unwrap(), TaskId::new("model.shop.orders").unwrap());
        let at = Timestamp::from_millis(0);
        let result = AttemptResult {
            release: Sha256Digest::of(b"release"),
            state: "succeeded".into(),
            code: None,
            guest_code: None,
            message: "3 rows".into(),
            rows_affected: Some(3),
            started_at: at,
            ended_at: at,
            duration_ms: 1,
            usage: Usage::default(),
        };
        let name = AttemptName { run: &run, task: &task, attempt: AttemptNo(2) };
        let files = BTreeMap::from([("compiled.sql".to_owned(), b"select 1".to_vec())]);
        objects.keep(name, Words { log: b"a line\n".to_vec(), files }, &result).unwrap();
        let folder = dir.path().join("objects/runs/run_1/model.shop.orders");
        assert_eq!(std::fs::read(folder.join("attempt-2.log")).unwrap(), b"a line\n");
        assert_eq!(std::fs::read(folder.join("attempt-2/compiled.sql")).unwrap(), b"select 1");
        let json = std::fs::read_to_string(folder.join("attempt-2.json")).unwrap();
        assert!(json.contains("\"rows_affected\": 3"), "{json}");
    }
}

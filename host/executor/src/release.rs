//! A release on this executor: verified, and then made ready to run.
//!
//! In: a verified release. Out: its files in sealed memory, its components inspected and
//! compiled, and a runner that holds them.
//! Never: compiles a component of a release that no dispatch was admitted for.
//! Fails: with the code of whatever is not as the release says.
//! Source: step 10 of the order of verification.

use std::{collections::HashSet, sync::Arc};

use cofferdam_bundle::{
    Verified,
    statement::{FileEntry, PluginEntry, Release},
};
use cofferdam_cap_files::{ReleaseFile, ReleaseFiles};
use cofferdam_ids::{ByteCount, Code, Explain, Sha256Digest};
use tokio::task::JoinSet;

use crate::{
    artifacts::Origin,
    blobs::{Blob, Kept},
    error::ExecutorError,
    house::House,
    inspection,
    pack::Packing,
};

/// Bytes of all files of one release together.
pub const FILES_BYTES_MAX: u64 = 1 << 30;
/// Blobs fetched at once.
const FETCHES_MAX: usize = 8;
/// An artifact or blob on disk was not what this executor had put there.
pub const POISONED: Code = Code(717);

/// A release whose signature and body were verified.
pub struct KnownRelease {
    /// What it says.
    pub verified: Verified<Release>,
    /// Its digest.
    pub digest: Sha256Digest,
}

/// A component and the machine code it was compiled to.
type Artifact = (Sha256Digest, Arc<Vec<u8>>);

impl KnownRelease {
    /// The release.
    pub fn release(&self) -> &Release {
        self.verified.statement()
    }
}

/// A release that can be run.
pub struct ReadyRelease {
    /// Its files.
    pub files: Arc<ReleaseFiles>,
    components: Vec<Arc<Blob>>,
}

impl ReadyRelease {
    /// The compiled components, from the cache or compiled anew.
    pub fn artifacts(&self, house: &House) -> Result<Vec<Artifact>, ExecutorError> {
        self.components
            .iter()
            .map(|component| {
                let artifact = house.artifacts.get(component)?;
                if artifact.origin == Origin::Poisoned {
                    let which = component.digest().short();
                    house.alarm(POISONED, format!("the compiled component {which} on disk was not made by this executor; it was made again"));
                }
                Ok((component.digest(), artifact.bytes))
            })
            .collect()
    }
}

/// Fetches, checks and compiles what a release needs, and starts its runner.
pub async fn prepare(house: Arc<House>, known: Arc<KnownRelease>) -> Result<ReadyRelease, ExecutorError> {
    let release = known.release();
    let components = fetch_components(&house, release).await?;
    let files = fetch_files(&house, &release.files).await?;
    let ready = ReadyRelease { files: Arc::new(files), components };
    let digest = known.digest;
    let task = tokio::task::spawn_blocking(move || {
        house.runners.get(digest, || ready.artifacts(&house))?;
        Ok(ready)
    });
    task.await.map_err(|e| ExecutorError::RunnerStart(e.to_string()))?
}

/// Components of tasks and adapters. Loaders run when a release is built, never here.
fn needed(release: &Release) -> impl Iterator<Item = &PluginEntry> {
    let tasks = release.tasks.iter().map(|t| &t.plugin);
    let adapters = release.gateways.iter().map(|g| &g.adapter);
    let names: HashSet<_> = tasks.chain(adapters).collect();
    release.plugins.iter().filter(move |p| names.contains(&p.name))
}

async fn fetch_components(house: &Arc<House>, release: &Release) -> Result<Vec<Arc<Blob>>, ExecutorError> {
    let mut components: Vec<Arc<Blob>> = Vec::new();
    for plugin in needed(release) {
        if components.iter().any(|c| c.digest() == plugin.sha256) {
            continue;
        }
        let blob = fetch(Arc::clone(house), plugin.sha256, plugin.size).await?;
        inspection::check(&blob, plugin)?;
        components.push(Arc::new(blob));
    }
    Ok(components)
}

async fn fetch_files(house: &Arc<House>, files: &[FileEntry]) -> Result<ReleaseFiles, ExecutorError> {
    let sum = files.iter().fold(0_u64, |sum, f| sum.saturating_add(f.size));
    if sum > FILES_BYTES_MAX {
        return Err(ExecutorError::FilesTooLarge { size: ByteCount(sum), limit: ByteCount(FILES_BYTES_MAX) });
    }
    let mut packing = Packing::new()?;
    let mut seen = HashSet::new();
    let mut left = files.iter().filter(|f| seen.insert(f.sha256));
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < FETCHES_MAX
            && let Some(file) = left.next()
        {
            under_way.spawn(fetch(Arc::clone(house), file.sha256, file.size));
        }
        let Some(done) = under_way.join_next().await else { break };
        let blob = done.map_err(|e| ExecutorError::RunnerStart(e.to_string()))??;
        let bytes = blob.read().map_err(|e| fetch_failed(blob.digest(), e))?;
        packing.add(blob.digest(), blob.bytes(), &bytes)?;
    }
    let entries = files.iter().map(|f| ReleaseFile { path: f.path.clone(), sha256: f.sha256, size: f.size });
    ReleaseFiles::new(entries, Arc::new(packing.seal()?))
        .map_err(|e| ExecutorError::Blob { expected: Sha256Digest::from_bytes([0; 32]), why: e.to_string() })
}

/// A blob from disk, or else from the scheduler.
async fn fetch(house: Arc<House>, digest: Sha256Digest, bytes: u64) -> Result<Blob, ExecutorError> {
    let disk = Arc::clone(&house);
    let kept = tokio::task::spawn_blocking(move || disk.blobs.load(digest, bytes)).await;
    match kept {
        Ok(Kept::Whole(blob)) => return Ok(blob),
        Ok(Kept::Poisoned) => {
            let which = digest.short();
            house.alarm(
                POISONED,
                format!("the blob {which} on disk was not what it should be; it is fetched again"),
            );
        }
        Ok(Kept::Nothing) | Err(_) => {}
    }
    let fetched = house.scheduler.blob(digest, ByteCount(bytes)).await;
    let fetched = fetched.map_err(|error| match error.code().0 {
        // The client has seen already that it is too long or another one.
        605 | 613 => ExecutorError::Blob { expected: digest, why: error.to_string() },
        _ => fetch_failed(digest, error),
    })?;
    let task = tokio::task::spawn_blocking(move || {
        let blob = Blob::take_in(fetched.as_slice(), digest, bytes)?;
        house.blobs.keep(&blob);
        Ok(blob)
    });
    task.await.map_err(|e| fetch_failed(digest, e))?
}

/// A release's envelope, not verified yet.
pub async fn fetch_envelope(house: &House, digest: Sha256Digest) -> Result<Vec<u8>, ExecutorError> {
    house.scheduler.release(digest).await.map_err(|e| fetch_failed(digest, e))
}

fn fetch_failed(
    digest: Sha256Digest,
    error: impl std::error::Error + Send + Sync + 'static,
) -> ExecutorError {
    ExecutorError::Fetch { digest: digest.short(), source: Box::new(error) }
}

//! Compiled components: made in a killable child, kept on disk under an authentication code.
//!
//! In: a sealed [`Blob`] of a component. Out: the artifact a runner loads.
//! Never: hands out an artifact this executor did not make itself. Loading one means running it
//! as native code, so each carries an HMAC-SHA256 under a key of this machine, over the digest of
//! the component and the compiler's fingerprint too.
//! Fails: with `CD0712` or `CD0713`. An artifact on disk whose code does not match is removed,
//! told to the caller, and made again.
//! Source: threat 17 of the threat model.

use std::{
    fs,
    hash::{Hash as _, Hasher},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use cofferdam_ids::{ByteCount, Sha256Digest};
use sha2::{Digest as _, Sha256};

use crate::{
    blobs::{Blob, trim},
    child::{self, ChildFailure},
    error::{ExecutorError, clean},
    folder::{cache_key, mac, mac_matches, private_folder, write_cached},
};

/// Bytes of one compiled component: what a runner takes.
pub const ARTIFACT_BYTES_MAX: u64 = cofferdam_runner::ARTIFACT_BYTES_MAX as u64;
/// Bytes kept of compiled components on disk.
pub const ARTIFACT_CACHE_BYTES_MAX: u64 = 4 << 30;
/// How long one component may be compiled.
pub const COMPILE_TIME_MAX: Duration = Duration::from_secs(60);

const TAG_BYTES: usize = 32;
const PURPOSE: &[u8] = b"cofferdam-artifact-v1";

/// An artifact, and whether one on disk had to be thrown away for it.
#[derive(Debug)]
pub struct Artifact {
    /// The bytes a runner loads.
    pub bytes: Arc<Vec<u8>>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where an artifact came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From disk, its code matching.
    Cache,
    /// Compiled now.
    Compiled,
    /// Compiled now, because the one on disk was not made by this executor.
    Poisoned,
}

/// Compiles components, as many at once as there are cores, and keeps what it made.
pub struct Artifacts {
    folder: PathBuf,
    program: PathBuf,
    key: [u8; 32],
    fingerprint: String,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Artifacts {
    /// `fingerprint` names the compiler and its settings; another one never loads what this made.
    pub fn open(folder: PathBuf, program: PathBuf, key: [u8; 32], fingerprint: String) -> Self {
        trim(&folder, ARTIFACT_CACHE_BYTES_MAX);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { folder, program, key, fingerprint, free: Mutex::new(cores), freed: Condvar::new() }
    }

    /// Those in a folder that programs of one user share, with a key that no other user can read.
    pub fn shared(cache: &Path, program: PathBuf) -> Result<Self, ExecutorError> {
        let key = cache_key(cache)?;
        let folder = cache.join("artifacts");
        private_folder(&folder)
            .map_err(|e| ExecutorError::Folder { path: folder.clone(), why: e.to_string() })?;
        Ok(Self::open(folder, program, key, fingerprint()?))
    }

    /// The artifact of a component. Blocks; call it from a thread that may.
    pub fn get(&self, component: &Blob) -> Result<Artifact, ExecutorError> {
        self.get_or(component.digest(), || compile(&self.program, component))
    }

    /// As [`Self::get`], of a component that is looked at only where it has to be compiled.
    pub fn get_or(
        &self,
        component: Sha256Digest,
        compile: impl FnOnce() -> Result<Vec<u8>, ExecutorError>,
    ) -> Result<Artifact, ExecutorError> {
        let path = self.path(component);
        let kept = self.load(component);
        if let Some(Some(bytes)) = kept {
            return Ok(Artifact { bytes: Arc::new(bytes), origin: Origin::Cache });
        }
        let bytes = {
            let _permit = self.permit();
            compile()?
        };
        let tag = mac(&self.key, &self.parts(&component, &bytes));
        let whole = [&tag[..], &bytes[..]].concat();
        if let Err(error) = write_cached(&path, &whole) {
            tracing::warn!(%error, "a compiled component could not be kept on disk");
        }
        let origin = if kept.is_some() { Origin::Poisoned } else { Origin::Compiled };
        Ok(Artifact { bytes: Arc::new(bytes), origin })
    }

    /// None where there is no file; `Some(None)` where there is one that this executor did not make.
    fn load(&self, component: Sha256Digest) -> Option<Option<Vec<u8>>> {
        let path = self.path(component);
        let mut file = fs::File::open(&path).ok()?;
        let mut tag = [0; TAG_BYTES];
        let mut bytes = Vec::new();
        let read = file.read_exact(&mut tag).and_then(|()| file.read_to_end(&mut bytes));
        if read.is_ok() && mac_matches(&self.key, &self.parts(&component, &bytes), &tag) {
            let _ = file.set_modified(SystemTime::now());
            return Some(Some(bytes));
        }
        let _ = fs::remove_file(&path);
        Some(None)
    }

    fn parts<'a>(&'a self, component: &'a Sha256Digest, bytes: &'a [u8]) -> [&'a [u8]; 4] {
        [PURPOSE, self.fingerprint.as_bytes(), component.as_bytes(), bytes]
    }

    fn permit(&self) -> Permit<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Permit(self)
    }

    fn path(&self, component: Sha256Digest) -> PathBuf {
        let engine = Sha256Digest::of(self.fingerprint.as_bytes()).short();
        self.folder.join(format!("{component}-{engine}"))
    }
}

/// Compiles a component in a child, without a cache.
pub fn compile(program: &Path, component: &Blob) -> Result<Vec<u8>, ExecutorError> {
    let name = component.digest().short();
    let failed = |why: String| ExecutorError::Compile { component: name.clone(), why };
    let limit = |why: String| ExecutorError::CompileLimit { component: name.clone(), why };
    let input = component.open().map_err(|e| failed(e.to_string()))?;
    let made = child::run(program, "compile", input, ARTIFACT_BYTES_MAX, COMPILE_TIME_MAX);
    made.map_err(|failure| match failure {
        ChildFailure::TooLong(time) => limit(format!("it took more than {time:?}")),
        ChildFailure::TooMuch(bytes) => limit(format!("it gave more than {}", ByteCount(bytes))),
        ChildFailure::Failed { code: None, .. } => {
            limit("the kernel ended it: out of memory or processor time".into())
        }
        ChildFailure::Failed { words, raw, .. } => failed(said(&raw).unwrap_or(words)),
        ChildFailure::Io(e) => failed(clean(&e.to_string(), 256)),
    })
}

/// What the compile child says of itself: one line of JSON.
fn said(words: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Line {
        code: cofferdam_ids::Code,
        message: String,
    }
    let line: Line = serde_json::from_slice(words).ok()?;
    Some(format!("{} ({})", clean(&line.message, 1024), line.code))
}

/// Names this program's compiler and its settings.
pub fn fingerprint() -> Result<String, ExecutorError> {
    let engine = cofferdam_runner::engine::compiler()
        .map_err(|e| ExecutorError::RunnerStart(format!("the compiler's settings are unsound: {e}")))?;
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Ok(Sha256Digest::from_bytes(hasher.0.finalize().into()).to_string())
}

/// A hasher whose result does not change with the standard library's own.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not asked for; the whole digest is used.
    fn finish(&self) -> u64 {
        0
    }
}

struct Permit<'a>(&'a Artifacts);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A "compiler" that copies what it reads, whatever its argument.
    fn artifacts(folder: &std::path::Path, key: u8, fingerprint: &str) -> Artifacts {
        let program = folder.join("compiler");
        if !program.exists() {
            use std::os::unix::fs::PermissionsExt;
            fs::write(&program, "#!/bin/sh\n/bin/echo native code of\nexec /bin/cat\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Artifacts::open(folder.join("artifacts"), program, [key; 32], fingerprint.into())
    }

    fn component() -> Blob {
        Blob::take_in(&b"wasm"[..], Sha256Digest::of(b"wasm"), 4).unwrap()
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("artifacts")).unwrap();
        dir
    }

    #[test]
    fn a_component_is_compiled_once() {
        let dir = folder();
        let artifacts = artifacts(dir.path(), 1, "engine 1");
        let made = artifacts.get(&component()).unwrap();
        assert_eq!((made.bytes.as_slice(), made.origin), (&b"native code of\nwasm"[..], Origin::Compiled));
        let again = artifacts.get(&component()).unwrap();
        assert_eq!((again.bytes, again.origin), (made.bytes, Origin::Cache));
    }

    #[test]
    fn an_artifact_another_key_engine_or_component_made_is_not_loaded() {
        let dir = folder();
        let first = artifacts(dir.path(), 1, "engine 1");
        first.get(&component()).unwrap();
        let other_key = artifacts(dir.path(), 2, "engine 1");
        assert_eq!(other_key.get(&component()).unwrap().origin, Origin::Poisoned);
        let other_engine = artifacts(dir.path(), 2, "engine 2");
        assert_eq!(other_engine.get(&component()).unwrap().origin, Origin::Compiled);
        // Moved under the name of another component, it does not match either.
        let other = Sha256Digest::of(b"other");
        fs::copy(other_key.path(component().digest()), other_key.path(other)).unwrap();
        let other = Blob::take_in(&b"other"[..], other, 5).unwrap();
        assert_eq!(other_key.get(&other).unwrap().origin, Origin::Poisoned);
    }

    #[test]
    fn a_poisoned_artifact_is_made_again() {
        let dir = folder();
        let artifacts = artifacts(dir.path(), 1, "engine 1");
        artifacts.get(&component()).unwrap();
        let path = artifacts.path(component().digest());
        for poison in [&b"short"[..], &[0; 200]] {
            fs::write(&path, poison).unwrap();
            let made = artifacts.get(&component()).unwrap();
            assert_eq!(
                (made.bytes.as_slice(), made.origin),
                (&b"native code of\nwasm"[..], Origin::Poisoned)
            );
        }
        assert_eq!(artifacts.get(&component()).unwrap().origin, Origin::Cache);
    }
}

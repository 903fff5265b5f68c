//! The executor's data folder and the key in it.
//!
//! In: a path. Out: a [`DataFolder`] only this process uses, and the [`OwnKey`].
//! Never: opens a folder or key that others may enter or read.
//! Fails: with `CD0701` or `CD0702`.
//! Source: the operator's guide; `docs/adr/0006-dsse-ed25519-and-a-pinned-root.md`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use cofferdam_bundle::SigningKey;
use cofferdam_ids::ExecutorId;
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{FlockOperation, flock};
use sha2::Sha256;

use crate::error::ExecutorError;

/// Gives the lock back at once: a child that is just being started may hold the file a moment longer.
impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// A data folder, locked for as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Opens the folder, makes it where it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, ExecutorError> {
        let bad = |why: String| ExecutorError::Folder { path: path.to_owned(), why };
        private_folder(path).map_err(|e| bad(e.to_string()))?;
        let path = path.canonicalize().map_err(|e| bad(e.to_string()))?;
        for part in ["ledger", "artifacts", "blobs"] {
            private_folder(&path.join(part)).map_err(|e| bad(format!("{part}: {e}")))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|e| bad(e.to_string()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| bad("another executor uses it".into()))?;
        Ok(Self { path, lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Something in it.
    pub fn join(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }
}

/// Makes a folder only its owner can enter, or checks that an existing one is such.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) => return Err(e),
    }
    let meta = fs::metadata(path)?;
    if meta.mode() & 0o077 != 0 {
        let mode = meta.mode() & 0o777;
        return Err(io::Error::other(format!("its mode is {mode:o}; it must be 700")));
    }
    Ok(())
}

/// The executor's own key, and what is derived from it for this machine alone.
pub struct OwnKey {
    /// Signs polls and reports.
    pub signing: SigningKey,
    /// Who this executor is.
    pub executor: ExecutorId,
    /// Key of the artifact cache's authentication codes.
    pub artifact_mac: [u8; 32],
    /// Key with which the ledger blinds values of parameters.
    pub value_mac: [u8; 32],
}

impl OwnKey {
    /// Reads the key, or makes one on the first start: `draw` gives 32 fresh random bytes.
    pub fn open(
        folder: &DataFolder,
        draw: impl FnOnce() -> Result<[u8; 32], ExecutorError>,
    ) -> Result<Self, ExecutorError> {
        let path = folder.join("key");
        let bad = |why: String| ExecutorError::Key { path: path.clone(), why };
        let seed = match read_seed(&path) {
            Ok(seed) => seed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let seed = draw()?;
                write_new(&path, &seed).map_err(|e| bad(e.to_string()))?;
                seed
            }
            Err(e) => return Err(bad(e.to_string())),
        };
        let signing = SigningKey::from_seed(seed);
        let executor = ExecutorId::of_key(signing.key_id());
        Ok(Self {
            executor,
            artifact_mac: derive(&seed, "cofferdam-artifact-mac-v1"),
            value_mac: derive(&seed, "cofferdam-value-mac-v1"),
            signing,
        })
    }
}

/// The key of a cache of compiled components outside of a data folder, made on first use.
pub fn cache_key(folder: &Path) -> Result<[u8; 32], ExecutorError> {
    let bad = |e: io::Error| ExecutorError::Folder { path: folder.to_owned(), why: e.to_string() };
    private_folder(folder).map_err(bad)?;
    let path = folder.join("key");
    let seed = match read_seed(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|e| bad(io::Error::other(e.to_string())))?;
            match write_first(&path, &seed) {
                // Another executor or build made it at the same time.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => read_seed(&path).map_err(bad)?,
                made => made.map(|()| seed).map_err(bad)?,
            }
        }
        read => read.map_err(bad)?,
    };
    Ok(derive(&seed, "cofferdam-artifact-mac-v1"))
}

fn derive(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    mac(seed, &[purpose.as_bytes()])
}

/// HMAC-SHA256 of parts, each with its length before it, so that no two lists of parts are alike.
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether `tag` is the code of `parts`, in constant time.
pub fn mac_matches(key: &[u8; 32], parts: &[&[u8]], tag: &[u8]) -> bool {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeroes to the block of its hash (RFC 2104 §2).
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into())
}

fn read_seed(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    // Checked on the open file, so that what is checked is what is read.
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may read it; its mode must be 600"));
    }
    let mut seed = [0; 32];
    file.read_exact(&mut seed)?;
    if file.read(&mut [0])? != 0 {
        return Err(io::Error::other("it is not 32 bytes long"));
    }
    Ok(seed)
}

/// Writes a file nobody else may read, whole or not at all, and makes it last.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The same for what is checked whenever it is read and can be made again: not made to last.
pub fn write_cached(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, false)
}

/// As [`write_new`], but the first of several writers stays: the others are told that it is there.
fn write_first(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temp = beside(path);
    let linked = write_beside(&temp, bytes, true).and_then(|()| fs::hard_link(&temp, path));
    let _ = fs::remove_file(&temp);
    linked
}

fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let temp = beside(path);
    let written = write_beside(&temp, bytes, sync).and_then(|()| fs::rename(&temp, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&temp);
    })
}

/// A name of its own beside a file: two writers of one file at a time, in this process or in others,
/// must not write into each other.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("new{}-{count}", std::process::id()))
}

fn write_beside(temp: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(temp)?;
    file.write_all(bytes)?;
    if sync { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&dir.path().join("data")).unwrap();
        let first = OwnKey::open(&folder, || Ok([7; 32])).unwrap();
        let again = OwnKey::open(&folder, || panic!("the key exists")).unwrap();
        assert_eq!(first.executor, again.executor);
        assert_ne!(first.artifact_mac, first.value_mac);
    }

    #[test]
    fn a_key_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&dir.path().join("data")).unwrap();
        OwnKey::open(&folder, || Ok([7; 32])).unwrap();
        fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
        let error = OwnKey::open(&folder, || Ok([8; 32])).err().unwrap();
        assert!(error.to_string().ends_with("others may read it; its mode must be 600"), "{error}");
    }

    #[test]
    fn a_folder_is_used_by_one_executor_and_entered_by_one_user() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let folder = DataFolder::open(&path).unwrap();
        let second = DataFolder::open(&path).unwrap_err();
        assert!(second.to_string().ends_with("another executor uses it"), "{second}");
        drop(folder);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let open = DataFolder::open(&path).unwrap_err();
        assert!(open.to_string().contains("its mode is 755"), "{open}");
    }

    #[test]
    fn a_cache_that_several_open_at_once_has_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let open = || cache_key(&cache).unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1, "nothing but the key is left");
        let again = write_first(&cache.join("key"), &[0; 32]).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn codes_of_differently_cut_parts_differ() {
        assert_ne!(mac(&[1; 32], &[b"ab", b"c"]), mac(&[1; 32], &[b"a", b"bc"]));
        assert!(mac_matches(&[1; 32], &[b"a"], &mac(&[1; 32], &[b"a"])));
        assert!(!mac_matches(&[2; 32], &[b"a"], &mac(&[1; 32], &[b"a"])));
    }
}

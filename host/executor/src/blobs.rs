//! Blobs of a release: components and files, known by their digest alone.
//!
//! In: bytes from an untrusted place. Out: a [`Blob`], a sealed memory file whose bytes were
//! hashed while they were written and cannot change any more: what was compared is what is used.
//! Never: hands out bytes that do not have the digest and length the release names.
//! Fails: with `CD0711`.
//! Source: threats 16 and 17 of the threat model.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use cofferdam_ids::{ByteCount, HashingWriter, Sha256Digest};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::{error::ExecutorError, folder::write_cached};

/// Bytes one executor keeps of blobs on disk; the longest unused go first.
pub const BLOB_CACHE_BYTES_MAX: u64 = 4 << 30;

/// Bytes that have the digest they claim, in a sealed memory file.
#[derive(Debug)]
pub struct Blob {
    file: OwnedFd,
    digest: Sha256Digest,
    bytes: u64,
}

impl Blob {
    /// Takes bytes in, hashing while they are written; refuses what differs from the claim.
    pub fn take_in(mut reader: impl Read, expected: Sha256Digest, bytes: u64) -> Result<Self, ExecutorError> {
        let bad = |why: String| ExecutorError::Blob { expected, why };
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create("cofferdam-blob", flags).map_err(|e| bad(e.to_string()))?;
        let mut writer = HashingWriter::new(File::from(memory));
        // One byte more than the claim, so that a longer blob is seen without being read whole.
        io::copy(&mut (&mut reader).take(bytes.saturating_add(1)), &mut writer)
            .map_err(|e| bad(e.to_string()))?;
        let (file, digest, written) = writer.finish();
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals).map_err(|e| bad(e.to_string()))?;
        if written != bytes {
            let (claimed, more) = (ByteCount(bytes), if written > bytes { "longer" } else { "shorter" });
            return Err(bad(format!("it is {more} than {claimed}")));
        }
        if digest != expected {
            return Err(bad(format!("its digest is {digest}")));
        }
        Ok(Self { file: file.into(), digest, bytes })
    }

    /// Its digest.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same memory opened again for reading, with a position of its own at the start.
    pub fn open(&self) -> io::Result<File> {
        File::open(format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd()))
    }

    /// All bytes.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or(0));
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// What the disk has of a blob.
#[derive(Debug)]
pub enum Kept {
    /// The blob, hashed again.
    Whole(Blob),
    /// Nothing.
    Nothing,
    /// Something that is not the blob; it was removed.
    Poisoned,
}

/// Blobs on disk. Every load is hashed again: the disk is not trusted either.
#[derive(Debug)]
pub struct BlobStore {
    folder: PathBuf,
}

impl BlobStore {
    /// In a folder only the executor's user may enter. Drops the longest unused above the limit.
    pub fn open(folder: PathBuf) -> Self {
        trim(&folder, BLOB_CACHE_BYTES_MAX);
        Self { folder }
    }

    /// Looks for a blob.
    pub fn load(&self, digest: Sha256Digest, bytes: u64) -> Kept {
        let path = self.path(digest);
        let Ok(file) = File::open(&path) else { return Kept::Nothing };
        match Blob::take_in(&file, digest, bytes) {
            Ok(blob) => {
                // So that what is used is dropped last; a failure only makes the order worse.
                let _ = file.set_modified(SystemTime::now());
                Kept::Whole(blob)
            }
            Err(_) => {
                let _ = fs::remove_file(&path);
                Kept::Poisoned
            }
        }
    }

    /// Keeps a blob. A full disk is no failure: the blob is fetched again next time.
    pub fn keep(&self, blob: &Blob) {
        let path = self.path(blob.digest);
        let kept = blob.read().and_then(|bytes| write_cached(&path, &bytes));
        if let Err(error) = kept {
            tracing::warn!(%error, "a blob could not be kept on disk");
        }
    }

    fn path(&self, digest: Sha256Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }
}

/// Removes files that were not used for longest until the rest fits.
pub fn trim(folder: &Path, bytes_max: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((meta.modified().ok()?, meta.size(), entry.path()))
        })
        .collect();
    files.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut sum = 0_u64;
    for (_, bytes, path) in files {
        sum = sum.saturating_add(bytes);
        if sum > bytes_max {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_blob_is_what_its_digest_says_and_cannot_change() {
        let digest = Sha256Digest::of(b"select 1");
        let blob = Blob::take_in(&b"select 1"[..], digest, 8).unwrap();
        assert_eq!(blob.read().unwrap(), b"select 1");
        let written = File::options().write(true).open(format!("/proc/self/fd/{}", blob.file.as_raw_fd()));
        let refused = written.and_then(|mut f| f.write_all(b"drop"));
        assert!(refused.is_err(), "the memory is sealed");
        assert_eq!(blob.read().unwrap(), b"select 1");
    }

    #[test]
    fn another_digest_or_length_is_refused() {
        let digest = Sha256Digest::of(b"select 1");
        for (bytes, size) in [(&b"select 2"[..], 8), (b"select 1", 7), (b"select 1", 9), (b"", 8)] {
            assert!(Blob::take_in(bytes, digest, size).is_err(), "{bytes:?} as {size}");
        }
    }

    #[test]
    fn a_blob_changed_on_disk_is_removed_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path().to_owned());
        let digest = Sha256Digest::of(b"select 1");
        assert!(matches!(store.load(digest, 8), Kept::Nothing));
        store.keep(&Blob::take_in(&b"select 1"[..], digest, 8).unwrap());
        assert!(matches!(store.load(digest, 8), Kept::Whole(_)));
        fs::write(store.path(digest), b"select 2").unwrap();
        assert!(matches!(store.load(digest, 8), Kept::Poisoned));
        assert!(matches!(store.load(digest, 8), Kept::Nothing));
    }

    #[test]
    fn the_longest_unused_are_dropped_first() {
        let dir = tempfile::tempdir().unwrap();
        for (age, name) in [(30, "old"), (20, "middle"), (10, "new")] {
            let path = dir.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let used = SystemTime::now() - std::time::Duration::from_secs(age);
            File::options().write(true).open(&path).unwrap().set_modified(used).unwrap();
        }
        trim(dir.path(), 20);
        assert!(!dir.path().join("old").exists() && dir.path().join("middle").exists());
    }
}

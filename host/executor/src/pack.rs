//! All files of a release in one sealed memory file.
//!
//! In: files from an untrusted place, one by one. Out: a [`Pack`] that gives pieces of them by
//! digest. One memory file holds them all, because a release may have more files than a process
//! may have open.
//! Never: gives a byte of a file that was not hashed while it was written.
//! Fails: with `CD0711` for a file that is not what the release says.
//! Source: threats 16 and 17 of the threat model.

use std::{collections::HashMap, fs::File, io::Write, os::unix::fs::FileExt};

use cofferdam_cap_files::{BlobError, BlobSource};
use cofferdam_ids::Sha256Digest;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::error::ExecutorError;

/// Files that are still being added.
pub struct Packing {
    memory: File,
    places: HashMap<Sha256Digest, (u64, u64)>,
    end: u64,
}

/// Files that cannot change any more.
pub struct Pack {
    memory: File,
    places: HashMap<Sha256Digest, (u64, u64)>,
}

impl Packing {
    /// An empty one.
    pub fn new() -> Result<Self, ExecutorError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create("cofferdam-files", flags).map_err(|e| memory_failed(e.into()))?;
        Ok(Self { memory: File::from(memory), places: HashMap::new(), end: 0 })
    }

    /// Whether a file is there already.
    pub fn holds(&self, digest: &Sha256Digest) -> bool {
        self.places.contains_key(digest)
    }

    /// Adds a file that is already checked in memory; the bytes written are those hashed.
    pub fn add(&mut self, digest: Sha256Digest, size: u64, bytes: &[u8]) -> Result<(), ExecutorError> {
        let bad = |why: String| ExecutorError::Blob { expected: digest, why };
        if bytes.len() as u64 != size {
            return Err(bad(format!("it is {} bytes long, not {size}", bytes.len())));
        }
        let found = Sha256Digest::of(bytes);
        if found != digest {
            return Err(bad(format!("its digest is {found}")));
        }
        self.write(digest, bytes)
    }

    /// Adds a file whatever its digest is, and gives it.
    pub fn take_in(&mut self, bytes: &[u8]) -> Result<Sha256Digest, ExecutorError> {
        let digest = Sha256Digest::of(bytes);
        if !self.holds(&digest) {
            self.write(digest, bytes)?;
        }
        Ok(digest)
    }

    fn write(&mut self, digest: Sha256Digest, bytes: &[u8]) -> Result<(), ExecutorError> {
        self.memory.write_all(bytes).map_err(memory_failed)?;
        let size = bytes.len() as u64;
        self.places.insert(digest, (self.end, size));
        self.end += size;
        Ok(())
    }

    /// No more files; nobody can change what is there.
    pub fn seal(self) -> Result<Pack, ExecutorError> {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&self.memory, seals).map_err(|e| memory_failed(e.into()))?;
        Ok(Pack { memory: self.memory, places: self.places })
    }
}

fn memory_failed(error: std::io::Error) -> ExecutorError {
    ExecutorError::Fetch { digest: "of the release's files".into(), source: Box::new(error) }
}

impl BlobSource for Pack {
    fn read_at(&self, digest: &Sha256Digest, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let (start, size) = self.places.get(digest).copied().ok_or(BlobError::Missing(*digest))?;
        let wanted = (buffer.len() as u64).min(size.saturating_sub(offset));
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let piece = &mut buffer[..wanted];
        self.memory
            .read_exact_at(piece, start + offset)
            .map_err(|source| BlobError::Io { digest: *digest, source })?;
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_file_are_its_own_and_end_with_it() {
        let (a, b) = (Sha256Digest::of(b"first"), Sha256Digest::of(b"second"));
        let mut packing = Packing::new().unwrap();
        packing.add(a, 5, b"first").unwrap();
        packing.add(b, 6, b"second").unwrap();
        let pack = packing.seal().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(pack.read_at(&a, 0, &mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"first");
        assert_eq!(pack.read_at(&b, 3, &mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"ond");
        assert_eq!(pack.read_at(&b, 60, &mut buffer).unwrap(), 0);
        assert!(pack.read_at(&Sha256Digest::of(b"third"), 0, &mut buffer).is_err());
        assert!((&pack.memory).write_all(b"x").is_err(), "the memory is sealed");
    }

    #[test]
    fn a_file_that_is_not_its_digest_or_size_is_refused() {
        let mut packing = Packing::new().unwrap();
        assert!(packing.add(Sha256Digest::of(b"first"), 5, b"other").is_err());
        assert!(packing.add(Sha256Digest::of(b"first"), 6, b"first").is_err());
    }
}

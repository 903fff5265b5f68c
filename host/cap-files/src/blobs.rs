//! Bytes by digest.

use std::{collections::HashMap, io, sync::Arc};

use cofferdam_ids::Sha256Digest;

/// Why a blob gave no bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It is not there.
    #[error("blob {0} is not here")]
    Missing(Sha256Digest),
    /// Its bytes are not the ones the digest was made of.
    #[error("the bytes of blob {0} are not those of its digest")]
    Tampered(Sha256Digest),
    /// It cannot be read.
    #[error("blob {digest} cannot be read")]
    Io {
        /// Which.
        digest: Sha256Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Holds bytes by digest. Whoever implements it makes sure, before the first byte is given, that
/// the bytes are those of the digest and can no longer be changed by anybody else: a sealed
/// memory file, or a copy of its own.
pub trait BlobSource: Send + Sync {
    /// Reads up to `buffer.len()` bytes from `offset`; fewer only at the end of the blob.
    fn read_at(&self, digest: &Sha256Digest, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError>;
}

/// Blobs in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs(HashMap<Sha256Digest, Arc<[u8]>>);

impl MemoryBlobs {
    /// Adds a blob; gives its digest.
    pub fn add(&mut self, bytes: impl Into<Arc<[u8]>>) -> Sha256Digest {
        let bytes = bytes.into();
        let digest = Sha256Digest::of(&bytes);
        self.0.insert(digest, bytes);
        digest
    }
}

impl BlobSource for MemoryBlobs {
    fn read_at(&self, digest: &Sha256Digest, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let bytes = self.0.get(digest).ok_or(BlobError::Missing(*digest))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = buffer.len().min(bytes.len() - start);
        buffer[..length].copy_from_slice(&bytes[start..start + length]);
        Ok(length)
    }
}

//! Read-only files of a signed release.
//!
//! In: the release's list of files (path, digest, size), a [`BlobSource`] that holds their bytes
//! by digest, and which paths the caller may see. Out: lists of files and pieces of them.
//! Never: opens a path of the host; a path names an entry of the release and nothing else.
//! Fails: with a [`Refusal`](cofferdam_call::Refusal) for the guest, `CD0340` to `CD0343`.
//! Source: `docs/adr/0002-one-door.md`.

mod blobs;
mod files;

pub use blobs::{BlobError, BlobSource, MemoryBlobs};
pub use files::{InvalidFiles, ReleaseFile, ReleaseFiles};

//! The files of one release.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use cofferdam_call::{FILE_READ_BYTES_MAX, FILES_MAX, FailureKind, FileInfo, Refusal};
use cofferdam_ids::{Code, Sha256Digest};

use crate::blobs::{BlobError, BlobSource};

/// Bytes of one path.
const PATH_BYTES_MAX: usize = 1024;
/// Bytes all paths of one answer may have together, so that it fits a frame's header.
const LIST_BYTES_MAX: usize = 1 << 20;

/// One file as the release names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Path inside the release.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Its length.
    pub size: u64,
}

/// Why a list of files was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFiles {
    /// A path is not one that a release may have.
    #[error("`{0}` is not a path of a release: relative, `/` between parts, no empty, `.` or `..` part")]
    Path(String),
    /// A path is there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// There are too many.
    #[error("a release has at most {FILES_MAX} files")]
    TooMany,
}

/// The files of one release. Shared by all attempts that run it.
pub struct ReleaseFiles {
    entries: BTreeMap<Box<str>, (Sha256Digest, u64)>,
    digests: HashSet<Sha256Digest>,
    blobs: Arc<dyn BlobSource>,
}

impl ReleaseFiles {
    /// Checks the paths and takes the list over.
    pub fn new(
        files: impl IntoIterator<Item = ReleaseFile>,
        blobs: Arc<dyn BlobSource>,
    ) -> Result<Self, InvalidFiles> {
        let mut entries = BTreeMap::new();
        let mut digests = HashSet::new();
        for ReleaseFile { path, sha256, size } in files {
            let parts_are_plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            if path.len() > PATH_BYTES_MAX || !parts_are_plain || path.contains(['\0', '\\']) {
                return Err(InvalidFiles::Path(path.chars().take(80).collect()));
            }
            digests.insert(sha256);
            if entries.insert(path.as_str().into(), (sha256, size)).is_some() {
                return Err(InvalidFiles::Twice(path));
            }
            if entries.len() > FILES_MAX {
                return Err(InvalidFiles::TooMany);
            }
        }
        Ok(Self { entries, digests, blobs })
    }

    /// A release without files.
    pub fn none() -> Self {
        let blobs = Arc::new(crate::blobs::MemoryBlobs::default());
        Self { entries: BTreeMap::new(), digests: HashSet::new(), blobs }
    }

    /// Whether some file of the release has exactly the bytes of this digest.
    pub fn holds(&self, digest: &Sha256Digest) -> bool {
        self.digests.contains(digest)
    }

    /// The files under `prefix` that `visible` lets through, by path.
    pub fn list(&self, prefix: &str, visible: impl Fn(&str) -> bool) -> Result<Vec<FileInfo>, Refusal> {
        let mut bytes = 0;
        let mut found = Vec::new();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let under = self.entries.range::<str, _>(from).take_while(|(path, _)| path.starts_with(prefix));
        for (path, (_, size)) in under.filter(|(path, _)| visible(path)) {
            bytes += path.len() + 16;
            if bytes > LIST_BYTES_MAX {
                let message = "the list of files is too long for one answer; ask for a longer prefix";
                return Err(Refusal::new(FailureKind::Limit, Code(341), message));
            }
            found.push(FileInfo { path: path.to_string(), size: *size });
        }
        Ok(found)
    }

    /// Up to `length` bytes of a file from `offset`; empty past its end.
    pub fn read(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, Refusal> {
        let Some((digest, size)) = self.entries.get(path) else {
            let message = format!("the release has no file `{}`", shown(path));
            return Err(Refusal::new(FailureKind::Invalid, Code(340), message));
        };
        if length > FILE_READ_BYTES_MAX {
            let message = format!("one read gives at most {FILE_READ_BYTES_MAX} bytes");
            return Err(Refusal::new(FailureKind::Limit, Code(341), message));
        }
        let wanted = u64::from(length).min(size.saturating_sub(offset));
        // At most 1 MiB by the check above.
        let mut buffer = vec![0; usize::try_from(wanted).unwrap_or(0)];
        let read = self.blobs.read_at(digest, offset, &mut buffer).map_err(|e| unreadable(path, &e))?;
        if read < buffer.len() {
            return Err(unreadable(path, &BlobError::Tampered(*digest)));
        }
        Ok(buffer)
    }
}

fn shown(path: &str) -> String {
    path.escape_debug().take(200).collect()
}

fn unreadable(path: &str, error: &BlobError) -> Refusal {
    let code = match error {
        BlobError::Tampered(_) => Code(343),
        BlobError::Missing(_) | BlobError::Io { .. } => Code(342),
    };
    // The cause may hold host paths; it is the executor's to log.
    Refusal::new(FailureKind::Unavailable, code, format!("the file `{}` cannot be read", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(files: &[(&str, &str)]) -> ReleaseFiles {
        let mut blobs = MemoryBlobs::default();
        let list: Vec<_> = files
            .iter()
            .map(|(path, text)| ReleaseFile {
                path: (*path).to_owned(),
                sha256: blobs.add(text.as_bytes()),
                size: text.len() as u64,
            })
            .collect();
        ReleaseFiles::new(list, Arc::new(blobs)).unwrap()
    }

    use crate::blobs::MemoryBlobs;

    fn one(path: &str) -> Result<ReleaseFiles, InvalidFiles> {
        let file = ReleaseFile { path: path.to_owned(), sha256: Sha256Digest::of(b""), size: 0 };
        ReleaseFiles::new([file], Arc::new(MemoryBlobs::default()))
    }

    #[test]
    fn files_are_listed_by_prefix_and_visibility() {
        let files = release(&[("models/a.sql", "a"), ("models/b.sql", "bb"), ("models2/c", "c"), ("x", "")]);
        let paths = |prefix: &str| {
            let list = files.list(prefix, |path| !path.ends_with("b.sql")).unwrap();
            list.into_iter().map(|f| f.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(""), ["models/a.sql", "models2/c", "x"]);
        assert_eq!(paths("models/"), ["models/a.sql"]);
        assert_eq!(paths("nothing"), Vec::<String>::new());
    }

    #[test]
    fn pieces_of_a_file_are_read_and_nothing_past_its_end() {
        let files = release(&[("a", "0123456789")]);
        assert_eq!(files.read("a", 0, 4).unwrap(), b"0123");
        assert_eq!(files.read("a", 8, 4).unwrap(), b"89");
        assert_eq!(files.read("a", 10, 4).unwrap(), b"");
        assert_eq!(files.read("a", u64::MAX, 4).unwrap(), b"");
    }

    #[test]
    fn what_is_no_entry_of_the_release_cannot_be_read() {
        let files = release(&[("a", "x")]);
        for path in ["b", "", "/a", "./a", "a/", "../a", "/etc/passwd", "a\0"] {
            assert_eq!(files.read(path, 0, 1).unwrap_err().code, Code(340), "{path}");
        }
        assert_eq!(files.read("a", 0, FILE_READ_BYTES_MAX + 1).unwrap_err().code, Code(341));
    }

    #[test]
    fn paths_that_could_mean_anything_else_are_refused() {
        for path in ["", "/a", "a//b", "a/../b", "./a", "a/.", "a\\b", "a\0b", &"x".repeat(2000)] {
            assert!(matches!(one(path), Err(InvalidFiles::Path(_))), "{path}");
        }
        assert!(one("a/b.c/d").is_ok());
    }

    #[test]
    fn a_path_cannot_be_there_twice() {
        let file = ReleaseFile { path: "a".to_owned(), sha256: Sha256Digest::of(b""), size: 0 };
        let made = ReleaseFiles::new([file.clone(), file], Arc::new(MemoryBlobs::default()));
        assert_eq!(made.err(), Some(InvalidFiles::Twice("a".to_owned())));
    }

    #[test]
    fn a_blob_shorter_than_the_release_says_is_refused() {
        let mut blobs = MemoryBlobs::default();
        let file = ReleaseFile { path: "a".to_owned(), sha256: blobs.add(&b"short"[..]), size: 100 };
        let files = ReleaseFiles::new([file], Arc::new(blobs)).unwrap();
        assert_eq!(files.read("a", 0, 50).unwrap_err().code, Code(343));
        let gone = ReleaseFile { path: "a".to_owned(), sha256: Sha256Digest::of(b"gone"), size: 4 };
        let files = ReleaseFiles::new([gone], Arc::new(MemoryBlobs::default())).unwrap();
        assert_eq!(files.read("a", 0, 50).unwrap_err().code, Code(342));
    }
}

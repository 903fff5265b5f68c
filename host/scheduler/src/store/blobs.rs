//! Blobs: files by digest, hashed while they are written, in place only when whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cofferdam_ids::{HashingWriter, Sha256Digest};

/// The folder of blobs: `<first two digits>/<digest>`.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

/// A blob that is being written. Dropped without [`Self::finish`], it is gone.
pub struct BlobWriter {
    file: Option<HashingWriter<File>>,
    part: PathBuf,
    target: PathBuf,
}

impl Blobs {
    /// Opens or makes a folder, and clears what an earlier stop left half written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        crate::files::private_folder(folder)?;
        let parts = folder.join("parts");
        match fs::remove_dir_all(&parts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        crate::files::private_folder(&parts)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Whether the blob is here.
    pub fn has(&self, sha256: &Sha256Digest) -> bool {
        self.path(sha256).is_file()
    }

    /// Opens a blob and says its length.
    pub fn open_blob(&self, sha256: &Sha256Digest) -> io::Result<(File, u64)> {
        let file = File::open(self.path(sha256))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Begins a blob. `unique` tells parallel writers of one blob apart.
    pub fn begin(&self, sha256: &Sha256Digest, unique: &str) -> io::Result<BlobWriter> {
        let part = self.folder.join("parts").join(format!("{sha256}.{unique}"));
        let file = File::create_new(&part)?;
        Ok(BlobWriter { file: Some(HashingWriter::new(file)), part, target: self.path(sha256) })
    }

    fn path(&self, sha256: &Sha256Digest) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(name)
    }
}

impl BlobWriter {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::Error::other("the blob is finished")),
        }
    }

    /// Puts the blob in its place, durable, if its digest is the one that was announced; gives the
    /// digest it has.
    pub fn finish(mut self, wanted: &Sha256Digest) -> io::Result<Sha256Digest> {
        let Some(writer) = self.file.take() else { return Err(io::Error::other("the blob is finished")) };
        let (file, found, _) = writer.finish();
        if found != *wanted {
            return Ok(found);
        }
        file.sync_all()?;
        if let Some(folder) = self.target.parent() {
            crate::files::private_folder(folder)?;
            fs::rename(&self.part, &self.target)?;
            File::open(folder)?.sync_all()?;
        }
        Ok(found)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // Gone already where it was renamed.
        let _ = fs::remove_file(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let digest = Sha256Digest::of(b"select 1");
        let mut writer = blobs.begin(&digest, "a").unwrap();
        writer.write(b"select ").unwrap();
        assert!(!blobs.has(&digest), "not before it is finished");
        writer.write(b"1").unwrap();
        assert_eq!(writer.finish(&digest).unwrap(), digest);
        assert_eq!(blobs.open_blob(&digest).unwrap().1, 8);
    }

    #[test]
    fn bytes_of_another_digest_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let digest = Sha256Digest::of(b"select 1");
        let mut writer = blobs.begin(&digest, "a").unwrap();
        writer.write(b"select 2").unwrap();
        assert_eq!(writer.finish(&digest).unwrap(), Sha256Digest::of(b"select 2"));
        assert!(!blobs.has(&digest));
        assert_eq!(fs::read_dir(folder.path().join("parts")).unwrap().count(), 0);
    }
}

//! The grants in force, and how they change while the executor runs.
//!
//! In: a folder of `*.toml` files. Out: a [`GrantSet`] that is whole: all files as they were read
//! at one time.
//! Never: takes a part of a change. While a file is broken the set before it stays in force, and
//! the log and the health report say so.
//! Fails: at start, with the broken file's line; later not at all.
//! Source: threat 41 of the threat model.

use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use cofferdam_grants::GrantSet;
use cofferdam_ids::{ByteCount, Explain};

use crate::error::ExecutorError;

/// Grant files of one executor.
pub const GRANT_FILES_MAX: usize = 1_000;
/// Bytes of one grant file.
pub const GRANT_FILE_BYTES_MAX: u64 = 1 << 20;

/// What a folder's files looked like: name, inode, length, change time.
type Looks = Vec<(PathBuf, u64, u64, i64, i64)>;

/// Keeps the grants of one folder.
pub struct GrantKeeper {
    folder: PathBuf,
    current: Arc<GrantSet>,
    looks: Looks,
    problem: Option<String>,
}

/// What a look at the folder found.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// Another set is in force.
    Replaced,
    /// The files changed and cannot be used; the set before stays in force.
    Broken(String),
}

impl GrantKeeper {
    /// Reads all grant files of a folder. Any that is broken refuses them all.
    pub fn open(folder: &Path) -> Result<Self, ExecutorError> {
        let looks = look(folder)?;
        let current = Arc::new(read(&looks)?);
        Ok(Self { folder: folder.to_owned(), current, looks, problem: None })
    }

    /// The set in force.
    pub fn current(&self) -> &Arc<GrantSet> {
        &self.current
    }

    /// What is wrong with the files as they are now, if anything is.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Looks whether the files changed, and takes them over if all of them can be read.
    pub fn refresh(&mut self) -> Change {
        let looks = match look(&self.folder) {
            Ok(looks) if looks == self.looks => return Change::None,
            Ok(looks) => looks,
            Err(error) => return self.broken(&error),
        };
        match read(&looks) {
            Ok(set) => {
                // Remembered from before the files were read: a change meanwhile is seen next time.
                self.looks = looks;
                self.problem = None;
                let changed = set.digest() != self.current.digest();
                self.current = Arc::new(set);
                if changed { Change::Replaced } else { Change::None }
            }
            Err(error) => {
                self.looks = looks;
                self.broken(&error)
            }
        }
    }

    fn broken(&mut self, error: &ExecutorError) -> Change {
        let text = format!("{}: {error}", error.code());
        if self.problem.as_ref() == Some(&text) {
            return Change::None;
        }
        self.problem = Some(text.clone());
        Change::Broken(text)
    }
}

fn look(folder: &Path) -> Result<Looks, ExecutorError> {
    let unreadable =
        |source| ExecutorError::Unreadable { what: "the folder of grants", path: folder.to_owned(), source };
    let mut looks = Looks::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let meta = fs::metadata(&path).map_err(unreadable)?;
        looks.push((path, meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()));
    }
    if looks.len() > GRANT_FILES_MAX {
        let source = std::io::Error::other(format!("it has more than {GRANT_FILES_MAX} files"));
        return Err(unreadable(source));
    }
    looks.sort();
    Ok(looks)
}

fn read(looks: &Looks) -> Result<GrantSet, ExecutorError> {
    let mut files = Vec::with_capacity(looks.len());
    for (path, ..) in looks {
        let unreadable =
            |source| ExecutorError::Unreadable { what: "the grant file", path: path.clone(), source };
        let mut text = String::new();
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(GRANT_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > GRANT_FILE_BYTES_MAX {
            let limit = ByteCount(GRANT_FILE_BYTES_MAX);
            return Err(unreadable(std::io::Error::other(format!("it is longer than {limit}"))));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push(cofferdam_grants::parse(&name, &text).map_err(ExecutorError::below)?);
    }
    GrantSet::from_files(files).map_err(ExecutorError::below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: &str) -> String {
        format!(
            "grant_format = 1\nid = \"{id}\"\nowner = \"dba\"\nreason = \"test\"\nexpires = 2030-01-01\n\
             [subject]\nproject = \"sha256:{}\"\ntasks = [\"*\"]\nplugins = [\"sha256:{}\"]\nroles = [\"run\"]\n",
            "ab".repeat(32),
            "cd".repeat(32)
        )
    }

    #[test]
    fn a_broken_file_refuses_the_start_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.toml"), grant("a")).unwrap();
        fs::write(dir.path().join("b.toml"), grant("b").replace("owner", "ownr")).unwrap();
        let error = GrantKeeper::open(dir.path()).err().unwrap();
        assert!(error.to_string().starts_with("b.toml:3: "), "{error}");
    }

    #[test]
    fn a_change_is_taken_over_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.toml"), grant("a")).unwrap();
        let mut keeper = GrantKeeper::open(dir.path()).unwrap();
        let first = keeper.current().digest();
        assert_eq!(keeper.refresh(), Change::None);

        fs::write(dir.path().join("b.toml"), "not toml at all [").unwrap();
        fs::write(dir.path().join("a.toml"), grant("other")).unwrap();
        assert!(matches!(keeper.refresh(), Change::Broken(text) if text.contains("b.toml")));
        assert_eq!(keeper.current().digest(), first, "the set before stays in force");
        assert_eq!(keeper.refresh(), Change::None, "a problem is told once");
        assert!(keeper.problem().is_some());

        fs::write(dir.path().join("b.toml"), grant("b")).unwrap();
        assert_eq!(keeper.refresh(), Change::Replaced);
        assert_eq!((keeper.current().files().len(), keeper.problem()), (2, None));
    }

    #[test]
    fn a_folder_that_goes_away_keeps_the_grants_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("grants");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.toml"), grant("a")).unwrap();
        let mut keeper = GrantKeeper::open(&folder).unwrap();
        fs::rename(&folder, dir.path().join("gone")).unwrap();
        assert!(matches!(keeper.refresh(), Change::Broken(_)));
        assert_eq!(keeper.current().files().len(), 1);
    }
}

//! Where a project's things lie: `cofferdam.toml` and, beside it, `.cofferdam/`.
//!
//! In: a starting folder. Out: paths, and files written so that no other user can read secrets.
//! Never: writes outside the project's folder, or over a file it did not make.
//! Fails: with `CD0002` and `CD0004`.
//! Source: `docs/guides/command-line.md`.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::{self, Config},
    failure::{FILE, Failure, NO_PROJECT, Outcome},
};

/// A project's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// A folder that is, or is to become, a project's.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The project at `given`, or the nearest one from the working folder upward.
    pub fn find(given: Option<&Path>) -> Outcome<Self> {
        let start = match given {
            Some(folder) => folder.canonicalize().map_err(|e| Failure::file("open", folder, &e))?,
            None => std::env::current_dir().map_err(|e| Failure::file("open", Path::new("."), &e))?,
        };
        let upward = start.ancestors().take(if given.is_some() { 1 } else { usize::MAX });
        for folder in upward {
            if folder.join(config::FILE_NAME).is_file() || folder.join(".cofferdam").is_dir() {
                return Ok(Self::at(folder));
            }
        }
        Err(Failure::new(
            NO_PROJECT,
            format!("there is no project in `{}`", start.display()),
            "run `cofferdam init` in the project's folder, or name the folder with --project",
        )
        .why("neither this folder nor one above it holds `cofferdam.toml`"))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `cofferdam.toml`, or what `cofferdam dbt` made in its stead.
    pub fn config_file(&self) -> PathBuf {
        self.made(&format!("dbt/{}", config::FILE_NAME)).unwrap_or_else(|| self.root.join(config::FILE_NAME))
    }

    /// Whether the project has no `cofferdam.toml`, so that `cofferdam dbt` makes what it needs.
    pub fn is_bare(&self) -> bool {
        !self.root.join(config::FILE_NAME).is_file()
    }

    /// What `cofferdam dbt` made where the project has no `cofferdam.toml`.
    fn made(&self, path: &str) -> Option<PathBuf> {
        let file = self.inner(path);
        (self.is_bare() && file.exists()).then_some(file)
    }

    /// Reads `cofferdam.toml`.
    pub fn config(&self) -> Outcome<Config> {
        let file = self.config_file();
        let text = fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
        config::parse(config::FILE_NAME, &text)
    }

    /// A path inside `.cofferdam/`.
    pub fn inner(&self, path: &str) -> PathBuf {
        self.root.join(".cofferdam").join(path)
    }

    /// Compiled components of all projects of this user: `$COFFERDAM_CACHE`, or where the system keeps
    /// such files; in the project's folder where there is no such place.
    pub fn compiled(&self) -> PathBuf {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let system = || {
            let home = named("HOME").map(|home| home.join(".cache"));
            named("XDG_CACHE_HOME").or(home).map(|folder| folder.join("cofferdam"))
        };
        let place = named("COFFERDAM_CACHE").or_else(system);
        place.filter(|place| is_private(place)).unwrap_or_else(|| self.inner("cache"))
    }

    /// The secret key of a role.
    pub fn key_file(&self, role: &str) -> PathBuf {
        self.inner(&format!("keys/{role}.key"))
    }

    /// The trust root's envelope.
    pub fn root_file(&self) -> PathBuf {
        self.inner("trust/root.json")
    }

    /// Operator's grants.
    pub fn grants(&self) -> PathBuf {
        self.made("dbt/grants").unwrap_or_else(|| self.inner("grants"))
    }

    /// Operator's gateways.
    pub fn gateways(&self) -> PathBuf {
        self.made("dbt/gateways.toml").unwrap_or_else(|| self.inner("gateways.toml"))
    }

    /// What a running `up` says of itself.
    pub fn up_file(&self) -> PathBuf {
        self.inner("up.json")
    }

    /// OAuth clients of the local scheduler.
    pub fn clients_file(&self) -> PathBuf {
        self.inner("clients.json")
    }

    /// Everything of one release.
    pub fn release(&self, seq: u64) -> PathBuf {
        self.inner(&format!("releases/{seq}"))
    }

    /// A path as people read it: from the project's folder where it lies inside.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// Makes a folder that only its owner can enter, and those above it.
pub fn private_folder(path: &Path) -> Outcome<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Failure::file("make the folder", path, &e))
}

/// Whether a folder is there, made now if need be, that no other user can enter.
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    private_folder(path).is_ok()
        && fs::metadata(path).is_ok_and(|found| found.is_dir() && found.permissions().mode() & 0o077 == 0)
}

/// Makes a project's own folder, as visible as the user's other folders are.
pub fn project_folder(path: &Path) -> Outcome<()> {
    fs::create_dir_all(path).map_err(|e| Failure::file("make the folder", path, &e))
}

/// Writes a new file; says whether it was not there before. What is there is left as it is.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Outcome<bool> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    if path.exists() {
        return Ok(false);
    }
    let fail = |e: &std::io::Error| Failure::file("write", path, e);
    // A full file appears under its name or none at all: `link` refuses where there is one.
    let part = sibling(path);
    write_whole(&part, bytes, mode).map_err(|e| fail(&e))?;
    let linked = fs::hard_link(&part, path);
    let _ = fs::remove_file(&part);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(fail(&error)),
    }
}

/// Writes a file, replacing what was there in one step.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Outcome<()> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    let part = sibling(path);
    let written = write_whole(&part, bytes, mode).and_then(|()| fs::rename(&part, path));
    written.map_err(|e| Failure::file("write", path, &e))
}

/// Writes a file wherever the person wants it, in folders that are there.
pub fn replace_beside(path: &Path, bytes: &[u8]) -> Outcome<()> {
    fs::write(path, bytes).map_err(|e| Failure::file("write", path, &e))
}

fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// Writes a file that is found by its digest, if it is not there. Not made durable: whoever uses it
/// compares the digest, and it can be made again.
pub(crate) fn keep_blob(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == bytes.len() as u64) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    let part = sibling(path);
    let write = || {
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        fs::rename(&part, path)
    };
    write().map_err(|e| Failure::file("write", path, &e))
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a file of ours; `None` where there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Outcome<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("`{}` is not what Cofferdam wrote there", path.display());
        Failure::new(FILE, what, "move the file away and run the command again").because(&error)
    })?;
    Ok(Some(value))
}

/// A value as indented JSON with a line break at its end.
pub fn json_text<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_project_is_found_from_a_folder_inside_it_and_not_from_outside() {
        let temp = tempfile::tempdir().unwrap();
        let inside = temp.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        fs::write(temp.path().join("a/cofferdam.toml"), "").unwrap();
        let found = Folder::find(Some(&temp.path().join("a"))).unwrap();
        assert!(found.config_file().is_file());
        let error = Folder::find(Some(&inside)).unwrap_err();
        assert!(error.render().starts_with("error[CD0002]: there is no project in"));
    }

    #[test]
    fn a_file_that_is_there_is_never_written_over() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("keys/root.key");
        assert!(write_new(&file, b"first", 0o600).unwrap());
        assert!(!write_new(&file, b"second", 0o600).unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"first");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(temp.path().join("keys")).unwrap().count(), 1);
    }
}

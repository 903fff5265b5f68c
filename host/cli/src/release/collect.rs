//! The files of a project that go into a release.
//!
//! In: a folder and what to leave out. Out: files by path, digest and size, each copied under its
//! digest, so that what is signed, described and pushed are the same bytes.
//! Never: follows a symbolic link, or takes a hidden file (but `.dbtignore`) or a `profiles.yml`:
//! `.env`, `.git` and logins stay here.
//! Fails: with `CD0010`, naming the file and the limit.
//! Source: `docs/guides/command-line.md`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cofferdam_bundle::statement::FileEntry;
use cofferdam_call::FILES_MAX;
use cofferdam_ids::{ByteCount, Sha256Digest};
use cofferdam_protocol::api::BLOB_BYTES_MAX;

use crate::{
    failure::{Failure, Outcome, RELEASE_FILE},
    folder,
};

/// Bytes of one file.
pub(crate) const FILE_BYTES_MAX: u64 = BLOB_BYTES_MAX as u64;
/// Bytes of all files together.
pub(crate) const RELEASE_BYTES_MAX: u64 = 1 << 30;
/// Folders inside folders.
const DEPTH_MAX: usize = 64;
/// Where projects in dbt's format say how to log in.
const LOGINS: &str = "profiles.yml";
/// The one hidden file that says something about a project.
const IGNORED: &str = ".dbtignore";
/// Folders of tools, never part of a project.
const SKIPPED: [&str; 5] = ["target", "logs", "node_modules", "__pycache__", "venv"];

/// A folder from elsewhere that stands at a path of the project: a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Its path in the release.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) folder: PathBuf,
}

/// Takes in the files of a project. `blobs` is where copies by digest go.
pub(crate) fn collect(
    root: &Path,
    exclude: &[String],
    mounts: &[Mount],
    blobs: &Path,
) -> Outcome<Vec<FileEntry>> {
    let mut walk = Walk { root, exclude, mounts, paths: Vec::new() };
    walk.folder(root, "", 0)?;
    for mount in mounts {
        // A package is taken in without its own packages and trials.
        let exclude = ["integration_tests", "dbt_packages", "dbt_modules"].map(str::to_owned);
        let mut package = Walk { root: &mount.folder, exclude: &exclude, mounts: &[], paths: Vec::new() };
        package.folder(&mount.folder, "", 0)?;
        walk.paths
            .extend(package.paths.into_iter().map(|(path, file)| (format!("{}/{path}", mount.path), file)));
    }
    walk.paths.sort();
    walk.paths.dedup_by(|a, b| a.0 == b.0);
    let mut total = 0;
    let mut files = Vec::with_capacity(walk.paths.len());
    for (path, file) in walk.paths {
        let entry = take_in(&path, &file, blobs)?;
        total += entry.size;
        if total > RELEASE_BYTES_MAX {
            return Err(too_large(&format!("the files up to `{path}` are together"), RELEASE_BYTES_MAX));
        }
        files.push(entry);
    }
    Ok(files)
}

/// Copies one file under its digest.
pub(crate) fn take_in(path: &str, file: &Path, blobs: &Path) -> Outcome<FileEntry> {
    let size = fs::metadata(file).map_err(|e| Failure::file("read", file, &e))?.len();
    if size > FILE_BYTES_MAX {
        return Err(too_large(&format!("`{path}` is"), FILE_BYTES_MAX));
    }
    let bytes = fs::read(file).map_err(|e| Failure::file("read", file, &e))?;
    let sha256 = Sha256Digest::of(&bytes);
    folder::keep_blob(&blobs.join(sha256.to_string()), &bytes)?;
    Ok(FileEntry { path: path.to_owned(), sha256, size: bytes.len() as u64 })
}

fn too_large(what: &str, most: u64) -> Box<Failure> {
    let fix =
        "leave it out: add its path to `exclude` under [release]; load large data into the warehouse instead";
    Failure::new(RELEASE_FILE, format!("{what} longer than the {} a release allows", ByteCount(most)), fix)
}

struct Walk<'a> {
    root: &'a Path,
    exclude: &'a [String],
    mounts: &'a [Mount],
    paths: Vec<(String, PathBuf)>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Outcome<()> {
        let entries = fs::read_dir(folder).map_err(|e| Failure::file("list", folder, &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Failure::file("list", folder, &e))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                let what = format!("`{}` has a name that is not UTF-8", entry.path().display());
                return Err(Failure::new(RELEASE_FILE, what, "rename it"));
            };
            let path = format!("{prefix}{name}");
            // Logins stay here, whoever wrote them into the project's folder.
            let is_ours = name == LOGINS || (depth == 0 && name == crate::config::FILE_NAME);
            let mounted = self.mounts.iter().any(|mount| mount.path == path);
            let hidden = name.starts_with('.') && name != IGNORED;
            if hidden || is_ours || mounted || self.is_excluded(&path, &name) {
                continue;
            }
            let kind = entry.file_type().map_err(|e| Failure::file("read", &entry.path(), &e))?;
            if kind.is_dir() && (depth > 0 || !SKIPPED.contains(&name.as_str())) {
                if depth >= DEPTH_MAX {
                    return Err(Failure::new(
                        RELEASE_FILE,
                        format!("`{path}` lies more than {DEPTH_MAX} folders deep"),
                        "exclude it",
                    ));
                }
                self.folder(&entry.path(), &format!("{path}/"), depth + 1)?;
            } else if kind.is_symlink() {
                let what = format!("`{path}` is a symbolic link; a release holds plain files");
                let fix = "replace it by a copy, or add it to `exclude` under [release]";
                return Err(Failure::new(RELEASE_FILE, what, fix));
            } else if kind.is_file() {
                self.paths.push((path, entry.path()));
            }
            if self.paths.len() > FILES_MAX {
                let what = format!("`{}` holds more than {FILES_MAX} files", self.root.display());
                return Err(Failure::new(RELEASE_FILE, what, "exclude folders under [release]"));
            }
        }
        Ok(())
    }

    fn is_excluded(&self, path: &str, name: &str) -> bool {
        self.exclude.iter().any(|pattern| {
            let pattern = pattern.trim_end_matches('/');
            matches(pattern, path) || (!pattern.contains('/') && matches(pattern, name))
        })
    }
}

/// Whether a pattern, in which `*` stands for any text, is the whole of a path.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = str::find(rest, part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[&str]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for file in files {
            let path = temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        temp
    }

    fn paths(temp: &tempfile::TempDir, exclude: &[&str]) -> Outcome<Vec<String>> {
        let exclude: Vec<String> = exclude.iter().map(|e| (*e).to_owned()).collect();
        let files = collect(temp.path(), &exclude, &[], &temp.path().join(".cofferdam/blobs"))?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn hidden_files_tools_and_excluded_paths_stay_out() {
        let temp = project(&[
            "models/a.sql",
            ".env",
            ".dbtignore",
            ".git/config",
            "target/x.json",
            "models/target/b.sql",
            "big/x.parquet",
            "notes.md",
            "cofferdam.toml",
            "dbt_packages/p/m.sql",
        ]);
        assert_eq!(
            paths(&temp, &["big/", "*.md"]).unwrap(),
            [".dbtignore", "dbt_packages/p/m.sql", "models/a.sql", "models/target/b.sql"]
        );
    }

    #[test]
    fn a_symbolic_link_is_refused_and_may_be_excluded() {
        let temp = project(&["models/a.sql"]);
        std::os::unix::fs::symlink("/etc/passwd", temp.path().join("models/b.sql")).unwrap();
        insta::assert_snapshot!(paths(&temp, &[]).unwrap_err().render(), @r"
        error[CD0010]: `models/b.sql` is a symbolic link; a release holds plain files
          fix: replace it by a copy, or add it to `exclude` under [release]
        ");
        assert_eq!(paths(&temp, &["b.sql"]).unwrap(), ["models/a.sql"]);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let temp = project(&[]);
        let file = fs::File::create(temp.path().join("huge.csv")).unwrap();
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        insta::assert_snapshot!(paths(&temp, &[]).unwrap_err().render(), @r"
        error[CD0010]: `huge.csv` is longer than the 64 MiB a release allows
          fix: leave it out: add its path to `exclude` under [release]; load large data into the warehouse instead
        ");
    }

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches("a/*.sql", "a/b.sql") && matches("*", "x") && matches("a*b*c", "a1b2c"));
        assert!(!matches("a", "ab") && !matches("*.sql", "a.sqlx") && !matches("a*b", "b"));
    }
}

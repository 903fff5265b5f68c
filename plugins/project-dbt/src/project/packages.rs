//! The packages a project stands on: those in its packages' folder, and local ones by their path.
//!
//! In: `packages.yml` or `dependencies.yml`, the list of the release's files.
//! Out: the folders of the packages; each has a project file of its own.
//! Never: fetches anything; a package that is not part of the release is an error.
//! Fails: by adding problems: a declared package that is not there, a path that leads out.
//! Source: <https://docs.getdbt.com/docs/build/packages>.

use std::collections::BTreeSet;

use cofferdam_sdk::{FileInfo, Files};

use crate::problem::Problems;
use crate::yaml::{self, Node};

/// How many packages a project may have.
const PACKAGES_MAX: usize = 500;

/// Looks for packages.
pub(crate) struct Search<'a> {
    /// The release's files.
    pub(crate) files: &'a dyn Files,
    /// Their list, by path.
    pub(crate) list: &'a [FileInfo],
    /// The problems found.
    pub(crate) problems: &'a mut Problems,
}

/// A declared package that is to be found among those installed.
struct Wanted {
    path: String,
    line: u32,
    name: String,
    /// Named by a path that leads out of the release: any package that is there will do.
    is_outside: bool,
}

impl Search<'_> {
    /// The folders of all packages of the project in `root`, each with a `/` at its end.
    pub(crate) fn folders(&mut self, root: &str, packages_path: &str) -> Vec<String> {
        let mut folders = Vec::new();
        let mut wanted = Vec::new();
        self.declared(root, &mut folders, &mut wanted);
        let installed = self.installed(&format!("{root}{packages_path}/"));
        self.complete(&wanted, &installed, packages_path);
        for (_, folder) in installed {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        if folders.len() > PACKAGES_MAX {
            self.problems.add(
                &format!("{root}packages.yml"),
                0,
                format!("the project has more than {PACKAGES_MAX} packages"),
            );
            folders.truncate(PACKAGES_MAX);
        }
        folders
    }

    /// What `packages.yml` and `dependencies.yml` in a folder declare; local packages are followed.
    fn declared(&mut self, folder: &str, folders: &mut Vec<String>, wanted: &mut Vec<Wanted>) {
        for name in ["packages.yml", "dependencies.yml"] {
            let path = format!("{folder}{name}");
            if self.list.binary_search_by(|file| file.path.as_str().cmp(&path)).is_err() {
                continue;
            }
            let text = match self.files.read_text(&path) {
                Ok(text) => text,
                Err(why) => {
                    self.problems.add(&path, 0, why.detail().message.clone());
                    continue;
                }
            };
            let tree = match yaml::parse(&text) {
                Ok(tree) => tree,
                Err(why) => {
                    self.problems.add(&path, why.line, why.coded());
                    continue;
                }
            };
            for entry in tree.get("packages").map(Node::items).unwrap_or_default() {
                self.entry(folder, &path, entry, folders, wanted);
            }
        }
    }

    fn entry(
        &mut self,
        folder: &str,
        path: &str,
        entry: &Node,
        folders: &mut Vec<String>,
        wanted: &mut Vec<Wanted>,
    ) {
        let text = |key: &str| entry.get(key).and_then(Node::text);
        if let Some(local) = text("local") {
            let Some(local) = joined(folder, local) else {
                let (path, name) = (path.to_owned(), local.to_owned());
                wanted.push(Wanted { path, line: entry.line, name, is_outside: true });
                return;
            };
            let project = format!("{local}dbt_project.yml");
            if self.list.binary_search_by(|file| file.path.as_str().cmp(&project)).is_err() {
                let why = format!("the package has no file `{project}` in the release; is its path right?");
                self.problems.add(path, entry.line, why);
            } else if !folders.contains(&local) {
                folders.push(local.clone());
                self.declared(&local, folders, wanted);
            }
            return;
        }
        let name = text("package").or_else(|| text("git")).or_else(|| text("tarball"));
        match text("name").or(name) {
            Some(name) => {
                let (path, name) = (path.to_owned(), name.to_owned());
                wanted.push(Wanted { path, line: entry.line, name, is_outside: false });
            }
            None if entry.get("private").is_some() => {
                let name = text("private").unwrap_or_default().to_owned();
                let path = path.to_owned();
                wanted.push(Wanted { path, line: entry.line, name, is_outside: false });
            }
            None => {
                self.problems.add(path, entry.line, "a package is `package`, `git`, `tarball` or `local`");
            }
        }
    }

    /// The packages that are there: the last part of their folder, and the folder.
    fn installed(&self, prefix: &str) -> Vec<(String, String)> {
        let from = self.list.partition_point(|file| file.path.as_str() < prefix);
        let mut found = Vec::new();
        for file in &self.list[from..] {
            let Some(inside) = file.path.strip_prefix(prefix) else { break };
            if let Some(name) = inside.strip_suffix("/dbt_project.yml")
                && !name.contains('/')
            {
                found.push((name.to_owned(), format!("{prefix}{name}/")));
            }
        }
        found
    }

    /// Says which declared packages are not there.
    fn complete(&mut self, wanted: &[Wanted], installed: &[(String, String)], packages_path: &str) {
        let mut free: BTreeSet<String> = installed.iter().map(|(name, _)| name.replace('-', "_")).collect();
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        for one in wanted {
            let last = one.name.trim_end_matches('/').trim_end_matches(".git");
            let last = last.rsplit(['/', ':']).next().unwrap_or(last).replace('-', "_");
            if seen.insert(last.clone()) && !free.remove(&last) {
                missing.push((one, last));
            }
        }
        // Those that any package satisfies come last.
        missing.sort_by_key(|(one, _)| one.is_outside);
        for (one, last) in missing {
            // A repository may be called `dbt-thing` and the package in it `thing`, or anything.
            let stem = last.trim_start_matches("dbt_");
            let near = free.iter().find(|name| name.contains(stem)).or_else(|| free.iter().next()).cloned();
            if let Some(name) = near
                && (one.is_outside
                    || one.name.contains(':')
                    || one.name.ends_with(".git")
                    || name.contains(stem))
            {
                free.remove(&name);
                continue;
            }
            if one.is_outside {
                let why = format!(
                    "the package `{}` lies outside of the release and not in `{packages_path}/`; copy it there",
                    one.name
                );
                self.problems.add(&one.path, one.line, why);
                continue;
            }
            let why = format!(
                "the package `{}` is not in `{packages_path}/`; run `dbt deps` on a machine that has dbt, or copy the package there, and keep the folder beside the project",
                one.name
            );
            self.problems.add(&one.path, one.line, why);
        }
    }
}

/// A path relative to a folder of the release, `/` at its end; none where it leads out of it.
fn joined(folder: &str, relative: &str) -> Option<String> {
    if relative.starts_with('/') || relative.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Some(String::new()) } else { Some(format!("{}/", parts.join("/"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_path_stays_inside_the_release() {
        assert_eq!(joined("integration_tests/", "../").as_deref(), Some(""));
        assert_eq!(joined("", "packages/shared").as_deref(), Some("packages/shared/"));
        assert_eq!(joined("", "../other"), None);
        assert_eq!(joined("a/", "/etc"), None);
    }
}

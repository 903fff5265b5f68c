//! The files of a project, by what they are.
//!
//! In: the list of the release's files, the folders of the project file. Out: an [`Inventory`].
//! Never: reads a file outside the project's folders.
//! Fails: by adding a problem for each file that cannot be read or is not supported.
//! Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use cofferdam_sdk::FileInfo;

use super::Build;

/// How large a file of SQL or YAML may be.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A file with its text.
pub(super) struct TextFile {
    /// Its path in the release.
    pub(super) path: String,
    /// The folders within its own folder, and its name without an extension.
    pub(super) parts: Vec<String>,
    /// What stands in it.
    pub(super) text: String,
}

/// The files of a project.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) models: Vec<TextFile>,
    pub(super) seeds: Vec<SeedFile>,
    pub(super) tests: Vec<TextFile>,
    pub(super) macros: Vec<TextFile>,
    pub(super) schemas: Vec<TextFile>,
}

/// A seed's file, not yet read.
pub(super) struct SeedFile {
    /// Its path in the release.
    pub(super) path: String,
    /// The folders within its own folder, and its name without an extension.
    pub(super) parts: Vec<String>,
}

/// What the folder of a file says of it.
#[derive(Clone, Copy, PartialEq)]
enum Folder {
    Models,
    Seeds,
    Tests,
    Macros,
    Snapshots,
}

impl Inventory {
    /// Lists the project's folders and reads their text.
    pub(super) fn read(build: &mut Build<'_>, root: &str) -> Self {
        let mut inventory = Self::default();
        let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
        let files = match build.cx.files.list(&prefix) {
            Ok(files) => files,
            Err(why) => {
                build.problems.add(
                    root,
                    0,
                    format!("the project's files cannot be listed: {}", why.detail().message),
                );
                return inventory;
            }
        };
        let folders = folders(build);
        for file in &files {
            let Some(inside) = file.path.strip_prefix(&prefix) else { continue };
            if matches!(inside, "packages.yml" | "dependencies.yml") {
                build.warn(&format!("{} is left out: packages are not supported", file.path));
            }
            let found = folders.iter().find_map(|(folder, kind)| {
                Some((*kind, inside.strip_prefix(folder.as_str())?.strip_prefix('/')?))
            });
            if let Some((folder, inside)) = found {
                inventory.take(build, folder, inside, file);
            }
        }
        inventory
    }

    fn take(&mut self, build: &mut Build<'_>, folder: Folder, inside: &str, file: &FileInfo) {
        let Some((stem, extension)) = inside.rsplit_once('.') else { return };
        let parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
        let path = file.path.clone();
        match (folder, extension) {
            (Folder::Seeds, "csv") => self.seeds.push(SeedFile { path, parts }),
            (Folder::Models, "py") => {
                build.problems.add(&path, 0, "models in Python are not supported; write it in SQL")
            }
            (Folder::Snapshots, "sql") => {
                build.problems.add(&path, 0, "snapshots are not supported; use an incremental model");
            }
            (Folder::Tests, "sql") if parts.first().is_some_and(|part| part == "generic") => {
                build.problems.add(
                    &path,
                    0,
                    "generic tests of one's own are not supported; write a singular test",
                );
            }
            (Folder::Macros, "yml" | "yaml") => {}
            (_, "sql" | "yml" | "yaml") => {
                let Some(text) = text(build, file) else { return };
                let file = TextFile { path, parts, text };
                match (folder, extension) {
                    (_, "yml" | "yaml") => self.schemas.push(file),
                    (Folder::Models, _) => self.models.push(file),
                    (Folder::Tests, _) => self.tests.push(file),
                    (Folder::Macros, _) => self.macros.push(file),
                    (Folder::Seeds | Folder::Snapshots, _) => {}
                }
            }
            _ => {}
        }
    }
}

/// The project's folders, the deepest first, so that one inside another is found.
fn folders(build: &Build<'_>) -> Vec<(String, Folder)> {
    let project = &build.project;
    let kinds = [
        (&project.model_paths, Folder::Models),
        (&project.seed_paths, Folder::Seeds),
        (&project.test_paths, Folder::Tests),
        (&project.macro_paths, Folder::Macros),
        (&project.snapshot_paths, Folder::Snapshots),
    ];
    let mut folders: Vec<(String, Folder)> = kinds
        .into_iter()
        .flat_map(|(paths, kind)| paths.iter().map(move |path| (path.clone(), kind)))
        .collect();
    folders.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    folders
}

fn text(build: &mut Build<'_>, file: &FileInfo) -> Option<String> {
    if file.size > TEXT_BYTES_MAX {
        build.problems.add(&file.path, 0, format!("the file is larger than {} MiB", TEXT_BYTES_MAX >> 20));
        return None;
    }
    match build.cx.files.read_text(&file.path) {
        Ok(text) => Some(text.trim_start_matches('\u{feff}').to_owned()),
        Err(why) => {
            build.problems.add(&file.path, 0, why.detail().message.clone());
            None
        }
    }
}

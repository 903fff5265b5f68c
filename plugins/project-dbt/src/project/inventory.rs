//! The files of a project and its packages, by what they are.
//!
//! In: the list of the release's files, the folders each project file names.
//! Out: an [`Inventory`].
//! Never: reads a file; takes one from outside a package's folders.
//! Fails: not at all.
//! Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use cofferdam_sdk::FileInfo;

use super::Package;

/// What a file is to dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// A model in SQL.
    Model,
    /// A seed.
    Seed,
    /// A file with snapshots.
    Snapshot,
    /// An analysis.
    Analysis,
    /// A singular test.
    Test,
    /// Rows of a unit test.
    Fixture,
    /// A file with macros.
    Macro,
    /// A file with generic tests.
    GenericTest,
    /// A properties file.
    Properties,
    /// A file with docs blocks.
    Docs,
    /// A user-defined function.
    Function,
}

/// One file in one role.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// What it is.
    pub(crate) role: Role,
    /// The position of its package.
    pub(crate) package: usize,
    /// Its path in the release.
    pub(crate) path: String,
    /// Its path in its package.
    pub(crate) original: String,
    /// Its path in the folder it was found in.
    pub(crate) relative: String,
    /// Its length in bytes.
    pub(crate) size: u64,
}

impl SourceFile {
    /// The file's name without folders and extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.relative.rsplit('/').next().unwrap_or(&self.relative);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The folders it lies in, below the one it was found in.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        let parts: Vec<&str> = self.relative.split('/').collect();
        let folders = parts.len().saturating_sub(1);
        parts.into_iter().take(folders)
    }
}

/// Roles by the folder's key and the file's extension.
const ROLES: [(&str, &[&str], Role); 14] = [
    ("model-paths", &["sql", "py"], Role::Model),
    ("seed-paths", &["csv"], Role::Seed),
    ("snapshot-paths", &["sql"], Role::Snapshot),
    ("analysis-paths", &["sql"], Role::Analysis),
    ("test-paths", &["sql"], Role::Test),
    ("macro-paths", &["sql"], Role::Macro),
    ("function-paths", &["sql", "py", "js"], Role::Function),
    ("docs-paths", &["md"], Role::Docs),
    ("model-paths", &["yml", "yaml"], Role::Properties),
    ("seed-paths", &["yml", "yaml"], Role::Properties),
    ("snapshot-paths", &["yml", "yaml"], Role::Properties),
    ("analysis-paths", &["yml", "yaml"], Role::Properties),
    ("test-paths", &["yml", "yaml"], Role::Properties),
    ("macro-paths", &["yml", "yaml"], Role::Properties),
];

/// The files of all packages, by package, role and path.
pub(crate) fn inventory(packages: &[Package], files: &[FileInfo]) -> Vec<SourceFile> {
    let mut found: Vec<SourceFile> = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        let from = files.partition_point(|file| file.path.as_str() < package.folder.as_str());
        for file in &files[from..] {
            let Some(original) = file.path.strip_prefix(package.folder.as_str()) else { break };
            let Some((_, extension)) = original.rsplit_once('.') else { continue };
            for (key, extensions, role) in ROLES {
                let fixture = extension == "csv" && key == "test-paths";
                if !(fixture || extensions.contains(&extension)) {
                    continue;
                }
                let relative = package.file.folders(key).iter().find_map(|folder| {
                    let inside = original.strip_prefix(folder.as_str())?.strip_prefix('/')?;
                    Some(inside.to_owned())
                });
                let Some(relative) = relative else { continue };
                let role = match (key, extension, relative.split('/').next()) {
                    ("test-paths", "sql", Some("generic")) => Role::GenericTest,
                    ("test-paths", "sql" | "csv", Some("fixtures")) => Role::Fixture,
                    ("test-paths", "csv", _) => continue,
                    _ => role,
                };
                let twice = found.iter().rev().take_while(|other| other.package == at);
                let path = file.path.clone();
                if twice.take(4).any(|other| other.path == path && other.role == role) {
                    continue;
                }
                let original = original.to_owned();
                found.push(SourceFile { role, package: at, path, original, relative, size: file.size });
            }
        }
    }
    found
}

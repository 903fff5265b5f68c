//! A dbt project as its files describe it: project files, packages, folders, configurations,
//! properties files. Nothing here is rendered but the values of YAML.

pub(crate) mod config;
pub(crate) mod file;
pub(crate) mod ignore;
pub(crate) mod inventory;
pub(crate) mod packages;
pub(crate) mod properties;

use crate::document::{Shared, Target};
use file::ProjectFile;

/// The version of dbt that projects are told: the one whose behaviour this is.
pub(crate) const DBT_VERSION: &str = "1.12.0";

/// A package: the root project or one it stands on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    /// What its project file says.
    pub(crate) file: ProjectFile,
    /// Its folder in the release, with a `/` at its end; empty for the release's root.
    pub(crate) folder: String,
}

impl Package {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.file.name
    }
}

/// The target as `target` shows it.
pub(crate) fn target_json(target: &Target) -> serde_json::Value {
    let mut map = target.other.clone();
    for (key, value) in [
        ("name", target.name.as_str()),
        ("target_name", target.name.as_str()),
        ("profile_name", target.profile_name.as_str()),
        ("type", target.kind.as_str()),
        ("schema", target.schema.as_str()),
        ("database", target.database.as_str()),
        ("dbname", target.database.as_str()),
    ] {
        map.insert(key.to_owned(), value.into());
    }
    map.insert("threads".to_owned(), target.threads.into());
    serde_json::Value::Object(map)
}

/// The variables each package sees: its own, over them the root project's, over them those given.
pub(crate) fn variables(
    shared: &mut Shared,
    packages: &[Package],
    given: &serde_json::Map<String, serde_json::Value>,
) {
    let Some(root) = packages.first() else { return };
    for package in packages {
        let name = package.name();
        let mut vars = serde_json::Map::new();
        for file in [&package.file, &root.file] {
            vars.extend(file.vars.clone());
            if let Some(own) = file.vars.get(name).and_then(|own| own.as_object()) {
                vars.extend(own.clone());
            }
        }
        vars.extend(given.clone());
        shared.project.vars.insert(name.to_owned(), vars);
    }
}

//! Where a dbt project lies and what it is called.
//!
//! In: flags, the environment, the working folder. Out: a [`Place`].
//! Never: reads more of `dbt_project.yml` than the command line needs; the loader reads the rest in
//! the sandbox.
//! Fails: with `CD0060`.
//! Source: <https://docs.getdbt.com/reference/dbt_project.yml>.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{args::Work, yaml};
use crate::failure::{Code, Failure, Outcome};

/// There is no dbt project, or its file cannot be read.
pub(crate) const NO_DBT_PROJECT: Code = Code(60);
/// Bytes of `dbt_project.yml` or `profiles.yml`.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 20;

/// A dbt project.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Its name.
    pub(crate) name: String,
    /// The profile it names.
    pub(crate) profile: Option<String>,
    /// Where artifacts go.
    pub(crate) target: PathBuf,
    /// What `clean` deletes.
    pub(crate) clean_targets: Vec<String>,
    /// Where analyses lie.
    pub(crate) analyses: String,
    /// Where packages lie.
    pub(crate) packages: PathBuf,
}

impl Place {
    /// The project of `--project-dir`, or the nearest one from the working folder upward.
    pub(crate) fn find(work: &Work) -> Outcome<Self> {
        let start = work.project_dir.clone().unwrap_or_else(|| PathBuf::from("."));
        let start = start.canonicalize().map_err(|e| Failure::file("open", &start, &e))?;
        let upward = if work.project_dir.is_some() { 1 } else { usize::MAX };
        let Some(root) =
            start.ancestors().take(upward).find(|folder| folder.join("dbt_project.yml").is_file())
        else {
            let what = format!("there is no dbt project in `{}`", start.display());
            let fix =
                "run the command in the folder of dbt_project.yml, or name that folder with --project-dir";
            return Err(Failure::new(NO_DBT_PROJECT, what, fix)
                .why("neither this folder nor one above it holds `dbt_project.yml`"));
        };
        let file = root.join("dbt_project.yml");
        let found = read_yaml(&file, NO_DBT_PROJECT)?;
        let text = |key: &str| found.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(name) = text("name").filter(|name| !name.is_empty()) else {
            return Err(Failure::new(
                NO_DBT_PROJECT,
                "`dbt_project.yml` names no project",
                "add a line `name: …` to it",
            ));
        };
        let or = |key: &str, default: &str| {
            text(key).filter(|path| !path.contains("{{")).unwrap_or(default.into())
        };
        let target = match &work.target_path {
            Some(path) if path.is_absolute() => path.clone(),
            Some(path) => root.join(path),
            None => root.join(or("target-path", "target")),
        };
        let clean = found.get("clean-targets").and_then(Value::as_array);
        let clean = clean.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        let analyses =
            found.get("analysis-paths").and_then(Value::as_array).and_then(|paths| paths.first()?.as_str());
        Ok(Self {
            analyses: analyses.unwrap_or("analyses").to_owned(),
            packages: root.join(or("packages-install-path", "dbt_packages")),
            root: root.to_owned(),
            name,
            profile: text("profile"),
            target,
            clean_targets: clean.unwrap_or_else(|| vec!["target".to_owned()]),
        })
    }
}

/// Reads a YAML file of the user's.
pub(crate) fn read_yaml(file: &Path, code: Code) -> Outcome<Value> {
    let length = fs::metadata(file).map_err(|e| Failure::file("read", file, &e))?.len();
    let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if length > FILE_BYTES_MAX {
        return Err(Failure::new(code, format!("`{shown}` is longer than 4 MiB"), "make it shorter"));
    }
    let text = fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    yaml::parse(&text).map_err(|wrong| {
        Failure::new(code, format!("`{shown}` line {}: {}", wrong.line, wrong.what), "correct the line")
    })
}

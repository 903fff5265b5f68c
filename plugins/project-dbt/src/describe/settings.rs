//! The beginning of a description: settings of the build, the project file, packages, files.
//!
//! In: the configuration of the build. Out: a [`Build`] that knows its packages and their files.
//! Never: reads anything but project files and lists of packages.
//! Fails: with the problems found so far where there is no root project to go on with.
//! Source: `wit/task/task.wit`, record `project-config`.

use std::collections::{BTreeMap, HashMap};

use cofferdam_sdk::{Argument, FileInfo, Problem, ProjectConfig, ProjectContext};
use serde_json::{Map, Value as Json};

use super::naming::Generators;
use super::world::{Around, Describing};
use super::{Build, plain_engine};
use crate::document::{Deferred, Shared, Target};
use crate::jinja::to_json;
use crate::jinja::world::Quoting;
use crate::problem::Problems;
use crate::project::file::{self, Notes, ProjectFile};
use crate::project::inventory::inventory;
use crate::project::packages::Search;
use crate::project::variables;
use crate::project::{Package, ignore};

/// How large a file of SQL or YAML may be.
pub(super) const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Reads what stands before all nodes.
///
/// # Errors
/// Where there is no usable root project.
pub(super) fn begin<'a>(
    cx: &'a ProjectContext<'a>,
    config: &ProjectConfig,
) -> Result<Build<'a>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut notes = Notes::default();
    let root = match config.root.trim_matches('/') {
        "" => String::new(),
        root => format!("{root}/"),
    };
    let given = given(config, &mut problems);
    let mut around = surroundings(config, &mut problems);
    let (operation, keep_failures, deferred) = told(config, &mut problems);
    let files = match cx.files.list("") {
        Ok(files) => files,
        Err(why) => {
            problems.add(&root, 0, format!("the project's files cannot be listed: {}", why.detail().message));
            return Err(problems.into_list());
        }
    };
    let vars = vars_file(cx, &root, &files, &mut problems);
    let mut rendering = given.clone();
    for (name, value) in &vars {
        rendering.entry(name.clone()).or_insert_with(|| value.clone());
    }
    around.shared.project.vars.insert(String::new(), rendering);
    let mut reader = Reader { cx, around: &around, notes: &mut notes, problems: &mut problems };
    let Some(mut first) = reader.project(&root) else {
        return Err(problems.into_list());
    };
    if !vars.is_empty() {
        first.vars = vars;
    }
    let mut packages = vec![Package { folder: root.clone(), file: first }];
    let path = packages[0].file.packages_path.clone();
    let mut search = Search { files: cx.files, list: &files, problems: &mut problems };
    for folder in search.folders(&root, &path) {
        let mut reader = Reader { cx, around: &around, notes: &mut notes, problems: &mut problems };
        let Some(file) = reader.project(&folder) else { continue };
        if let Some(other) = packages.iter().find(|package| package.name() == file.name) {
            if other.folder != folder && !other.folder.is_empty() && !folder.starts_with(&other.folder) {
                let why = format!("`{}` is the name of the project in `{}` already", file.name, other.folder);
                notes.0.push(format!("{}: {why}; this one is left out", file.path));
            }
            continue;
        }
        packages.push(Package { folder, file });
    }
    complete(&mut around, &packages, &given);
    let engine = plain_engine(packages[0].name(), &around.shared.target.kind);
    Ok(Build {
        cx,
        gateway: config.gateway.clone(),
        root,
        engine,
        generators: Generators::default(),
        files: inventory(&packages, &without_ignored(cx, &packages, files)),
        packages,
        around,
        problems,
        notes,
        items: Vec::new(),
        entries: Vec::new(),
        groups: BTreeMap::new(),
        by_name: HashMap::new(),
        sources_by_name: HashMap::new(),
        places: HashMap::new(),
        doc_files: BTreeMap::new(),
        words: super::documents::Words::default(),
        fixtures: BTreeMap::new(),
        operation,
        deferred,
        keep_failures,
    })
}

/// The files that no `.dbtignore` of their package leaves out.
fn without_ignored(cx: &ProjectContext<'_>, packages: &[Package], files: Vec<FileInfo>) -> Vec<FileInfo> {
    let read = |package: &Package| {
        let path = format!("{}{}", package.folder, ignore::NAME);
        let at = files.binary_search_by(|file| file.path.as_str().cmp(&path)).ok()?;
        let text = cx.files.read_text(&files[at].path).ok()?;
        Some((package.folder.clone(), ignore::Ignore::read(&text)))
    };
    let all: Vec<(String, ignore::Ignore)> = packages.iter().filter_map(read).collect();
    let stays = |file: &FileInfo| {
        let inside = |(folder, ignore): &(String, ignore::Ignore)| {
            file.path.strip_prefix(folder.as_str()).is_some_and(|path| ignore.leaves_out(path))
        };
        !all.iter().any(inside)
    };
    let mut files = files;
    files.retain(stays);
    files
}

/// What the root project says for all: dispatch, quoting, variables.
fn complete(around: &mut Around, packages: &[Package], given: &Map<String, Json>) {
    let first = &packages[0].file;
    let shared = &mut around.shared;
    shared.project.name.clone_from(&first.name);
    let versions = packages.iter().map(|package| (package.file.name.clone(), package.file.version.clone()));
    shared.project.versions = versions.collect();
    shared.project.vars.clear();
    shared.project.dispatch.clone_from(&first.dispatch);
    shared.project.query_comment = first.query_comment.clone();
    shared.project.flags.clone_from(&first.flags);
    if shared.target.profile_name == "default"
        && let Some(profile) = &first.profile
    {
        shared.target.profile_name.clone_from(profile);
    }
    let said = |key: &str| first.quoting.get(key).and_then(Json::as_bool);
    around.quoting.database = said("database").unwrap_or(around.quoting.database);
    around.quoting.schema = said("schema").unwrap_or(around.quoting.schema);
    around.quoting.identifier = said("identifier").unwrap_or(around.quoting.identifier);
    for (key, value) in [
        ("database", around.quoting.database),
        ("schema", around.quoting.schema),
        ("identifier", around.quoting.identifier),
    ] {
        around.shared.project.quoting.insert(key.to_owned(), value.into());
    }
    variables(&mut around.shared, packages, given);
}

/// The variables that the operator of the build gives: one by one, and as a map `vars`.
fn given(config: &ProjectConfig, problems: &mut Problems) -> Map<String, Json> {
    let mut vars = Map::new();
    for argument in &config.vars {
        match serde_json::from_str(&argument.json) {
            Ok(value) => {
                vars.insert(argument.name.clone(), value);
            }
            Err(why) => problems.add(
                "",
                0,
                format!("the variable `{}` given to the build is not JSON: {why}", argument.name),
            ),
        }
    }
    if let Some(Json::Object(more)) = setting(&config.settings, "vars", problems) {
        vars.extend(more);
    }
    vars
}

/// Target and allow-list.
fn surroundings(config: &ProjectConfig, problems: &mut Problems) -> Around {
    let mut target = Target { kind: adapter_type(&config.adapter), ..Target::default() };
    if let Some(said) = setting(&config.settings, "target", problems) {
        let mut all = serde_json::to_value(&target).unwrap_or_default();
        if let (Json::Object(all), Json::Object(said)) = (&mut all, said) {
            all.extend(said.into_iter().filter(|(_, value)| !value.is_null()));
        }
        match serde_json::from_value(all) {
            Ok(said) => target = said,
            Err(why) => {
                problems.add("", 0, format!("the setting `target` of the build cannot be read: {why}"))
            }
        }
    }
    let mut env = BTreeMap::new();
    if let Some(said) = setting(&config.settings, "env", problems) {
        for (name, value) in said.as_object().into_iter().flatten() {
            env.insert(name.clone(), crate::python::text(value));
        }
    }
    let unset = setting(&config.settings, "env_unset", problems);
    let unset = unset.as_ref().and_then(Json::as_array);
    let env_unset = unset.map(|names| names.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    let mark = if target.is_mysql() { '`' } else { '"' };
    let quoting = Quoting { mark, ..Quoting::default() };
    Around { shared: Shared { target, env, env_unset, ..Shared::default() }, quoting, docs: BTreeMap::new() }
}

/// What a command asks of the build: an operation, whether tests keep what they find, and where nodes
/// are in the state it defers to.
fn told(
    config: &ProjectConfig,
    problems: &mut Problems,
) -> (Option<String>, bool, BTreeMap<String, Deferred>) {
    let operation = setting(&config.settings, "operation", problems);
    let keeps = setting(&config.settings, "store_failures", problems);
    let operation = operation.and_then(|text| Some(text.as_str()?.to_owned()));
    (operation, keeps == Some(Json::Bool(true)), deferred(config, problems))
}

/// Where nodes are in the state that the command defers to.
fn deferred(config: &ProjectConfig, problems: &mut Problems) -> BTreeMap<String, Deferred> {
    let Some(said) = setting(&config.settings, "defer", problems) else { return BTreeMap::new() };
    serde_json::from_value(said).unwrap_or_else(|why| {
        problems.add("", 0, format!("the setting `defer` of the build cannot be read: {why}"));
        BTreeMap::new()
    })
}

fn setting(settings: &[Argument], name: &str, problems: &mut Problems) -> Option<Json> {
    let argument = settings.iter().find(|argument| argument.name == name)?;
    match serde_json::from_str(&argument.json) {
        Ok(value) => Some(value),
        Err(why) => {
            problems.add("", 0, format!("the setting `{name}` of the build is not JSON: {why}"));
            None
        }
    }
}

/// `postgres` for the plugin `adapter-postgres`.
fn adapter_type(adapter: &str) -> String {
    match adapter.strip_prefix("adapter-").unwrap_or(adapter) {
        "" => "sqlite".to_owned(),
        kind => kind.to_owned(),
    }
}

/// The variables of a file `vars.yml` beside the project file.
fn vars_file(
    cx: &ProjectContext<'_>,
    root: &str,
    files: &[FileInfo],
    problems: &mut Problems,
) -> Map<String, Json> {
    let path = format!("{root}vars.yml");
    if files.binary_search_by(|file| file.path.as_str().cmp(&path)).is_err() {
        return Map::new();
    }
    let read = cx.files.read_text(&path).map_err(|why| (0, why.detail().message.clone()));
    match read.and_then(|text| crate::yaml::parse(&text).map_err(|why| (why.line, why.coded()))) {
        Ok(tree) => tree.get("vars").and_then(|vars| vars.to_json().as_object().cloned()).unwrap_or_default(),
        Err((line, why)) => {
            problems.add(&path, line, why);
            Map::new()
        }
    }
}

/// Reads project files.
struct Reader<'a, 'b> {
    cx: &'b ProjectContext<'b>,
    around: &'a Around,
    notes: &'a mut Notes,
    problems: &'a mut Problems,
}

impl Reader<'_, '_> {
    fn project(&mut self, folder: &str) -> Option<ProjectFile> {
        let path = format!("{folder}dbt_project.yml");
        let text = match self.cx.files.read_text(&path) {
            Ok(text) => text,
            Err(why) => {
                let why =
                    format!("a project in dbt's format has this file at its root: {}", why.detail().message);
                self.problems.add(&path, 0, why);
                return None;
            }
        };
        let engine = plain_engine("", &self.around.shared.target.kind);
        let around = self.around;
        let render = |text: &str, _line: u32| {
            let world = Describing::values(around);
            let value = engine.native("", &path, text, &world).map_err(|why| why.coded())?;
            to_json(&value)
        };
        file::read(&path, &text, &render, self.notes, self.problems)
    }
}

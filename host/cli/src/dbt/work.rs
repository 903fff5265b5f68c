//! What every command begins with: the project, its target, its manifest, the nodes that are meant.
//!
//! In: flags. Out: a [`Workplace`], and what is selected of its manifest.
//! Never: starts a scheduler.
//! Fails: with `CD0060` to `CD0066`, and as `release build` does.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use cofferdam_ids::{TaskId, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    args::Work,
    artifacts,
    execute::say,
    manifest::Manifest,
    place::Place,
    profile::{self, Target},
    release::{self, Extra, Project},
    select::{self, Graph, Ids, Selection},
    setup, yaml,
};
use crate::{
    config::Config,
    failure::{Code, Failure, Outcome},
    folder::Folder,
    text,
};

/// A flag means nothing here, or its value cannot be read.
pub(crate) const BAD_FLAG: Code = Code(66);
/// Folders that are never part of a project's text.
const SKIPPED: [&str; 5] = ["target", "logs", "node_modules", "venv", "env"];

/// Files that are never part of a project's text: logins, `sample.profiles.yml` and the like among them, and
/// where packages come from.
const NOT_READ: [&str; 6] = [
    "profiles.yml",
    "profiles.yaml",
    "packages.yml",
    "packages.yaml",
    "dependencies.yml",
    "package-lock.yml",
];

/// A project that a command works in.
pub(crate) struct Workplace {
    pub(crate) place: Place,
    pub(crate) folder: Folder,
    pub(crate) target: Target,
    pub(crate) vars: Map<String, Value>,
    pub(crate) project: Project,
    pub(crate) manifest_bytes: Vec<u8>,
    /// Whether this command made its own configuration, gateway and grant.
    pub(crate) is_bare: bool,
}

/// Opens the project of a command.
pub(crate) fn open(work: &Work, extra: &Extra, now: Timestamp) -> Outcome<Workplace> {
    refuse(work)?;
    let place = Place::find(work)?;
    let folder = Folder::at(&place.root);
    let vars = variables(work)?;
    let target = profile::read(work, &place)?;
    let is_bare = folder.is_bare();
    let (mut config, mut text) = if is_bare {
        let texts = texts(&place.root);
        let mut env = setup::variables(&texts)?;
        if setup::makes_names_up(&texts) {
            env.unset.extend(setup::unset_words(&texts));
        }
        let asked = setup::Asked { place: &place, target: &target, vars: &vars, env: &env };
        let (config, text) = setup::config(&folder, &asked)?;
        if setup::keys(&folder, &config, now)? {
            let made = "Made .cofferdam/: keys, a trust root, a gateway and a grant for this machine alone; nothing of it belongs into version control";
            say(work.quiet, made);
        }
        if !env.set.is_empty() {
            let names: Vec<&str> = env.set.keys().map(String::as_str).collect();
            say(work.quiet, &format!("From this shell, for env_var: {}", names.join(", ")));
        }
        if !target.unused.is_empty() {
            let names: Vec<String> = target.unused.iter().map(|name| text::tame(name)).collect();
            say(work.quiet, &format!("Without effect in profiles.yml: {}", names.join(", ")));
        }
        (config, text)
    } else {
        configured(&folder, &target, &vars)?
    };
    tell(&mut config, &mut text, work, extra);
    let project = release::project(&folder, &place, config, &text, extra)?;
    let manifest_bytes = project.manifest(&folder)?;
    Ok(Workplace { place, folder, target, vars, project, manifest_bytes, is_bare })
}

/// A project with a `cofferdam.toml`: what it says holds; what it leaves out comes from the profile
/// and the command line.
fn configured(folder: &Folder, target: &Target, vars: &Map<String, Value>) -> Outcome<(Config, String)> {
    let mut config = folder.config()?;
    setup::complete(&mut config);
    for loader in &mut config.loaders {
        setup::fill(&mut loader.settings, "target", &target.settings());
        for (name, value) in vars {
            loader.vars.remove(name);
            setup::fill(&mut loader.vars, name, value);
        }
    }
    let file = folder.config_file();
    let mut text = fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    for loader in &config.loaders {
        text.push_str(&format!("\n{}\n{}", loader.settings, loader.vars));
    }
    Ok((config, text))
}

/// What a command asks of the loader itself: it becomes part of what the release asks to be allowed.
fn tell(config: &mut Config, text: &mut String, work: &Work, extra: &Extra) {
    let mut told = Vec::new();
    if work.store_failures {
        told.push(("store_failures", Value::Bool(true)));
    }
    if let Some(call) = &extra.hook {
        told.push(("operation", Value::String(call.clone())));
    }
    if let Some(deferred) = &extra.defer {
        told.push(("defer", deferred.clone()));
    }
    for (name, value) in told {
        for loader in &mut config.loaders {
            loader.settings.remove(name);
            setup::fill(&mut loader.settings, name, &value);
        }
        text.push_str(&format!("\n# {name} = {value}"));
    }
}

/// Flags of dbt that are known and not supported.
fn refuse(work: &Work) -> Outcome<()> {
    if work.defer && work.state.is_none() && work.defer_state.is_none() {
        let fix = "name the folder with the earlier manifest.json: --state DIR";
        return Err(Failure::new(BAD_FLAG, "--defer does not say to which state", fix));
    }
    if work.favor_state && !work.defer {
        let fix = "give --defer as well";
        return Err(Failure::new(BAD_FLAG, "--favor-state means something with --defer alone", fix));
    }
    match (&work.event_time_start, &work.event_time_end) {
        (Some(_), None) | (None, Some(_)) => {
            let fix = "give both --event-time-start and --event-time-end, or none of them";
            Err(Failure::new(BAD_FLAG, "a window of time has a start and an end", fix))
        }
        (Some(start), Some(end)) if start >= end => {
            let what = format!("the window from {} to {} is empty", text::tame(start), text::tame(end));
            Err(Failure::new(BAD_FLAG, what, "let --event-time-start lie before --event-time-end"))
        }
        _ => Ok(()),
    }
}

/// Opens the project again with what `--defer` says of what is not selected.
pub(crate) fn defer(
    workplace: Workplace,
    work: &Work,
    extra: &mut Extra,
    ids: &Ids,
    now: Timestamp,
) -> Outcome<Workplace> {
    if !work.defer {
        return Ok(workplace);
    }
    if !release::signs(&workplace.folder) {
        let fix = "give it where the release key is, or build what the selected nodes need as well";
        return Err(Failure::new(
            BAD_FLAG,
            "--defer makes a release of its own, which has to be signed",
            fix,
        ));
    }
    let folder = work.defer_state.as_deref().or(work.state.as_deref()).unwrap_or(Path::new("."));
    let before = artifacts::before(Some(folder), &workplace.place.target)?.manifest;
    let Some(before) = before else {
        let what = format!("there is no manifest.json in `{}`", folder.display());
        return Err(Failure::new(BAD_FLAG, what, "name the folder of an earlier target/ with --state"));
    };
    let manifest = workplace.manifest()?;
    let mut deferred = Map::new();
    for (id, node) in before.nodes {
        let refable = matches!(node.resource_type.as_str(), "model" | "seed" | "snapshot");
        if !refable || node.relation_name.is_none() || ids.contains(&id) || manifest.node(&id).is_none() {
            continue;
        }
        let relation = json!({
            "database": node.database, "schema": node.schema, "identifier": node.alias,
            "favored": work.favor_state,
        });
        deferred.insert(id, relation);
    }
    extra.defer = Some(Value::Object(deferred));
    open(work, extra, now)
}

fn variables(work: &Work) -> Outcome<Map<String, Value>> {
    let Some(text) = &work.vars else { return Ok(Map::new()) };
    map(text, "--vars")
}

/// A YAML map from the command line.
pub(crate) fn map(text: &str, flag: &str) -> Outcome<Map<String, Value>> {
    let fix = format!("write a YAML map, e.g. {flag} '{{day: 2026-11-21, full: true}}'");
    match yaml::parse(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(Failure::new(BAD_FLAG, format!("the value of {flag} is no map"), fix)),
        Err(wrong) => {
            Err(Failure::new(BAD_FLAG, format!("the value of {flag} cannot be read"), fix).why(wrong.what))
        }
    }
}

/// The texts of a project, in which `env_var` may stand.
fn texts(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            // What these say is for this machine, and no part of what runs.
            if NOT_READ.contains(&&*name) || name.ends_with("profiles.yml") {
                continue;
            }
            if name.starts_with('.') || (depth == 0 && SKIPPED.contains(&&*name)) || depth > 32 {
                continue;
            }
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                todo.push((path, depth + 1));
            } else if [".sql", ".yml", ".yaml"].iter().any(|end| name.ends_with(end)) {
                found.extend(fs::read_to_string(&path));
            }
        }
    }
    found
}

impl Workplace {
    /// The manifest.
    pub(crate) fn manifest(&self) -> Outcome<Manifest> {
        Manifest::read("what the loader made", &self.manifest_bytes)
    }

    /// Writes `target/manifest.json`.
    pub(crate) fn write_manifest(&self) -> Outcome<()> {
        artifacts::write(&self.place.target, "manifest.json", &self.manifest_bytes)
    }

    /// The task of each node that has one.
    pub(crate) fn tasks(&self) -> HashMap<String, TaskId> {
        let described = self.project.described.iter().flat_map(|one| &one.tasks);
        let pairs = described.filter_map(|task| {
            // A name too long for a task's id stands in a setting.
            let named = task.settings.iter().find(|setting| setting.name == "unique_id");
            let unique: Option<String> = named.and_then(|setting| serde_json::from_str(&setting.json).ok());
            Some((unique.unwrap_or_else(|| task.id.clone()), TaskId::new(&task.id).ok()?))
        });
        pairs.collect()
    }

    /// What a command's selectors select, of these types.
    pub(crate) fn select(&self, work: &Work, manifest: &Manifest, kinds: &[&str]) -> Outcome<Ids> {
        let named = select::selectors(&self.place.root)?;
        let spec = select::wanted(work, &named)?;
        let before = artifacts::before(work.state.as_deref(), &self.place.target)?;
        let graph = Graph::of(manifest);
        let selection = Selection { manifest, graph: &graph, before: &before };
        let mut ids = selection.select(&spec)?;
        let types = |list: &[String]| -> Vec<String> {
            list.iter().flat_map(|word| word.split([',', ' '])).map(str::to_owned).collect()
        };
        let (only, without) = (types(&work.resource_type), types(&work.exclude_resource_type));
        ids.retain(|id| {
            let Some(node) = manifest.node(id) else { return false };
            let kind = node.resource_type.as_str();
            kinds.contains(&kind)
                && (only.is_empty() || only.iter().any(|only| only == kind || only == "all"))
                && !without.iter().any(|without| without == kind)
        });
        Ok(ids)
    }
}

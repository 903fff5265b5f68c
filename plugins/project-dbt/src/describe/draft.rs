//! The nodes of a project as their own files describe them, before names are resolved.
//!
//! In: the [`Inventory`]. Out: [`Drafts`]: models, seeds and singular tests with configuration and
//! the names they use; sources; what schema files say.
//! Never: looks at more than one node at a time.
//! Fails: by adding a problem; the node is then left out, but its name stays known.
//! Source: <https://docs.getdbt.com/reference/model-configs>.

use std::collections::BTreeMap;

use cofferdam_sdk::Relation;

use super::Build;
use super::inventory::{Inventory, SeedFile, TextFile};
use crate::config::Config;
use crate::jinja::{self, Found, Scope, Settings};
use crate::names;
use crate::schema_file::{self, Properties, SourceTable};
use crate::seed::{SEED_BYTES_MAX, Seed};
use crate::settings::RelationName;

/// Everything the files say.
pub(super) struct Drafts {
    pub(super) models: Vec<Draft>,
    pub(super) seeds: Vec<Draft>,
    pub(super) tests: Vec<Draft>,
    pub(super) sources: Vec<(String, SourceTable)>,
    /// What schema files say, with the file.
    pub(super) models_said: Vec<(String, Properties)>,
    pub(super) seeds_said: Vec<(String, Properties)>,
}

/// One node, as its file describes it.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) text: String,
    pub(super) config: Config,
    pub(super) found: Found,
    pub(super) relation: RelationName,
    pub(super) enabled: bool,
    /// Whether its file could be read; where not, the problem is on the list.
    pub(super) sound: bool,
    pub(super) macros: Vec<String>,
}

impl Drafts {
    /// Reads every file of the inventory.
    pub(super) fn read(build: &mut Build<'_>, inventory: &Inventory) -> Self {
        let mut drafts = Self {
            models: Vec::new(),
            seeds: Vec::new(),
            tests: Vec::new(),
            sources: Vec::new(),
            models_said: Vec::new(),
            seeds_said: Vec::new(),
        };
        for file in &inventory.schemas {
            drafts.schema(build, file);
        }
        let models = by_name(build, &drafts.models_said);
        let seeds = by_name(build, &drafts.seeds_said);
        for file in &inventory.models {
            let base = base(&build.project.models, &file.parts, &models);
            drafts.models.extend(template(build, file, base));
        }
        for file in &inventory.seeds {
            let base = base(&build.project.seeds, &file.parts, &seeds);
            drafts.seeds.extend(seed(build, file, base));
        }
        for file in &inventory.tests {
            let base = base(&build.project.tests, &file.parts, &BTreeMap::new());
            drafts.tests.extend(template(build, file, base));
        }
        drafts
    }

    fn schema(&mut self, build: &mut Build<'_>, file: &TextFile) {
        let settings = Settings { project: &build.project.name, vars: &build.vars };
        let read = schema_file::read(&file.path, &file.text, &settings, &mut build.problems);
        for kind in &read.left_out {
            build.warn(&format!("{}: `{kind}` is left out; it is not supported", file.path));
        }
        self.models_said.extend(read.models.into_iter().map(|said| (file.path.clone(), said)));
        self.seeds_said.extend(read.seeds.into_iter().map(|said| (file.path.clone(), said)));
        self.sources.extend(read.sources.into_iter().map(|table| (file.path.clone(), table)));
    }
}

/// The configurations of schema files by name; a name may be described once.
fn by_name(build: &mut Build<'_>, said: &[(String, Properties)]) -> BTreeMap<String, Config> {
    let mut first: BTreeMap<&str, (&str, u32)> = BTreeMap::new();
    let mut configs = BTreeMap::new();
    for (path, properties) in said {
        if let Some((other, line)) = first.get(properties.name.as_str()) {
            let why = format!("`{}` is described in {other}:{line} already", properties.name);
            build.problems.add(path, properties.line, why);
            continue;
        }
        first.insert(&properties.name, (path, properties.line));
        configs.insert(properties.name.clone(), properties.config.clone());
    }
    configs
}

/// What holds for a node before its own file speaks.
fn base(tree: &crate::project_file::ConfigTree, parts: &[String], said: &BTreeMap<String, Config>) -> Config {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut config = tree.at(&parts);
    if let Some(own) = parts.last().and_then(|name| said.get(*name)) {
        config.overlay(own);
    }
    config
}

fn usable_name(build: &mut Build<'_>, path: &str, parts: &[String]) -> Option<String> {
    let name = parts.last()?;
    if names::is_name(name) {
        return Some(name.clone());
    }
    build.problems.add(path, 0, format!("`{name}` cannot name a node; use 1 to 100 letters, digits and `_`"));
    None
}

fn relation(build: &mut Build<'_>, path: &str, name: &str, config: &Config) -> RelationName {
    let relation = RelationName(
        names::schema(config.schema.as_deref()).to_owned(),
        config.alias.clone().unwrap_or_else(|| name.to_owned()),
    );
    for word in [&relation.0, &relation.1] {
        if !names::is_name(word) {
            build.problems.add(
                path,
                0,
                format!("`{word}` cannot name a schema or relation; use letters, digits and `_`"),
            );
        }
    }
    relation
}

/// A model or singular test. It is rendered twice, so that names behind `is_incremental()` are
/// found as well as those in its absence.
fn template(build: &mut Build<'_>, file: &TextFile, base: Config) -> Option<Draft> {
    let name = usable_name(build, &file.path, &file.parts)?;
    let mut draft = Draft {
        relation: RelationName(names::TARGET_SCHEMA.to_owned(), name.clone()),
        name,
        path: file.path.clone(),
        text: file.text.clone(),
        enabled: base.enabled != Some(false),
        config: base,
        found: Found::default(),
        sound: true,
        macros: build.macros.files_for(&file.text),
    };
    if !draft.enabled {
        return Some(draft);
    }
    let passes = if draft.macros.is_empty() && !file.text.contains("is_incremental") { 1 } else { 2 };
    for pass in 0..passes {
        let this = Relation::new(names::TARGET_SCHEMA, draft.name.as_str());
        let mut scope = Scope::describing(&build.project.name, this, &build.vars, draft.config.clone());
        scope.incremental = pass == 1;
        match jinja::render(&file.path, &file.text, scope, &build.macros) {
            Ok(output) => draft.learn(output.found, pass == 0),
            Err(why) => {
                build.problems.add(&why.path, why.line, why.message);
                draft.sound = false;
                break;
            }
        }
    }
    draft.enabled = draft.config.enabled != Some(false);
    draft.relation = relation(build, &file.path, &draft.name, &draft.config);
    if let Err(why) = draft.config.check() {
        build.problems.add(
            &file.path,
            line_with(&file.text, "unique_key").max(line_with(&file.text, "incremental_strategy")),
            why,
        );
    }
    Some(draft)
}

impl Draft {
    fn learn(&mut self, found: Found, first: bool) {
        if first {
            self.config.overlay(&found.config);
        }
        for name in found.refs {
            if !self.found.refs.contains(&name) {
                self.found.refs.push(name);
            }
        }
        for pair in found.sources {
            if !self.found.sources.contains(&pair) {
                self.found.sources.push(pair);
            }
        }
    }
}

fn seed(build: &mut Build<'_>, file: &SeedFile, config: Config) -> Option<Draft> {
    let name = usable_name(build, &file.path, &file.parts)?;
    let enabled = config.enabled != Some(false);
    let relation = relation(build, &file.path, &name, &config);
    let sound = !enabled || sound_seed(build, &file.path, &config);
    Some(Draft {
        name,
        path: file.path.clone(),
        text: String::new(),
        config,
        found: Found::default(),
        relation,
        enabled,
        sound,
        macros: Vec::new(),
    })
}

/// Reads a seed once, so that a broken row is found when the release is built.
fn sound_seed(build: &mut Build<'_>, path: &str, config: &Config) -> bool {
    let size =
        build.cx.files.list(path).ok().and_then(|files| files.first().map(|file| file.size)).unwrap_or(0);
    if size > SEED_BYTES_MAX as u64 {
        build.problems.add(path, 0, format!("the seed is larger than {} MiB", SEED_BYTES_MAX >> 20));
        return false;
    }
    match build.cx.files.read(path) {
        Ok(bytes) => match Seed::parse(&bytes, config.delimiter, &config.column_types) {
            Ok(_) => true,
            Err(why) => {
                build.problems.add(path, why.line, why.message);
                false
            }
        },
        Err(why) => {
            build.problems.add(path, 0, why.detail().message.clone());
            false
        }
    }
}

/// The first line that holds a word; 0 where none does.
pub(super) fn line_with(text: &str, word: &str) -> u32 {
    text.lines()
        .position(|line| line.contains(word))
        .map_or(0, |at| u32::try_from(at + 1).unwrap_or(u32::MAX))
}

//! Files become items: macros, docs blocks, entries of properties files, nodes with code.
//!
//! In: the inventory. Out: the library of macros, docs, entries and items of the build.
//! Never: renders a text before all macros are known.
//! Fails: by adding problems; what can be read is read.
//! Source: the order in which dbt reads a project.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Build;
use super::naming::Generators;
use super::nodes::{Draft, checksum};
use super::patches::{Patch, version_word};
use super::python_models;
use crate::jinja::library::BlockKind;
use crate::jinja::{Engine, Library, blocks};
use crate::problem::did_you_mean;
use crate::project::config::{Kind, Places, list};
use crate::project::inventory::{Role, SourceFile};
use crate::project::properties;
use crate::python;

/// Patches of models by package and file name: the patch, and the model's own name.
type ModelPatches = HashMap<(usize, String), (Patch, String)>;

impl Build<'_> {
    /// Reads all macros.
    pub(super) fn read_macros(&mut self) {
        let shared = &self.around.shared;
        let root = shared.project.name.clone();
        let mut library = Library::new(&root, &shared.target.kind);
        library.shelve(crate::builtin::BLOCKS);
        for dispatch in &shared.project.dispatch {
            library.dispatch(&dispatch.macro_namespace, dispatch.search_order.clone());
        }
        for package in &self.packages {
            library.package(package.name());
        }
        let mut files = self.files_of(Role::Macro);
        files.extend(self.files_of(Role::GenericTest));
        for file in files {
            let Some(text) = self.text_of(&file) else { continue };
            let package = self.packages[file.package].name().to_owned();
            for problem in library.add(&package, &file.path, &text) {
                self.problems.add(&problem.path, problem.line, problem.coded());
            }
        }
        self.generators = Generators::of(&library, &root, &shared_kind(self));
        for problem in library.check() {
            // A macro of a package may be for another warehouse, and never be called.
            if problem.path.starts_with(&self.root) && self.is_of_root(&problem.path) {
                self.problems.add(&problem.path, problem.line, problem.coded());
            } else {
                self.notes.0.push(format!("{}:{}: {}", problem.path, problem.line, problem.message));
            }
        }
        self.engine = Engine::new(Arc::new(library));
        self.read_words();
    }

    /// Whether a file belongs to the root project.
    fn is_of_root(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.package == 0 && file.path == path)
    }

    /// Reads all docs blocks, and the rows of fixtures.
    pub(super) fn read_docs(&mut self) {
        for file in self.files_of(Role::Docs) {
            let Some(text) = self.text_of(&file) else { continue };
            if !text.contains("{%") {
                continue;
            }
            let package = self.packages[file.package].name().to_owned();
            match blocks(&file.path, &text) {
                Ok(blocks) => {
                    for block in blocks.into_iter().filter(|block| block.kind == BlockKind::Docs) {
                        let key = (package.clone(), block.name.clone());
                        if self.around.docs.contains_key(&key) {
                            let why = format!("a docs block is named `{}` already", block.name);
                            self.problems.add(&file.path, block.line, why);
                        }
                        self.around.docs.insert(key, block.body().trim().to_owned());
                        self.doc_files.insert(
                            (package.clone(), block.name),
                            (file.relative.clone(), file.original.clone()),
                        );
                    }
                }
                Err(why) => self.problems.add(&file.path, why.line, why.coded()),
            }
        }
        for file in self.files_of(Role::Fixture) {
            let Some(text) = self.text_of(&file) else { continue };
            let key = (file.package, file.stem().to_owned());
            if let Some((other, _)) = self.fixtures.get(&key) {
                let why = format!("a fixture is named `{}` in {} already", key.1, other.path);
                self.problems.add(&file.path, 0, why);
            }
            self.fixtures.insert(key, (file, text));
        }
    }

    /// Reads all properties files.
    pub(super) fn read_properties(&mut self) {
        for file in self.files_of(Role::Properties) {
            let Some(text) = self.text_of(&file) else { continue };
            let mut notes = std::mem::take(&mut self.notes);
            let mut problems = std::mem::take(&mut self.problems);
            let render = |text: &str, _line: u32| self.value(file.package, &file.path, text);
            let entries = properties::read(&file, &text, &render, &mut notes, &mut problems);
            self.notes = notes;
            self.problems = problems;
            self.entries.extend(entries);
        }
    }

    /// Reads all nodes with code of their own.
    pub(super) fn read_nodes(&mut self) {
        for file in self.files_of(Role::Function) {
            self.notes.0.push(format!("{}: functions are left out; they are not supported", file.path));
        }
        let mut models = self.model_patches();
        for file in self.files_of(Role::Model) {
            self.read_model(&file, &mut models);
        }
        let mut seeds = self.patches_of("seeds", Role::Seed);
        for file in self.files_of(Role::Seed) {
            self.read_seed(&file, &mut seeds);
        }
        self.read_snapshots();
        let mut analyses = self.patches_of("analyses", Role::Analysis);
        for file in self.files_of(Role::Analysis) {
            let patch = analyses.remove(&(file.package, file.stem().to_owned()));
            self.read_query(&file, Kind::Analysis, patch.as_ref());
        }
        let mut tests = self.patches_of("data_tests", Role::Test);
        tests.extend(self.patches_of("tests", Role::Test));
        for file in self.files_of(Role::Test) {
            let patch = tests.remove(&(file.package, file.stem().to_owned()));
            self.read_query(&file, Kind::Test, patch.as_ref());
        }
        for at in 0..self.packages.len() {
            self.read_hooks(at);
        }
    }

    /// What properties files say of nodes of a kind, by package and name. An entry names a node of
    /// its own package, or else of any.
    pub(super) fn patches_of(&mut self, kind: &'static str, role: Role) -> HashMap<(usize, String), Patch> {
        let known = self.known(role);
        self.patches_among(kind, &known)
    }

    /// Nodes of a role by package and name. A node of a package that its project file or that of the
    /// root project switches off is left out where another package has one of the same name: that
    /// one stands in its place, and what is said of it holds for that one.
    fn known(&self, role: Role) -> Vec<(usize, String)> {
        let files: Vec<&SourceFile> = self.files.iter().filter(|file| file.role == role).collect();
        let mut count: HashMap<&str, usize> = HashMap::new();
        for file in &files {
            *count.entry(file.stem()).or_default() += 1;
        }
        let replaced = |file: &SourceFile| {
            count.get(file.stem()).is_some_and(|count| *count > 1) && self.is_switched_off(file, role)
        };
        files
            .iter()
            .filter(|file| !replaced(file))
            .map(|file| (file.package, file.stem().to_owned()))
            .collect()
    }

    /// Whether project files switch a node off.
    fn is_switched_off(&self, file: &SourceFile, role: Role) -> bool {
        let kind = match role {
            Role::Seed => Kind::Seed,
            Role::Model => Kind::Model,
            _ => return false,
        };
        let mut fqn = vec![self.packages[file.package].name().to_owned()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(file.stem().to_owned());
        let none = Map::new();
        let places = Places {
            own: &self.packages[file.package].file,
            root: &self.packages[0].file,
            fqn: &fqn,
            patch: &none,
            call: &none,
        };
        places.resolve(kind).is_ok_and(|resolved| resolved.config.get("enabled") == Some(&Json::Bool(false)))
    }

    /// The same among these names.
    pub(super) fn patches_among(
        &mut self,
        kind: &'static str,
        known: &[(usize, String)],
    ) -> HashMap<(usize, String), Patch> {
        let mut patches: HashMap<(usize, String), Patch> = HashMap::new();
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.kind == kind) {
            let own = (entry.file.package, entry.name.clone());
            let key = if known.contains(&own) {
                Some(own)
            } else {
                known.iter().find(|(_, name)| *name == entry.name).cloned()
            };
            let Some(key) = key else {
                self.note_nothing(kind, entry, known);
                continue;
            };
            let patch = self.patch(entry);
            self.keep_patch(&mut patches, key, patch, entry);
        }
        self.entries = entries;
        patches
    }

    fn keep_patch(
        &mut self,
        patches: &mut HashMap<(usize, String), Patch>,
        key: (usize, String),
        patch: Patch,
        entry: &properties::Entry,
    ) {
        if let Some(other) = patches.get(&key) {
            let why = format!(
                "`{}` is described in {}:{} already; keep one of the two entries",
                entry.name, other.path, other.line
            );
            self.problems.add(&entry.file.path, entry.line, why);
            return;
        }
        patches.insert(key, patch);
    }

    fn note_nothing(&mut self, kind: &str, entry: &properties::Entry, known: &[(usize, String)]) {
        let hint = did_you_mean(&entry.name, known.iter().map(|(_, name)| name.as_str()));
        self.notes.0.push(format!(
            "{}:{}: `{kind}` describes `{}`, which is not there{hint}",
            entry.file.path, entry.line, entry.name
        ));
    }

    /// What properties files say of models, versions apart.
    fn model_patches(&mut self) -> ModelPatches {
        let known = self.known(Role::Model);
        let index: std::collections::HashSet<(usize, &str)> =
            known.iter().map(|(package, name)| (*package, name.as_str())).collect();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (package, name) in &known {
            by_name.entry(name).or_insert(*package);
        }
        let mut patches = ModelPatches::new();
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.kind == "models") {
            let own = entry.file.package;
            let versions = list(entry.data.get("versions").unwrap_or(&Json::Null));
            if versions.is_empty() {
                let name = entry.name.as_str();
                let package =
                    if index.contains(&(own, name)) { Some(own) } else { by_name.get(name).copied() };
                let Some(package) = package else {
                    self.note_nothing("models", entry, &known);
                    continue;
                };
                let patch = self.patch(entry);
                self.keep_model_patch(&mut patches, (package, entry.name.clone()), patch, entry);
                continue;
            }
            let latest = latest_version(entry, &versions);
            for version in versions.iter().filter_map(Json::as_object) {
                let Some(v) = version.get("v").filter(|v| !v.is_null()) else {
                    let why = format!("a version of `{}` has no `v`", entry.name);
                    self.problems.add(&entry.file.path, entry.line, why);
                    continue;
                };
                let file = version.get("defined_in").and_then(Json::as_str).map(str::to_owned);
                let file = file.unwrap_or_else(|| format!("{}_{}", entry.name, version_word(v)));
                let file = if !index.contains(&(own, file.as_str())) && *v == latest {
                    entry.name.clone()
                } else {
                    file
                };
                if !index.contains(&(own, file.as_str())) {
                    self.notes.0.push(format!(
                        "{}:{}: there is no model `{file}` for the version {} of `{}`",
                        entry.file.path,
                        entry.line,
                        python::text(v),
                        entry.name
                    ));
                    continue;
                }
                let patch = self.version_patch(entry, version, &latest);
                self.keep_model_patch(&mut patches, (own, file), patch, entry);
            }
        }
        self.entries = entries;
        patches
    }

    fn keep_model_patch(
        &mut self,
        patches: &mut ModelPatches,
        key: (usize, String),
        patch: Patch,
        entry: &properties::Entry,
    ) {
        if let Some((other, _)) = patches.get(&key) {
            let why = format!(
                "`{}` is described in {}:{} already; keep one of the two entries",
                entry.name, other.path, other.line
            );
            self.problems.add(&entry.file.path, entry.line, why);
            return;
        }
        patches.insert(key, (patch, entry.name.clone()));
    }

    fn read_model(&mut self, file: &SourceFile, patches: &mut ModelPatches) {
        let Some(text) = self.text_of(file) else { return };
        let is_python = file.path.ends_with(".py");
        let code = if is_python { python_models::template(&text) } else { text.clone() };
        let package = self.packages[file.package].name().to_owned();
        let stem = file.stem().to_owned();
        self.check_name(file, &stem);
        let patch = patches.get(&(file.package, stem.clone())).cloned();
        let name = patch.as_ref().map_or(stem.as_str(), |(_, name)| name.as_str());
        let mut fqn = vec![package.clone()];
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(name.to_owned());
        let mut id = format!("model.{package}.{name}");
        if let Some((Patch { version: Some((version, _)), .. }, _)) = &patch {
            let word = version_word(version);
            id = format!("{id}.{word}");
            fqn.push(word);
        }
        let draft = Draft {
            kind: Kind::Model,
            package: file.package,
            name,
            id,
            file: &file.path,
            path: file.relative.clone(),
            original: &file.original,
            fqn,
            code: &code,
            line: 1,
            checksum: checksum(&normalized(&text)),
        };
        let mut item = draft.item(self);
        if is_python {
            item.node.insert("language".to_owned(), "python".into());
            self.notes.0.push(format!("{}: a Python model, which cannot be built", file.path));
        }
        if text.trim().is_empty() {
            self.notes.0.push(format!("{}: the file is empty", file.path));
        }
        self.settle(&mut item, &code, patch.as_ref().map(|(patch, _)| patch), &Map::new());
        self.items.push(item);
    }

    /// A singular test or an analysis.
    fn read_query(&mut self, file: &SourceFile, kind: Kind, patch: Option<&Patch>) {
        let Some(text) = self.text_of(file) else { return };
        let package = self.packages[file.package].name().to_owned();
        let name = file.stem().to_owned();
        self.check_name(file, &name);
        let mut fqn = vec![package.clone()];
        // An analysis keeps its folder in its name; a singular test its folders.
        if kind == Kind::Analysis {
            fqn.push("analysis".to_owned());
        }
        fqn.extend(file.folders().map(str::to_owned));
        fqn.push(name.clone());
        let path = match kind {
            Kind::Analysis => format!("analysis/{}", file.relative),
            _ => file.relative.clone(),
        };
        let draft = Draft {
            kind,
            package: file.package,
            name: &name,
            id: format!("{}.{package}.{name}", kind.resource_type()),
            file: &file.path,
            path,
            original: &file.original,
            fqn,
            code: &text,
            line: 1,
            checksum: checksum(&normalized(&text)),
        };
        let mut item = draft.item(self);
        self.settle(&mut item, &text, patch, &Map::new());
        self.items.push(item);
    }

    /// `on-run-start` and `on-run-end` of a package.
    fn read_hooks(&mut self, at: usize) {
        let file = self.packages[at].file.clone();
        let package = file.name.clone();
        let whole = self.cx.files.read_text(&file.path).unwrap_or_default();
        for (kind, hooks) in [("on-run-start", &file.on_run_start), ("on-run-end", &file.on_run_end)] {
            for (index, (statement, line)) in hooks.iter().enumerate() {
                let name = format!("{package}-{kind}-{index}");
                let draft = Draft {
                    kind: Kind::Operation,
                    package: at,
                    name: &name,
                    id: format!("operation.{package}.{name}"),
                    file: &file.path,
                    path: format!("hooks/{name}.sql"),
                    original: "./dbt_project.yml",
                    fqn: vec![package.clone(), "hooks".to_owned(), name.clone()],
                    code: statement,
                    line: *line,
                    checksum: checksum(&normalized(&whole)),
                };
                let mut item = draft.item(self);
                item.node.insert("index".to_owned(), index.into());
                let code = format!("{}{statement}", "\n".repeat(line.saturating_sub(1) as usize));
                self.settle(&mut item, &code, None, &Map::new());
                if let Some(Json::Array(tags)) = item.node.get_mut("tags") {
                    tags.insert(0, kind.into());
                }
                self.items.push(item);
            }
        }
    }

    /// Names of nodes become ids, which have their letters.
    pub(super) fn check_name(&mut self, file: &SourceFile, name: &str) {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 150 || !name.chars().all(good) {
            let why = format!("`{name}` cannot name a node; use 1 to 150 letters, digits, `_`, `-` and `.`");
            self.problems.add(&file.path, 0, why);
        }
    }
}

fn shared_kind(build: &Build<'_>) -> String {
    build.around.shared.target.kind.clone()
}

/// The latest version: the one said, or the greatest.
pub(super) fn latest_version(entry: &properties::Entry, versions: &[Json]) -> Json {
    if let Some(latest) = entry.data.get("latest_version").filter(|latest| !latest.is_null()) {
        return latest.clone();
    }
    let mut all: Vec<&Json> = versions.iter().filter_map(|version| version.get("v")).collect();
    all.sort_by(|a, b| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => python::text(a).cmp(&python::text(b)),
    });
    all.last().map_or(Json::Null, |latest| (*latest).clone())
}

/// A text as its digest is taken: every run of white space one space.
pub(super) fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

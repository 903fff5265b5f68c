//! Reads a project, resolves it, and names its tasks.
//!
//! In: the project's files, the gateway, target, variables and allow-list of the build.
//! Out: one task per node with what it needs and what it asks for, dbt's manifest, and what each
//! attempt reads of its node; or every problem of every file, at once.
//! Never: opens a warehouse; renders with `execute` set; stops at the first problem.
//! Fails: with the list of problems.
//! Source: `wit/task/task.wit`; `docs/adr/0005-loader-and-task-are-two-components.md`; dbt's
//! manifest v12.

mod collect;
mod documents;
mod edges;
mod exposures;
mod generic;
mod macros;
mod manifest;
mod naming;
mod nodes;
mod operation;
mod patches;
mod python_models;
mod requests;
mod resolve;
mod seeds;
mod semantic;
mod settings;
mod snapshots;
mod sources;
mod test_names;
mod unit_tests;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cofferdam_sdk::{Description, Generated, Level, Problem, ProjectConfig, ProjectContext};
use serde_json::Value as Json;

use crate::document::{Deferred, MANIFEST_PATH, NODES_PATH};
use crate::jinja::{Engine, Library, to_json};
use crate::problem::Problems;
use crate::project::Package;
use crate::project::file::Notes;
use crate::project::inventory::{Role, SourceFile};
use crate::project::properties::Entry;
use naming::Generators;
use nodes::Item;
use world::{Around, Describing};

/// How many warnings are logged.
const NOTES_MAX: usize = 200;

/// What the steps of one description share.
pub(crate) struct Build<'a> {
    cx: &'a ProjectContext<'a>,
    gateway: String,
    root: String,
    packages: Vec<Package>,
    around: Around,
    engine: Engine,
    generators: Generators,
    files: Vec<SourceFile>,
    problems: Problems,
    notes: Notes,
    /// Every node, enabled or not.
    items: Vec<Item>,
    /// Entries of properties files.
    entries: Vec<Entry>,
    /// Groups of the manifest, by id.
    groups: BTreeMap<String, Json>,
    /// Positions of models, seeds and snapshots by name.
    by_name: HashMap<String, Vec<usize>>,
    /// Positions of tables by source and name.
    sources_by_name: HashMap<(String, String), Vec<usize>>,
    /// Positions of enabled items by id.
    places: HashMap<String, usize>,
    /// Files of docs blocks, by package and name: the path in its folder and in its package.
    doc_files: BTreeMap<(String, String), (String, String)>,
    /// Words that the project's macros name, and what any node's text needs.
    words: documents::Words,
    /// Rows of fixtures by package and name.
    fixtures: BTreeMap<(usize, String), (SourceFile, String)>,
    /// The text of `run-operation`, where the build is made for one.
    operation: Option<String>,
    /// Where nodes are in an earlier state that the command defers to, by their ids.
    deferred: BTreeMap<String, Deferred>,
    /// Whether tests keep the rows they find, where they say nothing of it themselves.
    keep_failures: bool,
}

/// The tasks of a project, and the files they need.
///
/// # Errors
/// With everything that is wrong with it.
pub(crate) fn describe(cx: &ProjectContext<'_>, config: &ProjectConfig) -> Result<Description, Vec<Problem>> {
    let mut build = settings::begin(cx, config)?;
    build.read_macros();
    build.read_docs();
    build.read_properties();
    build.read_nodes();
    build.read_sources();
    build.index_names();
    build.add_generic_tests();
    build.add_exposures();
    build.add_semantics();
    build.add_groups();
    build.add_unit_tests();
    build.add_operation();
    build.resolve();
    build.finish()
}

impl Build<'_> {
    /// Files in a role, the root project's first.
    fn files_of(&self, role: Role) -> Vec<SourceFile> {
        self.files.iter().filter(|file| file.role == role).cloned().collect()
    }

    /// The text of a file, without a byte order mark; none with the problem on the list.
    fn text_of(&mut self, file: &SourceFile) -> Option<String> {
        if file.size > settings::TEXT_BYTES_MAX {
            let why = format!("the file is larger than {} MiB", settings::TEXT_BYTES_MAX >> 20);
            self.problems.add(&file.path, 0, why);
            return None;
        }
        match self.cx.files.read_text(&file.path) {
            Ok(text) => Some(match text.strip_prefix('\u{feff}') {
                Some(text) => text.to_owned(),
                None => text,
            }),
            Err(why) => {
                self.problems.add(&file.path, 0, why.detail().message.clone());
                None
            }
        }
    }

    /// A value of a properties file of a package, its Jinja rendered.
    fn value(&self, package: usize, path: &str, text: &str) -> Result<Json, String> {
        let world = Describing::values(&self.around);
        let name = self.packages[package].name();
        let value = self.engine.native(name, path, text, &world).map_err(|why| why.coded())?;
        to_json(&value)
    }

    /// The release, or what is wrong.
    fn finish(mut self) -> Result<Description, Vec<Problem>> {
        self.places = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.enabled)
            .map(|(at, item)| (item.id.clone(), at))
            .collect();
        let needs = self.needs();
        let (tasks, nodes) = self.tasks(&needs);
        for line in self.notes.0.iter().take(NOTES_MAX) {
            self.cx.telemetry.log(Level::Warn, line);
        }
        if self.notes.0.len() > NOTES_MAX {
            let more = self.notes.0.len() - NOTES_MAX;
            self.cx.telemetry.log(Level::Warn, &format!("and {more} more warnings"));
        }
        if !self.problems.is_empty() {
            return Err(self.problems.into_list());
        }
        let manifest = self.manifest();
        let files = vec![
            Generated { path: MANIFEST_PATH.to_owned(), content: manifest },
            Generated { path: NODES_PATH.to_owned(), content: nodes },
        ];
        Ok(Description { tasks, files })
    }
}

/// An engine without macros, for values of project files.
fn plain_engine(root: &str, adapter: &str) -> Engine {
    Engine::new(Arc::new(Library::new(root, adapter)))
}

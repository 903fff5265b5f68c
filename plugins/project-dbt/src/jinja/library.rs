//! The macros of a project and its packages, found by dbt's rules.
//!
//! In: the text of macro files. Out: macros by name, as a package sees them; for `adapter.dispatch`;
//! those a text needs.
//! Never: reads a macro's body before it is called; only where blocks begin and end.
//! Fails: with a [`SourceProblem`] per block that does not end or whose name is taken.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/dispatch>.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::blocks::all_blocks;
pub use super::blocks::{Block, BlockKind, Ready, SourceProblem, blocks};
use super::problem::Unit;
use super::syntax::{self, MacroDef, Stmt, SyntaxError};

/// The name of the built-in package.
pub const BUILTIN: &str = "dbt";

/// A macro that was read, and the text it belongs to.
type Compiled = (Arc<MacroDef>, Arc<Unit>);

/// A macro of a library.
#[derive(Debug)]
pub struct Macro {
    /// The package it belongs to.
    pub package: String,
    /// Its file.
    pub path: String,
    /// The block.
    pub block: Block,
    compiled: OnceLock<Result<Compiled, SyntaxError>>,
}

impl Macro {
    fn new(package: &str, path: &str, block: Block) -> Arc<Self> {
        let (package, path) = (package.to_owned(), path.to_owned());
        Arc::new(Self { package, path, block, compiled: OnceLock::new() })
    }

    /// Its unique id: `macro.<package>.<name>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("macro.{}.{}", self.package, self.block.name)
    }

    pub(super) fn unit(&self) -> Arc<Unit> {
        Arc::new(Unit {
            package: self.package.clone(),
            path: self.path.clone(),
            name: Some(self.block.name.clone()),
            lines_before: self.block.line - 1,
            lenient: false,
            assigned: Vec::new(),
        })
    }

    /// The macro, read once.
    pub(super) fn compiled(&self) -> Result<&Compiled, &SyntaxError> {
        let compile = || {
            let template = syntax::parse(&self.block.text)?;
            match template.body.into_iter().next() {
                Some(Stmt::Macro(def)) => Ok((def, self.unit())),
                _ => Err(SyntaxError { line: 1, message: "no macro stands here".to_owned() }),
            }
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

/// The macros that a text needs, by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroFile {
    /// The package.
    pub package: String,
    /// The file.
    pub file: String,
    /// The needed macros in it.
    pub names: Vec<String>,
}

/// The macros of a project and its packages.
#[derive(Debug)]
pub struct Library {
    root: String,
    prefixes: Vec<String>,
    dispatch: BTreeMap<String, Vec<String>>,
    /// By package and name: where in `macros`.
    packages: BTreeMap<String, HashMap<String, usize>>,
    macros: Vec<Arc<Macro>>,
    /// What the built-in package holds, ordered by name, and what of it was asked for. Among all macros
    /// these come first.
    shelf: &'static [Ready],
    taken: Vec<OnceLock<Arc<Macro>>>,
    words: OnceLock<HashMap<String, Vec<usize>>>,
    needs: OnceLock<Vec<OnceLock<Vec<usize>>>>,
}

impl Library {
    /// A library of the project `root` for warehouses of the type `adapter_type` (`postgres`, …).
    #[must_use]
    pub fn new(root: &str, adapter_type: &str) -> Self {
        let mut prefixes = vec![adapter_type.to_owned()];
        // Adapters that are others' children in dbt see their parents' macros.
        prefixes.extend(match adapter_type {
            "redshift" => Some("postgres".to_owned()),
            "mariadb" | "mysql5" => Some("mysql".to_owned()),
            _ => None,
        });
        prefixes.push("default".to_owned());
        Self {
            root: root.to_owned(),
            prefixes,
            dispatch: BTreeMap::new(),
            packages: [root, BUILTIN].map(|name| (name.to_owned(), HashMap::new())).into(),
            macros: Vec::new(),
            shelf: &[],
            taken: Vec::new(),
            words: OnceLock::new(),
            needs: OnceLock::new(),
        }
    }

    /// The name of the root project.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The type of the warehouse.
    #[must_use]
    pub fn adapter_type(&self) -> &str {
        &self.prefixes[0]
    }

    /// The mark names are quoted with.
    #[must_use]
    pub fn quote_mark(&self) -> char {
        if matches!(self.adapter_type(), "mysql" | "mysql5" | "mariadb" | "bigquery" | "databricks" | "spark")
        {
            '`'
        } else {
            '"'
        }
    }

    /// The `dispatch:` setting of the root project, one entry of it.
    pub fn dispatch(&mut self, macro_namespace: &str, search_order: Vec<String>) {
        self.dispatch.insert(macro_namespace.to_owned(), search_order);
    }

    /// Makes a package known, even if it has no macro.
    pub fn package(&mut self, name: &str) {
        self.packages.entry(name.to_owned()).or_default();
    }

    /// Gives the built-in package its macros, ordered by name. A macro of that package that was added
    /// before counts instead of the one here.
    pub fn shelve(&mut self, shelf: &'static [Ready]) {
        self.shelf = shelf;
        self.taken = shelf.iter().map(|_| OnceLock::new()).collect();
        self.forget_words();
    }

    /// Adds the macros of one file. The package `dbt` is the built-in one.
    pub fn add(&mut self, package: &str, path: &str, text: &str) -> Vec<SourceProblem> {
        self.package(package);
        let (found, mut problems) = all_blocks(path, text);
        for block in found {
            if matches!(block.kind, BlockKind::Snapshot | BlockKind::Docs) {
                continue;
            }
            problems.extend(self.insert(package, path, block));
        }
        problems
    }

    /// Adds one block that was found before.
    pub fn insert(&mut self, package: &str, path: &str, block: Block) -> Option<SourceProblem> {
        if let Some(other) = self.of_package(package, &block.name) {
            return Some(SourceProblem {
                path: path.to_owned(),
                line: block.line,
                message: format!(
                    "the macro `{}` is defined twice in the package `{package}`: also in {}:{}",
                    block.name, other.path, other.block.line
                ),
            });
        }
        let names = self.packages.entry(package.to_owned()).or_default();
        names.insert(block.name.clone(), self.macros.len());
        self.macros.push(Macro::new(package, path, block));
        self.forget_words();
        None
    }

    fn forget_words(&mut self) {
        self.words = OnceLock::new();
        self.needs = OnceLock::new();
    }

    /// All macros, the built-in ones first, each package's in the order in which they were added.
    pub fn macros(&self) -> impl Iterator<Item = &Macro> {
        (0..self.count()).map(|index| &**self.at(index))
    }

    fn count(&self) -> usize {
        self.shelf.len() + self.macros.len()
    }

    /// One of all macros.
    fn at(&self, index: usize) -> &Arc<Macro> {
        match self.shelf.get(index) {
            Some(ready) => self.taken[index].get_or_init(|| Macro::new(BUILTIN, ready.file, ready.block())),
            None => &self.macros[index - self.shelf.len()],
        }
    }

    /// Reads every macro that was added from outside of the built-in package. Gives what is wrong.
    #[must_use]
    pub fn check(&self) -> Vec<SourceProblem> {
        let wrong = self.macros().filter(|one| one.package != BUILTIN).filter_map(|one| {
            let why = one.compiled().err()?;
            Some(SourceProblem {
                path: one.path.clone(),
                line: why.line + one.block.line - 1,
                message: format!(
                    "the Jinja of the macro `{}` cannot be read: {}",
                    one.block.name, why.message
                ),
            })
        });
        wrong.collect()
    }

    /// Whether there is a package of this name.
    pub(super) fn has_package(&self, name: &str) -> bool {
        self.packages.contains_key(name)
    }

    /// A macro of a package.
    pub(super) fn of_package(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        let added = self.packages.get(package)?.get(name).and_then(|index| self.macros.get(*index));
        added.or_else(|| self.shelved(package, name))
    }

    /// A macro of the built-in package as it came.
    fn shelved(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        if package != BUILTIN {
            return None;
        }
        let index = self.shelf.binary_search_by(|ready| ready.name.cmp(name)).ok()?;
        Some(self.at(index))
    }

    /// A macro of a package, else of the root project.
    pub(super) fn of_project(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        self.of_package(package, name).or_else(|| self.of_package(&self.root, name))
    }

    fn named(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        match name.split_once('.') {
            Some((package, name)) => self.of_package(package, name),
            None => self.of_project(package, name).or_else(|| self.of_package(BUILTIN, name)),
        }
    }

    /// The macro that the name means in a text of `package`: `name` or `package.name`.
    #[must_use]
    pub fn find(&self, package: &str, name: &str) -> Option<&Macro> {
        self.named(package, name).map(|found| &**found)
    }

    pub(super) fn find_shared(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        self.named(package, name)
    }

    /// The macro a project or one of its packages puts in the place of what a method of the adapter does: one
    /// of the method's name, or an implementation in the root project of what dbt dispatches.
    #[must_use]
    pub fn instead(&self, method: &str) -> Option<&Arc<Macro>> {
        let others = self.packages.keys().map(String::as_str);
        let others = others.filter(|other| *other != self.root && *other != BUILTIN);
        let own = std::iter::once(self.root.as_str()).chain(others);
        own.into_iter().find_map(|package| self.of_package(package, method)).or_else(|| {
            let named = |prefix: &String| self.of_package(&self.root, &format!("{prefix}__{method}"));
            self.prefixes.iter().find_map(named).and_then(|_| self.of_package(BUILTIN, method))
        })
    }

    /// The macro of a generic test as `tests:` of a file of `package` names it: `unique` or
    /// `dbt_utils.equality`.
    #[must_use]
    pub fn test(&self, package: &str, name: &str) -> Option<&Macro> {
        match name.split_once('.') {
            Some((package, name)) => self.of_package(package, &format!("test_{name}")).map(|found| &**found),
            None => self.find(package, &format!("test_{name}")),
        }
    }

    /// The macro of a materialization for this adapter. Of the root project first; of a package only
    /// where dbt itself has none; for the adapter rather than for any.
    #[must_use]
    pub fn materialization(&self, package: &str, name: &str) -> Option<&Macro> {
        let others = self.packages.keys().map(String::as_str);
        let others = others.filter(|other| *other != self.root && *other != BUILTIN && *other != package);
        let places = [self.root.as_str(), BUILTIN, package].into_iter().chain(others);
        for place in places {
            for prefix in &self.prefixes {
                let name = format!("materialization_{name}_{prefix}");
                if let Some(found) = self.of_package(place, &name) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The macro that `adapter.dispatch(name, namespace)` means; the names that were tried otherwise.
    pub(super) fn dispatched(
        &self,
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<&Arc<Macro>, Vec<String>> {
        let mut tried = Vec::new();
        let places: Vec<Option<&str>> = match namespace {
            None => vec![None],
            Some(namespace) => match self.dispatch.get(namespace) {
                Some(order) if !order.is_empty() => order.iter().map(|place| Some(place.as_str())).collect(),
                _ if self.has_package(namespace) => {
                    vec![Some(self.root.as_str()), Some(namespace)]
                }
                _ => vec![None],
            },
        };
        for place in places {
            for prefix in &self.prefixes {
                let search = format!("{prefix}__{name}");
                let found = match place {
                    None => self.named(package, &search),
                    Some(place) => self.of_package(place, &search),
                };
                if let Some(found) = found {
                    return Ok(found);
                }
                tried.push(place.map_or_else(|| search.clone(), |place| format!("{place}.{search}")));
            }
        }
        Err(tried)
    }

    /// Macros by the words that may mean them: their names, and what stands behind the prefix of
    /// an implementation.
    fn words(&self) -> &HashMap<String, Vec<usize>> {
        self.words.get_or_init(|| {
            let mut words: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, one) in self.macros().enumerate() {
                let name = &one.block.name;
                words.entry(name.clone()).or_default().push(index);
                for prefix in &self.prefixes {
                    if let Some(base) = name.strip_prefix(prefix.as_str()).and_then(|n| n.strip_prefix("__"))
                    {
                        words.entry(base.to_owned()).or_default().push(index);
                    }
                }
                if let Some(base) = name.strip_prefix("test_") {
                    words.entry(base.to_owned()).or_default().push(index);
                }
            }
            words
        })
    }

    fn mentioned(&self, text: &str) -> Vec<usize> {
        let words = self.words();
        let mut found = BTreeSet::new();
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if let Some(indexes) = words.get(word) {
                found.extend(indexes);
            }
        }
        found.into_iter().collect()
    }

    /// All macros that a text may call, directly or by way of others.
    fn closure(&self, text: &str) -> BTreeSet<usize> {
        let all = self.needs.get_or_init(|| (0..self.count()).map(|_| OnceLock::new()).collect());
        let mut known = BTreeSet::new();
        let mut next = self.mentioned(text);
        while let Some(index) = next.pop() {
            if known.insert(index) {
                let needs = all[index].get_or_init(|| self.mentioned(&self.at(index).block.text));
                next.extend(needs.iter().filter(|need| !known.contains(need)));
            }
        }
        known
    }

    /// The macros outside of the built-in package that a text may call, directly or by way of others,
    /// built-in ones included: those whose name stands in it as a word.
    #[must_use]
    pub fn needed_by(&self, text: &str) -> Vec<MacroFile> {
        let mut files: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for index in self.closure(text) {
            let one = self.at(index);
            if one.package != BUILTIN {
                files.entry((&one.package, &one.path)).or_default().push(one.block.name.clone());
            }
        }
        let file = |((package, file), names): ((&str, &str), Vec<String>)| MacroFile {
            package: package.to_owned(),
            file: file.to_owned(),
            names,
        };
        files.into_iter().map(file).collect()
    }

    /// Whether a text, or a macro it needs, names the given word (`graph`, `adapter`, …).
    #[must_use]
    pub fn mentions(&self, text: &str, word: &str) -> bool {
        let has = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|candidate| candidate == word)
        };
        has(text) || self.closure(text).into_iter().any(|index| has(&self.at(index).block.text))
    }
}

//! What attempts read: one document per node, and the tasks that name them.
//!
//! In: resolved items, what each needs. Out: tasks, and the bytes of the file with the documents.
//! Never: repeats for each node what all have in common.
//! Fails: by adding a problem, where a document cannot be written.
//! Source: [`crate::document`].

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cofferdam_sdk::{Argument, TaskSpec};
use serde_json::{Map, Value as Json};

use super::Build;
use super::nodes::Item;
use super::world::RefAsked;
use crate::document::{
    DOCUMENT_SETTING, Document, MODE_SETTING, MacroFile, Node, ROOT_SETTING, Reference, RelationParts,
    SHARED_SETTING, SourceReference, UNIQUE_ID_SETTING,
};
use crate::names::task_id;
use crate::project::config::Kind;

/// How deep ephemeral models may stand on one another.
const EPHEMERAL_DEPTH_MAX: usize = 100;

/// Words that ask the warehouse what is there.
const ASKING: [&str; 3] = ["run_query", "statement", "adapter"];

/// Words of what looks whether a relation is there.
const LOOKING: [&str; 2] = ["get_relation", "load_relation"];

/// Words of what changes the warehouse: macros and methods of the adapter.
const CHANGING: [&str; 12] = [
    "alter_relation_add_remove_columns",
    "create_schema",
    "create_table_as",
    "create_view_as",
    "drop_relation",
    "drop_relation_if_exists",
    "drop_schema",
    "get_create_table_as_sql",
    "get_create_view_as_sql",
    "load_csv_rows",
    "rename_relation",
    "truncate_relation",
];

/// The beginnings of statements that do.
const CHANGES: [&str; 9] = [
    "alter table",
    "create or replace",
    "create table",
    "create temp",
    "delete from",
    "drop table",
    "drop view",
    "insert into",
    "truncate table",
];

impl Build<'_> {
    /// The tasks, and the file with the documents of their nodes.
    pub(super) fn tasks(&mut self, needs: &[BTreeSet<String>]) -> (Vec<TaskSpec>, Vec<u8>) {
        let mut bytes = serde_json::to_vec(&self.around.shared).unwrap_or_default();
        bytes.push(b'\n');
        let shared = (0, bytes.len());
        let mut tasks = Vec::new();
        let mut order: Vec<usize> = (0..self.items.len()).filter(|at| self.items[*at].is_task()).collect();
        order.sort_by(|a, b| self.items[*a].id.cmp(&self.items[*b].id));
        let mut problems = Vec::new();
        for at in order {
            let item = &self.items[at];
            let document = self.document(at, 0);
            let asks = self.asks(item);
            let start = bytes.len();
            if let Err(why) = write(&mut bytes, item, &document) {
                problems.push((item.path.clone(), why.to_string()));
            }
            let range = (start, bytes.len() - start);
            bytes.push(b'\n');
            let request = self.request(at, asks, self.writes(item));
            let id = task_id(&item.id);
            let root = self.root.trim_end_matches('/');
            let mut settings = vec![
                Argument::new(DOCUMENT_SETTING, &range),
                Argument::new(SHARED_SETTING, &shared),
                Argument::new(MODE_SETTING, &request.mode),
            ];
            if !root.is_empty() {
                settings.push(Argument::new(ROOT_SETTING, &root));
            }
            if id != item.id {
                settings.push(Argument::new(UNIQUE_ID_SETTING, &item.id));
            }
            tasks.push(TaskSpec {
                id,
                entry: entry(item).to_owned(),
                needs: needs[at].iter().map(|id| task_id(id)).collect(),
                path: item.path.clone(),
                tags: tags(item),
                settings: settings.into_iter().filter_map(Result::ok).collect(),
                sql: vec![request],
                reads_kept: document.results || document.remembers,
            });
        }
        for (path, why) in problems {
            self.problems.add(&path, 0, why);
        }
        (tasks, bytes)
    }

    /// Everything an attempt knows of an item.
    fn document(&self, at: usize, depth: usize) -> Document {
        let item = &self.items[at];
        let (refs, sources) = self.references(at);
        let mut ephemerals = Vec::new();
        for to in self.targets(at) {
            self.ephemerals(to, &mut ephemerals, depth);
        }
        let code = self.searched(item);
        let (macros, graph) = self.macros_of(&code);
        let tested = match item.kind {
            Kind::UnitTest => {
                let model = item.depends.first().and_then(|id| self.places.get(id));
                model.map(|model| {
                    let node = Node(self.items[*model].node.clone());
                    Box::new(Document { node, ..self.document(*model, depth) })
                })
            }
            _ => None,
        };
        // The node itself is written beside it: see `write`.
        Document {
            file: item.path.clone(),
            line: item.line.max(1),
            refs,
            sources,
            ephemerals,
            macros,
            graph,
            results: self.reads_results(item),
            remembers: graph && self.fills_graph(),
            tested,
            ..Document::default()
        }
    }

    /// Where the names of an item lead.
    fn references(&self, at: usize) -> (Vec<Reference>, Vec<SourceReference>) {
        let item = &self.items[at];
        let mut refs: Vec<Reference> = Vec::new();
        let mut asked: Vec<&RefAsked> = item.refs.iter().chain(&item.more_refs).collect();
        asked.dedup();
        for one in asked {
            let Some(to) = self.led_ref(at, one) else { continue };
            let target = &self.items[to];
            let reference = Reference {
                package: one.package.clone(),
                name: one.name.clone(),
                version: one.version.clone(),
                unique_id: target.id.clone(),
                relation: (!target.is_ephemeral()).then(|| parts(target)),
                deferred: self.deferred.get(&target.id).filter(|_| !target.is_ephemeral()).cloned(),
                ephemeral: target.is_ephemeral(),
                event_time: target.setting_text("event_time").map(str::to_owned),
            };
            if !refs.contains(&reference) {
                refs.push(reference);
            }
        }
        let mut sources: Vec<SourceReference> = Vec::new();
        for (source, name) in item.sources.iter().chain(&item.more_sources) {
            let Some(to) = self.led_source(at, source, name) else { continue };
            let target = &self.items[to];
            let reference = source_reference(source, name, target);
            if !sources.contains(&reference) {
                sources.push(reference);
            }
        }
        for target in self.looked_for(item) {
            let (source, name) = (target.text("source_name"), target.text("name"));
            if !sources.iter().any(|one| one.source == source && one.name == name) {
                sources.push(source_reference(source, name, target));
            }
        }
        (refs, sources)
    }

    /// Items that an item's references lead to.
    fn targets(&self, at: usize) -> Vec<usize> {
        let item = &self.items[at];
        item.refs.iter().chain(&item.more_refs).filter_map(|asked| self.led_ref(at, asked)).collect()
    }

    /// Ephemeral models behind an item, each behind those it reads.
    fn ephemerals(&self, at: usize, into: &mut Vec<Document>, depth: usize) {
        let item = &self.items[at];
        if !item.is_ephemeral() || depth > EPHEMERAL_DEPTH_MAX {
            return;
        }
        if into.iter().any(|known| known.node.unique_id() == item.id) {
            return;
        }
        for to in self.targets(at) {
            self.ephemerals(to, into, depth + 1);
        }
        let (refs, sources) = self.references(at);
        let code = self.searched(item);
        let (macros, graph) = self.macros_of(&code);
        into.push(Document {
            node: Node(item.node.clone()),
            file: item.path.clone(),
            line: item.line.max(1),
            refs,
            sources,
            macros,
            graph,
            ..Document::default()
        });
    }

    /// The text in which names of macros are looked for: code, hooks, arguments, materialization.
    fn searched(&self, item: &Item) -> String {
        let mut code = item.text("raw_code").to_owned();
        for key in ["pre-hook", "post-hook"] {
            for hook in item.setting(key).and_then(Json::as_array).into_iter().flatten() {
                code.push('\n');
                code.push_str(hook["sql"].as_str().unwrap_or_default());
            }
        }
        if let Some(metadata) = item.node.get("test_metadata") {
            code.push('\n');
            code.push_str(&metadata["kwargs"].to_string());
        }
        let materialized = match item.kind {
            Kind::UnitTest => "unit",
            _ => item.setting_text("materialized").unwrap_or_default(),
        };
        let package = self.packages[item.package].name();
        if let Some(found) = self.engine.library().materialization(package, materialized) {
            code.push_str(&format!("\n{{{{ {} }}}}", found.block.name));
        }
        code.push_str(&self.var_templates());
        if item.kind == Kind::Seed {
            // What the project puts in the place of the adapter's own ways.
            let ways = ["drop_relation", "truncate_relation"].into_iter();
            ways.filter(|way| self.engine.library().instead(way).is_some())
                .for_each(|way| code.push_str(&format!("\n{{{{ {way} }}}}")));
        }
        if item.kind == Kind::UnitTest {
            for given in item.node["given"].as_array().into_iter().flatten() {
                code.push('\n');
                code.push_str(given["input"].as_str().unwrap_or_default());
            }
        }
        code
    }

    /// Variables that are templates: whoever asks for one needs their macros.
    fn var_templates(&self) -> String {
        let all = self.around.shared.project.vars.values().flat_map(Map::values);
        let texts = all.filter_map(Json::as_str).filter(|text| text.contains("{{") || text.contains("{%"));
        texts.fold(String::new(), |all, text| all + "\n" + text)
    }

    /// Whether an item's own code or the project's macros behind it ask the warehouse what is there.
    fn asks(&self, item: &Item) -> bool {
        let mut code = item.text("raw_code").to_owned();
        if let Some(metadata) = item.node.get("test_metadata") {
            code.push_str(&metadata["kwargs"].to_string());
        }
        if item.kind == Kind::Test && !code.contains('.') {
            return false;
        }
        ASKING.iter().any(|word| code.contains(word)) || self.called(&code).iter().any(|one| one.asks)
    }

    /// Whether a test, the project's macros behind it or what runs it change the warehouse.
    fn writes(&self, item: &Item) -> bool {
        if item.kind != Kind::Test {
            return false;
        }
        let code = self.searched(item);
        changes(item.text("raw_code")) || self.called(&code).iter().any(|one| one.changes)
    }

    /// The sources an item may name only when it runs, those of its package and of variables that are
    /// templates: where it or its macros look whether a relation is there, or ask whether they run.
    pub(super) fn looked_for<'b>(&'b self, item: &'b Item) -> impl Iterator<Item = &'b Item> {
        let code = item.text("raw_code");
        let may = matches!(item.kind, Kind::Model | Kind::Snapshot | Kind::Test | Kind::Analysis)
            && (looks(code) || self.called(code).iter().any(|one| one.looks));
        let of_variable = has_word(code, "execute") && has_word(code, "var") && {
            let texts = self.var_templates();
            has_word(&texts, "source")
        };
        let of_package = move |one: &&Item| {
            (may || of_variable) && one.enabled && one.kind == Kind::Source && one.package == item.package
        };
        self.items.iter().filter(of_package)
    }

    /// The files with the macros that a text needs, and whether it or one of them names `graph`.
    /// What renders texts of other nodes needs the macros of all of them.
    fn macros_of(&self, code: &str) -> (Vec<MacroFile>, bool) {
        let mut files = self.engine.library().needed_by(code);
        let any = |word: fn(&MacroWords) -> bool| {
            files.iter().any(|file| file.names.iter().any(|name| word(&self.words_of(&file.package, name))))
        };
        let graph = has_word(code, "graph") || any(|words| words.graph);
        if renders(code) || any(|words| words.renders) {
            for more in self.words.of_every_text.get_or_init(|| self.macros_of_every_text()) {
                match files.iter_mut().find(|one| (&one.package, &one.file) == (&more.package, &more.file)) {
                    Some(one) => one.names = more.names.iter().chain(&one.names).cloned().collect(),
                    None => files.push(more.clone()),
                }
            }
            for file in &mut files {
                file.names.sort();
                file.names.dedup();
            }
        }
        let files = files
            .into_iter()
            .map(|file| MacroFile { package: file.package, file: file.file, names: file.names })
            .collect();
        (files, graph)
    }

    /// The files with the macros that any node's own text needs.
    fn macros_of_every_text(&self) -> Vec<crate::jinja::library::MacroFile> {
        let texts: Vec<&str> = self.items.iter().map(|item| item.text("raw_code")).collect();
        self.engine.library().needed_by(&texts.join("\n"))
    }

    /// Whether an item is a hook behind a run, and it or a macro behind it names `results`.
    fn reads_results(&self, item: &Item) -> bool {
        let code = item.text("raw_code");
        item.kind == Kind::Operation
            && super::nodes::strings(item.node.get("tags")).iter().any(|tag| tag == "on-run-end")
            && (has_word(code, "results") || self.called(code).iter().any(|one| one.results))
    }

    /// Whether a text of the project puts something into `graph`.
    fn fills_graph(&self) -> bool {
        *self.words.graph_is_filled.get_or_init(|| {
            self.words.of_macros.values().any(|one| one.fills_graph)
                || self.items.iter().any(|item| fills_graph(item.text("raw_code")))
        })
    }

    /// What the project's macros behind a text name.
    fn called(&self, code: &str) -> Vec<MacroWords> {
        let files = self.engine.library().needed_by(code);
        let all =
            files.iter().flat_map(|file| file.names.iter().map(|name| self.words_of(&file.package, name)));
        all.collect()
    }

    fn words_of(&self, package: &str, name: &str) -> MacroWords {
        self.words.of_macros.get(&(package.to_owned(), name.to_owned())).copied().unwrap_or_default()
    }

    /// Looks through the macros once.
    pub(super) fn read_words(&mut self) {
        let library = self.engine.clone();
        for one in library.library().macros().filter(|one| one.package != crate::builtin::PACKAGE) {
            let text = &one.block.text;
            let words = MacroWords {
                graph: has_word(text, "graph"),
                results: has_word(text, "results"),
                fills_graph: fills_graph(text),
                asks: ASKING[..2].iter().any(|word| has_word(text, word)),
                looks: looks(text),
                changes: changes(text),
                renders: renders(text),
            };
            self.words.of_macros.insert((one.package.clone(), one.block.name.clone()), words);
        }
    }
}

/// What macros name, looked for once.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// By package and name.
    of_macros: HashMap<(String, String), MacroWords>,
    /// What the own text of any node needs, where something renders the texts of others.
    of_every_text: OnceCell<Vec<crate::jinja::library::MacroFile>>,
    /// Whether any text puts something into `graph`.
    graph_is_filled: OnceCell<bool>,
}

/// Words that a macro names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MacroWords {
    /// `graph`.
    graph: bool,
    /// `results`.
    results: bool,
    /// It puts something into `graph`.
    fills_graph: bool,
    /// One of those that ask the warehouse what is there.
    asks: bool,
    /// Sources that are named only when it runs.
    looks: bool,
    /// Something that changes the warehouse.
    changes: bool,
    /// `render`, which renders a text as if it stood here.
    renders: bool,
}

/// What `source(source, name)` leads to.
fn source_reference(source: &str, name: &str, target: &Item) -> SourceReference {
    SourceReference {
        source: source.to_owned(),
        name: name.to_owned(),
        unique_id: target.id.clone(),
        relation: parts(target),
        event_time: target.setting_text("event_time").map(str::to_owned),
    }
}

/// Whether a text looks whether a relation is there, or names a source only when it runs.
fn looks(text: &str) -> bool {
    LOOKING.iter().any(|word| has_word(text, word)) || (has_word(text, "execute") && has_word(text, "source"))
}

/// Whether a text changes the warehouse.
fn changes(text: &str) -> bool {
    CHANGING.iter().any(|word| has_word(text, word)) || {
        let plain = text.to_ascii_lowercase();
        CHANGES.iter().any(|words| plain.contains(words))
    }
}

/// Whether a text calls `render`, other than that of a relation.
fn renders(text: &str) -> bool {
    let called = |(at, word): (usize, &str)| {
        let before = text[..at].trim_end_matches("context.");
        !before.ends_with(|c: char| c.is_alphanumeric() || "_.".contains(c))
            && text[at + word.len()..].trim_start().starts_with(['(', '\'', '"'])
    };
    text.match_indices("render").any(called)
}

/// Whether a text puts something into `graph`.
fn fills_graph(text: &str) -> bool {
    ["graph.setdefault", "graph.update"].iter().any(|call| text.contains(call))
}

/// Whether a text holds a word on its own.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part)
    })
}

/// Writes a document with the item's own node in it, which is not copied for that.
fn write(bytes: &mut Vec<u8>, item: &Item, document: &Document) -> serde_json::Result<()> {
    bytes.extend_from_slice(br#"{"node":"#);
    serde_json::to_writer(&mut *bytes, &item.node)?;
    let rest = serde_json::to_vec(document)?;
    bytes.extend_from_slice(rest.strip_prefix(br#"{"node":{}"#).unwrap_or(&rest));
    Ok(())
}

/// The entry of the task plugin.
fn entry(item: &Item) -> &'static str {
    match item.kind {
        Kind::Model if item.is_ephemeral() => "analysis",
        Kind::Source => "freshness",
        kind => kind.resource_type(),
    }
}

/// Labels for selection: the node's tags.
fn tags(item: &Item) -> Vec<String> {
    let tags: BTreeMap<String, ()> =
        super::nodes::strings(item.node.get("tags")).into_iter().map(|tag| (tag, ())).collect();
    tags.into_keys().collect()
}

/// A relation by its parts.
fn parts(item: &Item) -> RelationParts {
    Node(
        item.node
            .iter()
            .filter(|(key, _)| {
                let parts = ["database", "schema", "alias", "identifier", "name"];
                let more = ["resource_type", "quoting", "config"];
                parts.iter().chain(&more).any(|part| part == key)
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Map<_, _>>(),
    )
    .relation()
}

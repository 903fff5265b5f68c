//! The graph: every name led to its node, every generic test made a node of its own.
//!
//! In: [`Drafts`]. Out: [`Graph`].
//! Never: guesses; a name that leads nowhere, or to two places, is a problem with its line.
//! Fails: by adding problems; the graph then lacks what they are about.
//! Source: dbt's ids and the way it resolves `ref` and `source`.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Drafts, line_with};
use super::{Build, edges, tests_of};
use crate::config::Config;
use crate::problem::did_you_mean;
use crate::settings::{NodeSettings, References, RelationName, Work};

/// The nodes of a project, each with what it depends on.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

/// One node.
pub(super) struct Node {
    pub(super) id: String,
    pub(super) settings: NodeSettings,
    pub(super) references: References,
    /// Ids of the models and seeds it reads or tests.
    pub(super) depends: BTreeSet<String>,
    /// Tables of sources it reads or tests: `source.table`.
    pub(super) sources: BTreeSet<String>,
    /// Relations it reads.
    pub(super) reads: BTreeSet<RelationName>,
}

impl Node {
    /// Whether it checks others.
    pub(super) fn is_test(&self) -> bool {
        matches!(self.settings.work, Work::SingularTest | Work::GenericTest { .. })
    }
}

/// What a name of `ref` leads to.
pub(super) struct Target {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) relation: RelationName,
    pub(super) tags: Vec<String>,
    pub(super) enabled: bool,
}

/// Where names lead in this project.
pub(super) struct Index {
    pub(super) refs: BTreeMap<String, Target>,
    pub(super) sources: BTreeMap<(String, String), SourceTarget>,
}

/// What a name of `source` leads to.
pub(super) struct SourceTarget {
    pub(super) path: String,
    pub(super) relation: RelationName,
}

impl Graph {
    /// Leads every name to its node.
    pub(super) fn resolve(build: &mut Build<'_>, drafts: Drafts) -> Self {
        let index = Index::of(build, &drafts);
        let mut graph = Self { nodes: Vec::new() };
        let project = build.project.name.clone();
        for (kind, list) in [("seed", &drafts.seeds), ("model", &drafts.models), ("test", &drafts.tests)] {
            for draft in list.iter().filter(|draft| draft.enabled && draft.sound) {
                let id = format!("{kind}.{project}.{}", draft.name);
                let relation = draft.relation.clone();
                let work = match kind {
                    "seed" => Work::Seed { relation },
                    "model" => Work::Model { relation },
                    _ => Work::SingularTest,
                };
                let node = node(build, &index, draft, id, work);
                graph.nodes.push(node);
            }
        }
        tests_of::add(build, &index, &drafts, &mut graph);
        graph.refuse_doubles(build);
        edges::refuse_cycles(build, &graph);
        graph.nodes.sort_by(|a, b| a.id.cmp(&b.id));
        graph
    }

    /// Ids and relations belong to one node each.
    fn refuse_doubles(&mut self, build: &mut Build<'_>) {
        let mut relations: BTreeMap<RelationName, String> = BTreeMap::new();
        for node in &self.nodes {
            if let Work::Model { relation } | Work::Seed { relation } = &node.settings.work {
                let key = RelationName(relation.0.to_ascii_lowercase(), relation.1.to_ascii_lowercase());
                if let Some(other) = relations.insert(key, node.id.clone())
                    && other != node.id
                {
                    let why = format!(
                        "`{}` is the relation of {other} already; give one of them an `alias`",
                        relation.dotted()
                    );
                    build.problems.add(&node.settings.path, 0, why);
                }
            }
        }
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        self.nodes.retain(|node| {
            let place = format!("{}:{}", node.settings.path, node.settings.line);
            let Some(other) = ids.get(&node.id) else {
                ids.insert(node.id.clone(), place);
                return true;
            };
            if node.is_test() {
                let why = format!(
                    "the test `{}` stands in {other} already; give one of them a `name`",
                    node.settings.name
                );
                build.problems.add(&node.settings.path, node.settings.line, why);
            }
            false
        });
    }
}

impl Index {
    fn of(build: &mut Build<'_>, drafts: &Drafts) -> Self {
        let mut index = Self { refs: BTreeMap::new(), sources: BTreeMap::new() };
        let project = build.project.name.clone();
        for (kind, list) in [("seed", &drafts.seeds), ("model", &drafts.models)] {
            for draft in list {
                let target = Target {
                    id: format!("{kind}.{project}.{}", draft.name),
                    path: draft.path.clone(),
                    relation: draft.relation.clone(),
                    tags: draft.config.tags.clone(),
                    enabled: draft.enabled,
                };
                match index.refs.get(&draft.name) {
                    Some(other) if other.enabled && draft.enabled => {
                        let why = format!(
                            "`{}` is the name of {} already; names of models and seeds are used once",
                            draft.name, other.path
                        );
                        build.problems.add(&draft.path, 0, why);
                    }
                    Some(other) if other.enabled => {}
                    _ => {
                        index.refs.insert(draft.name.clone(), target);
                    }
                }
            }
        }
        for (path, table) in &drafts.sources {
            let key = (table.source.clone(), table.table.clone());
            let relation = RelationName(table.schema.clone(), table.identifier.clone());
            if let Some(other) = index.sources.get(&key) {
                let why = format!("the source `{}.{}` is described in {} already", key.0, key.1, other.path);
                build.problems.add(path, table.line, why);
                continue;
            }
            index.sources.insert(key, SourceTarget { path: path.clone(), relation });
        }
        index
    }

    /// What `ref(name)` leads to.
    pub(super) fn find_ref(&self, name: &str) -> Result<&Target, String> {
        match self.refs.get(name) {
            Some(target) if target.enabled => Ok(target),
            Some(target) => Err(format!("`ref('{name}')` leads to {}, which is disabled", target.path)),
            None => {
                let hint = did_you_mean(name, self.refs.keys().map(String::as_str));
                Err(format!("`ref('{name}')` leads nowhere: there is no model or seed of this name{hint}"))
            }
        }
    }

    /// What `source(source, table)` leads to.
    pub(super) fn find_source(&self, source: &str, table: &str) -> Result<&SourceTarget, String> {
        self.sources.get(&(source.to_owned(), table.to_owned())).ok_or_else(|| {
            let known: Vec<String> =
                self.sources.keys().map(|(source, table)| format!("{source}.{table}")).collect();
            let hint = did_you_mean(&format!("{source}.{table}"), known.iter().map(String::as_str));
            format!("`source('{source}', '{table}')` leads nowhere: no schema file describes it{hint}")
        })
    }
}

/// A node with everything its template names.
fn node(build: &mut Build<'_>, index: &Index, draft: &Draft, id: String, work: Work) -> Node {
    let settings = NodeSettings {
        project: build.project.name.clone(),
        name: draft.name.clone(),
        path: draft.path.clone(),
        line: 0,
        work,
        config: Config { tags: draft.config.tags.clone(), ..draft.config.clone() },
        macros: draft.macros.clone(),
    };
    let mut node = Node {
        id,
        settings,
        references: References::default(),
        depends: BTreeSet::new(),
        sources: BTreeSet::new(),
        reads: BTreeSet::new(),
    };
    for name in &draft.found.refs {
        match index.find_ref(name) {
            Ok(target) => node.refer(name, target),
            Err(why) => build.problems.add(&draft.path, line_of_name(&draft.text, name), why),
        }
    }
    for (source, table) in &draft.found.sources {
        match index.find_source(source, table) {
            Ok(target) => node.refer_source(source, table, target),
            Err(why) => build.problems.add(&draft.path, line_of_name(&draft.text, table), why),
        }
    }
    node
}

impl Node {
    /// Depends on a model or seed.
    pub(super) fn refer(&mut self, name: &str, target: &Target) {
        self.depends.insert(target.id.clone());
        self.reads.insert(target.relation.clone());
        self.references.refs.insert(name.to_owned(), target.relation.clone());
    }

    /// Depends on a table of a source.
    pub(super) fn refer_source(&mut self, source: &str, table: &str, target: &SourceTarget) {
        self.sources.insert(format!("{source}.{table}"));
        self.reads.insert(target.relation.clone());
        let tables = self.references.sources.entry(source.to_owned()).or_default();
        tables.insert(table.to_owned(), target.relation.clone());
    }
}

/// The line on which a name stands in quotes; 0 where a macro made it up.
fn line_of_name(text: &str, name: &str) -> u32 {
    match line_with(text, &format!("'{name}'")) {
        0 => line_with(text, &format!("\"{name}\"")),
        line => line,
    }
}

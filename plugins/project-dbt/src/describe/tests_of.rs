//! Generic tests as nodes of their own.
//!
//! In: what schema files ask for. Out: one node per test, named as dbt names them.
//! Never: makes a test of something disabled.
//! Fails: by adding problems: a described model that is not there, a `to` that leads nowhere.
//! Source: dbt's `synthesize_generic_test_names`.

use std::collections::BTreeSet;

use super::Build;
use super::draft::Drafts;
use super::resolve::{Graph, Index, Node};
use crate::config::Config;
use crate::jinja::{self, Scope};
use crate::names;
use crate::problem::did_you_mean;
use crate::schema_file::{Properties, TestEntry, TestKind};
use crate::settings::{Claim, NodeSettings, References, RelationName, Work};

/// How long the name of a test may be, so that its id fits the contract.
const NAME_MAX: usize = 120;

/// What a test looks at.
struct Tested<'a> {
    /// `orders`, or `source_<source>_<table>` in the name of its tests.
    name: String,
    relation: &'a RelationName,
    tags: &'a [String],
    path: &'a str,
}

/// Adds the tests of all schema files to the graph.
pub(super) fn add(build: &mut Build<'_>, index: &Index, drafts: &Drafts, graph: &mut Graph) {
    for (kind, said) in [("model", &drafts.models_said), ("seed", &drafts.seeds_said)] {
        for (path, properties) in said {
            let Some(target) = described(build, index, kind, path, properties) else { continue };
            let tested = Tested {
                name: properties.name.clone(),
                relation: &target.relation,
                tags: &target.tags,
                path,
            };
            for entry in &properties.tests {
                let Some(mut node) = generic(build, index, &tested, "", entry) else { continue };
                node.depends.insert(target.id.clone());
                graph.nodes.push(node);
            }
        }
    }
    for (path, table) in &drafts.sources {
        let Ok(target) = index.find_source(&table.source, &table.table) else { continue };
        let name = format!("{}_{}", table.source, table.table);
        let tested = Tested { name, relation: &target.relation, tags: &table.tags, path };
        for entry in &table.tests {
            let Some(mut node) = generic(build, index, &tested, "source_", entry) else { continue };
            node.sources.insert(format!("{}.{}", table.source, table.table));
            graph.nodes.push(node);
        }
    }
}

/// The node a schema file describes; none where it is disabled, a problem where there is none.
fn described<'a>(
    build: &mut Build<'_>,
    index: &'a Index,
    kind: &str,
    path: &str,
    said: &Properties,
) -> Option<&'a super::resolve::Target> {
    let mine = |id: &str| id.starts_with(kind);
    match index.refs.get(&said.name) {
        Some(target) if mine(&target.id) => target.enabled.then_some(target),
        _ => {
            let known =
                index.refs.iter().filter(|(_, target)| mine(&target.id)).map(|(name, _)| name.as_str());
            let hint = did_you_mean(&said.name, known);
            build.problems.add(
                path,
                said.line,
                format!("there is no {kind} `{}` to describe{hint}", said.name),
            );
            None
        }
    }
}

fn generic(
    build: &mut Build<'_>,
    index: &Index,
    tested: &Tested<'_>,
    prefix: &str,
    entry: &TestEntry,
) -> Option<Node> {
    let mut node = Node {
        id: String::new(),
        settings: NodeSettings {
            project: build.project.name.clone(),
            name: entry.name.clone().unwrap_or_else(|| test_name(prefix, &tested.name, entry)),
            path: tested.path.to_owned(),
            line: entry.line,
            work: Work::SingularTest,
            config: config(build, tested, entry),
            macros: Vec::new(),
        },
        references: References::default(),
        depends: BTreeSet::new(),
        sources: BTreeSet::new(),
        reads: BTreeSet::from([tested.relation.clone()]),
    };
    if !names::is_name(&names::shortened(&names::flat(&node.settings.name), 100)) {
        build.problems.add(tested.path, entry.line, "the test's name is letters, digits and `_`");
        return None;
    }
    node.settings.name = names::shortened(&names::flat(&node.settings.name), NAME_MAX);
    node.id = format!("test.{}.{}", build.project.name, node.settings.name);
    let test = match &entry.kind {
        TestKind::Relationships { to, field } => Claim::Relationships {
            to: other(build, index, tested, entry, to, &mut node)?,
            field: field.clone(),
        },
        plain => Claim::plain(plain)?,
    };
    node.settings.work = Work::GenericTest {
        relation: tested.relation.clone(),
        column: entry.column.clone(),
        quote: entry.quote,
        test,
    };
    Some(node)
}

/// What the project says of all tests, then what the entry says; the labels of the tested node, so
/// that a selection by label takes its tests along.
fn config(build: &Build<'_>, tested: &Tested<'_>, entry: &TestEntry) -> Config {
    let mut config = build.project.tests.at(&[]);
    config.tags.extend(tested.tags.iter().cloned());
    config.overlay(&entry.config);
    let mut seen = BTreeSet::new();
    config.tags.retain(|tag| seen.insert(tag.clone()));
    config
}

/// The relation that `to: ref('…')` or `to: source('…', '…')` leads to.
fn other(
    build: &mut Build<'_>,
    index: &Index,
    tested: &Tested<'_>,
    entry: &TestEntry,
    to: &str,
    node: &mut Node,
) -> Option<RelationName> {
    let this = tested.relation.relation();
    let scope = Scope::describing(&build.project.name, this, &build.vars, Config::default());
    let expression = to.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    let found = match jinja::evaluate(tested.path, expression, scope, &build.macros) {
        Ok(output) => output.found,
        Err(why) => {
            build.problems.add(
                tested.path,
                entry.line,
                format!("`to: {to}` cannot be read: {}", why.message),
            );
            return None;
        }
    };
    let result = match (&found.refs[..], &found.sources[..]) {
        ([name], []) => index.find_ref(name).map(|target| {
            node.refer(name, target);
            target.relation.clone()
        }),
        ([], [(source, table)]) => index.find_source(source, table).map(|target| {
            node.refer_source(source, table, target);
            target.relation.clone()
        }),
        _ => Err(format!("`to: {to}` is not `ref('…')` or `source('…', '…')`")),
    };
    result.map_err(|why| build.problems.add(tested.path, entry.line, why)).ok()
}

/// The name dbt gives a generic test: its kind, what it looks at, its arguments in the order of
/// their names.
fn test_name(prefix: &str, tested: &str, entry: &TestEntry) -> String {
    let mut parts = vec![entry.column.clone()];
    let kind = match &entry.kind {
        TestKind::Unique => "unique",
        TestKind::NotNull => "not_null",
        TestKind::AcceptedValues { values, quote } => {
            if !quote {
                parts.push("False".to_owned());
            }
            parts.extend(
                values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            );
            "accepted_values"
        }
        TestKind::Relationships { to, field } => {
            parts.extend([field.clone(), to.clone()]);
            "relationships"
        }
    };
    let parts: Vec<String> = parts.iter().map(|part| names::flat(part)).collect();
    format!("{prefix}{kind}_{tested}_{}", parts.join("__"))
}

//! Nodes that a build only counts: exposures and saved queries, for which nothing is made here.
//!
//! In: the nodes, what came of all others. Out: a result for each, as dbt's artifacts have it.
//! Never: runs anything.
//! Fails: not at all: a node whose ancestors did not succeed is skipped.
//! Source: dbt's `build`.

use std::collections::BTreeSet;

use super::{
    execute::Ended,
    manifest::{Manifest, Node},
    outcome::Done,
};

/// What came of each.
pub(crate) fn count<'a>(
    manifest: &'a Manifest,
    counted: &[&'a Node],
    ended: &[Ended<'_>],
) -> Vec<(&'a Node, Done)> {
    let unhappy: Vec<&Node> =
        ended.iter().filter(|one| one.done.status.is_undone()).map(|one| one.node).collect();
    let result = |node: &&'a Node| {
        let above = ancestors(manifest, node);
        // Failed tests of what stands above hold up what is built, and nothing that is only counted.
        let stands = |bad: &&&Node| above.contains(bad.unique_id.as_str());
        let done = match unhappy.iter().find(stands) {
            Some(_) => Done::skipped(),
            None => Done::counted(),
        };
        (*node, done)
    };
    counted.iter().map(result).collect()
}

/// Everything a node stands on.
fn ancestors<'a>(manifest: &'a Manifest, node: &'a Node) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&str> = node.depends_on.nodes.iter().map(String::as_str).collect();
    while let Some(id) = todo.pop() {
        if found.insert(id) {
            let more = manifest.node(id).into_iter().flat_map(|node| &node.depends_on.nodes);
            todo.extend(more.map(String::as_str));
        }
    }
    found
}

//! What must have succeeded before a node, and circles that would never begin.
//!
//! In: the [`Graph`]. Out: the `needs` of each node; a problem for each circle.
//! Never: lets a test wait for what waits for the test.
//! Fails: by adding problems.
//! Source: `dbt build`: a model waits for the models it reads and for their tests, so that nothing
//! is built on data that failed its checks.

use std::collections::{BTreeMap, BTreeSet};

use super::Build;
use super::resolve::{Graph, Node};

/// Models and seeds with everything upstream of them, sources among it.
type Ancestors<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The `needs` of each node, in the order of the graph.
///
/// A test needs what it looks at. A model needs what it reads, and every test (of severity `error`)
/// whose tested nodes all lie upstream of it, unless something it reads waits for that test already.
/// A test that also looks at something downstream (a relationship, say) holds back only what lies
/// downstream of both.
pub(super) fn needs(graph: &Graph) -> Vec<Vec<String>> {
    let ancestors = ancestors(graph);
    let none = BTreeSet::new();
    let blocking: Vec<(&str, BTreeSet<&str>)> = graph
        .nodes
        .iter()
        .filter(|node| node.is_test() && node.blocks())
        .map(|test| (test.id.as_str(), upstream(test)))
        .filter(|(_, tested)| !tested.is_empty())
        .collect();
    let needs_of = |node: &Node| {
        let mut needs: BTreeSet<String> = node.depends.clone();
        if !node.is_test() {
            let mine = ancestors.get(node.id.as_str()).unwrap_or(&none);
            for (test, tested) in &blocking {
                let waited_for =
                    |id: &String| ancestors.get(id.as_str()).is_some_and(|theirs| tested.is_subset(theirs));
                if tested.is_subset(mine) && !node.depends.iter().any(waited_for) {
                    needs.insert((*test).to_owned());
                }
            }
        }
        needs.into_iter().collect()
    };
    graph.nodes.iter().map(needs_of).collect()
}

/// What a node reads or tests: ids, and tables of sources.
fn upstream(node: &Node) -> BTreeSet<&str> {
    node.depends.iter().chain(&node.sources).map(String::as_str).collect()
}

fn ancestors(graph: &Graph) -> Ancestors<'_> {
    let mut done: Ancestors<'_> = BTreeMap::new();
    let mut waiting: Vec<&Node> = graph.nodes.iter().filter(|node| !node.is_test()).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|node| {
            let known = |id: &&String| !done.contains_key(id.as_str());
            if node.depends.iter().any(|id| known(&id)) {
                return true;
            }
            let mut all = upstream(node);
            for id in &node.depends {
                all.extend(done[id.as_str()].iter().copied());
            }
            done.insert(&node.id, all);
            false
        });
        if waiting.len() == before {
            return done;
        }
    }
}

/// Adds a problem for each circle of models.
pub(super) fn refuse_cycles(build: &mut Build<'_>, graph: &Graph) {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = graph
        .nodes
        .iter()
        .filter(|node| !node.is_test())
        .map(|node| (node.id.as_str(), node.depends.iter().map(String::as_str).collect()))
        .collect();
    while let Some(circle) = circle(&mut edges) {
        let path =
            graph.nodes.iter().find(|node| node.id == circle[0]).map_or("", |node| &node.settings.path);
        let mut names: Vec<&str> = circle.iter().map(|id| id.rsplit('.').next().unwrap_or(id)).collect();
        names.push(names[0]);
        let why = format!("the models read one another in a circle: {}", names.join(" reads "));
        build.problems.add(path, 0, why);
        edges.retain(|id, _| !circle.contains(&(*id).to_owned()));
    }
}

/// One circle among the edges, its smallest id first; none where there is none. Takes away what
/// belongs to no circle.
fn circle(edges: &mut BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    loop {
        let present: BTreeSet<&str> = edges.keys().copied().collect();
        let before = edges.len();
        edges.retain(|_, reads| reads.iter().any(|id| present.contains(id)));
        if edges.len() == before {
            break;
        }
    }
    // Each node left reads another that is left: walking on must come back to where it has been.
    let mut walk = vec![*edges.keys().next()?];
    loop {
        let here = *walk.last()?;
        let next = *edges.get(here)?.iter().find(|id| edges.contains_key(*id))?;
        if let Some(start) = walk.iter().position(|id| *id == next) {
            let mut circle: Vec<String> = walk[start..].iter().map(|id| (*id).to_owned()).collect();
            let smallest =
                circle.iter().enumerate().min_by_key(|(_, id)| (*id).clone()).map_or(0, |(at, _)| at);
            circle.rotate_left(smallest);
            return Some(circle);
        }
        walk.push(next);
    }
}

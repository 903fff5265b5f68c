//! Who needs whom.

use std::collections::HashMap;

use super::Ids;
use crate::dbt::manifest::Manifest;

/// The edges of a manifest.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    parents: HashMap<&'a str, Vec<&'a str>>,
    children: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    /// Of all nodes.
    pub(crate) fn of(manifest: &'a Manifest) -> Self {
        let mut graph = Self { parents: HashMap::new(), children: HashMap::new() };
        for node in manifest.all() {
            for parent in &node.depends_on.nodes {
                if manifest.node(parent).is_some() {
                    graph.parents.entry(&node.unique_id).or_default().push(parent);
                    graph.children.entry(parent).or_default().push(&node.unique_id);
                }
            }
        }
        graph
    }

    /// What a node needs itself.
    pub(crate) fn parents(&self, id: &str) -> impl Iterator<Item = &'a str> + '_ {
        self.parents.get(id).into_iter().flatten().copied()
    }

    /// What needs a node itself.
    pub(crate) fn children(&self, id: &str) -> impl Iterator<Item = &'a str> + '_ {
        self.children.get(id).into_iter().flatten().copied()
    }

    /// What these need, so many steps up.
    pub(crate) fn ancestors(&self, of: &Ids, depth: Option<u32>) -> Ids {
        reach(&self.parents, of, depth)
    }

    /// What needs these, so many steps down.
    pub(crate) fn descendants(&self, of: &Ids, depth: Option<u32>) -> Ids {
        reach(&self.children, of, depth)
    }
}

fn reach(edges: &HashMap<&str, Vec<&str>>, of: &Ids, depth: Option<u32>) -> Ids {
    let mut found = Ids::new();
    let mut layer: Vec<&str> = of.iter().map(String::as_str).collect();
    let mut steps = 0;
    while !layer.is_empty() && depth.is_none_or(|depth| steps < depth) {
        let next = layer.iter().flat_map(|id| edges.get(id).into_iter().flatten().copied());
        layer = next.filter(|id| found.insert((*id).to_owned())).collect();
        steps += 1;
    }
    found
}

//! dbt's node selection, on a manifest.
//!
//! In: a [`Manifest`], a [`Spec`], what was before. Out: ids of nodes.
//! Never: asks a warehouse or reads the project's files.
//! Fails: with `CD0064`, naming the selector.
//! Source: <https://docs.getdbt.com/reference/node-selection/syntax>.

mod glob;
mod graph;
mod methods;
mod modified;
mod spec;
mod yaml;

use std::collections::BTreeSet;

pub(crate) use graph::Graph;
pub(crate) use methods::Before;
pub(crate) use spec::{Criterion, Spec};
pub(crate) use yaml::{named, selectors};

use super::{
    args::{Indirect, Work},
    manifest::Manifest,
};
use crate::failure::{Code, Failure, Outcome};

/// A selector cannot be read or asks for what is not there.
pub(crate) const BAD_SELECTOR: Code = Code(64);

/// Ids of nodes.
pub(crate) type Ids = BTreeSet<String>;

/// What a selection is made on.
pub(crate) struct Selection<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) before: &'a Before,
}

impl Selection<'_> {
    /// The nodes a specification selects, tests that come along included.
    pub(crate) fn select(&self, spec: &Spec) -> Outcome<Ids> {
        self.resolve(spec).map(|(direct, _)| direct)
    }

    /// Nodes, and tests that would come along if their other parents were selected too.
    fn resolve(&self, spec: &Spec) -> Outcome<(Ids, Ids)> {
        let (parts, indirect) = match spec {
            Spec::One(criterion) => return self.criterion(criterion),
            Spec::Union(parts, indirect)
            | Spec::Intersection(parts, indirect)
            | Spec::Difference(parts, indirect) => (parts, *indirect),
        };
        let mut found = parts.iter().map(|part| self.resolve(part)).collect::<Outcome<Vec<_>>>()?.into_iter();
        let (mut direct, mut along) = found.next().unwrap_or_default();
        for (other, other_along) in found {
            let join: fn(Ids, Ids) -> Ids = match spec {
                Spec::Union(..) => |a, b| &a | &b,
                Spec::Intersection(..) => |a, b| &a & &b,
                _ => |a, b| &a - &b,
            };
            direct = join(direct, other);
            along = join(along, other_along);
        }
        let direct = self.along(direct, &along, indirect);
        Ok((direct, along))
    }

    /// Adds the tests whose parents are all there now.
    fn along(&self, direct: Ids, along: &Ids, indirect: Indirect) -> Ids {
        let reach = match indirect {
            Indirect::Cautious => direct.clone(),
            Indirect::Buildable => self.buildable(&direct),
            Indirect::Eager | Indirect::Empty => return direct,
        };
        let fits = |id: &&String| self.graph.parents(id).all(|parent| reach.contains(parent));
        let mut direct = direct;
        direct.extend(along.iter().filter(fits).cloned());
        direct
    }

    fn buildable(&self, selected: &Ids) -> Ids {
        let mut reach = selected | &self.graph.ancestors(selected, None);
        reach.extend(self.manifest.sources.keys().cloned());
        reach
    }

    fn criterion(&self, criterion: &Criterion) -> Outcome<(Ids, Ids)> {
        let found = methods::search(self, criterion)?;
        let mut selected = found.clone();
        if criterion.childrens_parents {
            let children = &found | &self.graph.descendants(&found, None);
            selected.extend(self.graph.ancestors(&children, None));
            selected.extend(children);
        }
        if criterion.parents {
            selected.extend(self.graph.ancestors(&found, criterion.parents_depth));
        }
        if criterion.children {
            selected.extend(self.graph.descendants(&found, criterion.children_depth));
        }
        if criterion.indirect == Indirect::Empty {
            return Ok((selected, Ids::new()));
        }
        let reach = match criterion.indirect {
            Indirect::Buildable => self.buildable(&selected),
            _ => selected.clone(),
        };
        let (mut direct, mut along) = (selected.clone(), Ids::new());
        for test in selected.iter().flat_map(|id| self.graph.children(id)) {
            if !self.manifest.node(test).is_some_and(super::manifest::Node::is_test) {
                continue;
            }
            let whole = self.graph.parents(test).all(|parent| reach.contains(parent));
            let into = if whole || criterion.indirect == Indirect::Eager { &mut direct } else { &mut along };
            into.insert(test.to_owned());
        }
        Ok((direct, along))
    }
}

/// What `--select`, `--exclude` and `--selector` mean together.
pub(crate) fn wanted(work: &Work, yaml: &[yaml::Named]) -> Outcome<Spec> {
    let indirect = work.indirect_selection.unwrap_or_default();
    if let Some(name) = &work.selector {
        if !work.select.is_empty() || !work.exclude.is_empty() {
            return Err(Failure::new(
                BAD_SELECTOR,
                "--selector stands with --select or --exclude",
                "give one of them",
            ));
        }
        return named(name, yaml, work.indirect_selection);
    }
    if work.select.is_empty()
        && work.exclude.is_empty()
        && let Some(default) = yaml.iter().find(|named| named.default)
    {
        return named(&default.name, yaml, work.indirect_selection);
    }
    let include = if work.select.is_empty() {
        Spec::Union(spec::everything(indirect), indirect)
    } else {
        spec::parse(&work.select, indirect)?
    };
    if work.exclude.is_empty() {
        return Ok(include);
    }
    Ok(Spec::Difference(vec![include, spec::parse(&work.exclude, indirect)?], indirect))
}

#[cfg(test)]
mod tests;

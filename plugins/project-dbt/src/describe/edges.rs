//! What each task waits for, and the refusal of circles.
//!
//! In: the resolved items. Out: for each item, the ids it needs.
//! Never: lets anything wait for a warning test, a source or an analysis.
//! Fails: by adding a problem per circle.
//! Source: `dbt build`, where a model waits for what it reads, for their tests and for its own unit
//! tests, so that nothing is built on data that failed its checks; on-run hooks come before and
//! behind everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Build;
use super::nodes::Item;
use crate::project::config::Kind;

/// A set of small numbers.
#[derive(Clone, Default, PartialEq)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn add(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, other)| *mine |= other);
    }

    fn holds_all(&self, list: &[usize]) -> bool {
        list.iter().all(|at| self.0[at / 64] & (1 << (at % 64)) != 0)
    }
}

impl Item {
    /// Whether it builds something that others read.
    fn builds(&self) -> bool {
        matches!(self.kind, Kind::Model | Kind::Seed | Kind::Snapshot)
    }

    /// Whether its failure keeps what stands on the tested nodes from running.
    fn blocks(&self) -> bool {
        self.kind == Kind::Test
            && self.setting_text("severity").is_none_or(|severity| !severity.eq_ignore_ascii_case("warn"))
    }

    /// Whether it is a task of its own.
    pub(super) fn is_task(&self) -> bool {
        self.enabled
            && match self.kind {
                Kind::Exposure | Kind::SemanticModel | Kind::Metric | Kind::SavedQuery => false,
                Kind::Source => self.has_freshness(),
                _ => true,
            }
    }

    /// Whether a source says how fresh it should be.
    fn has_freshness(&self) -> bool {
        let expected = |key: &str| {
            let time = &self.node["freshness"][key];
            time["count"].is_number() && time["period"].is_string()
        };
        let told = |key: &str| self.node.get(key).is_some_and(|value| !value.is_null());
        (expected("warn_after") || expected("error_after"))
            && (told("loaded_at_field") || told("loaded_at_query"))
    }
}

impl Build<'_> {
    /// What each item needs, by position.
    pub(super) fn needs(&self) -> Vec<BTreeSet<String>> {
        let places: HashMap<&str, usize> = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.enabled)
            .map(|(at, item)| (item.id.as_str(), at))
            .collect();
        let reads: Vec<Vec<usize>> = self
            .items
            .iter()
            .map(|item| {
                item.depends
                    .iter()
                    .chain(&item.depends_more)
                    .filter_map(|id| places.get(id.as_str()).copied())
                    .collect()
            })
            .collect();
        let upstream = self.upstream(&reads);
        let mut needs: Vec<BTreeSet<String>> = vec![BTreeSet::new(); self.items.len()];
        // A hook waits for none it names: it comes before or behind all of them.
        let waits = |item: &&Item| item.enabled && item.kind != Kind::Operation;
        for (at, item) in self.items.iter().enumerate().filter(|(_, item)| waits(item)) {
            let mut direct = Vec::new();
            let from = if item.kind == Kind::UnitTest {
                // A unit test runs before its model, but looks at what the model reads.
                reads[at].iter().flat_map(|model| reads[*model].clone()).collect()
            } else {
                reads[at].clone()
            };
            self.built_before(&from, &reads, &mut direct, 0);
            needs[at].extend(direct.iter().map(|to| self.items[*to].id.clone()));
        }
        self.wait_for_tests(&reads, &upstream, &mut needs);
        self.wait_for_hooks(&mut needs);
        needs
    }

    /// The tasks behind what is read: ephemeral models stand for what they read.
    fn built_before(&self, from: &[usize], reads: &[Vec<usize>], into: &mut Vec<usize>, depth: usize) {
        for &to in from {
            let item = &self.items[to];
            if item.is_ephemeral() && depth < 200 {
                self.built_before(&reads[to], reads, into, depth + 1);
            } else if item.builds() && !item.is_ephemeral() && !into.contains(&to) {
                into.push(to);
            }
        }
    }

    /// Everything above each node that builds something, sources among it.
    fn upstream(&self, reads: &[Vec<usize>]) -> Vec<Option<Bits>> {
        let count = self.items.len();
        let mut done: Vec<Option<Bits>> = vec![None; count];
        let mut open: Vec<usize> =
            (0..count).filter(|at| self.items[*at].enabled && self.items[*at].builds()).collect();
        loop {
            let before = open.len();
            open.retain(|&at| {
                let ready = reads[at].iter().all(|to| !self.items[*to].builds() || done[*to].is_some());
                if !ready {
                    return true;
                }
                let mut bits = Bits::new(count);
                for &to in &reads[at] {
                    bits.add(to);
                    if let Some(above) = &done[to] {
                        bits.unite(above);
                    }
                }
                done[at] = Some(bits);
                false
            });
            if open.is_empty() || open.len() == before {
                return done;
            }
        }
    }

    /// A node waits for every test (of severity `error`) whose tested nodes all lie above it, unless
    /// something it reads waits for that test already. A test that also looks at something below (a
    /// relationship, say) holds back only what lies below both.
    fn wait_for_tests(
        &self,
        reads: &[Vec<usize>],
        upstream: &[Option<Bits>],
        needs: &mut [BTreeSet<String>],
    ) {
        // A test of one node holds back whoever reads that node itself; only one of several nodes has
        // to be looked for further up.
        let mut of_one: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut of_several = Vec::new();
        for (at, item) in self.items.iter().enumerate().filter(|(_, item)| item.enabled) {
            match reads[at][..] {
                [one] if item.blocks() => of_one.entry(one).or_default().push(at),
                [_, ..] if item.blocks() => of_several.push(at),
                _ => {}
            }
            if item.kind == Kind::UnitTest {
                for &model in &reads[at] {
                    needs[model].insert(item.id.clone());
                }
            }
        }
        for (at, _) in self.items.iter().enumerate().filter(|(_, item)| item.enabled && item.builds()) {
            let Some(mine) = &upstream[at] else { continue };
            let mut direct = Vec::new();
            self.read_through(&reads[at], reads, &mut direct);
            let of_direct = direct.iter().filter_map(|to| of_one.get(to)).flatten();
            for &test in of_direct.chain(&of_several) {
                let waited = |to: &usize| {
                    !self.items[*to].is_ephemeral()
                        && upstream[*to].as_ref().is_some_and(|theirs| theirs.holds_all(&reads[test]))
                };
                if mine.holds_all(&reads[test]) && !direct.iter().any(waited) {
                    needs[at].insert(self.items[test].id.clone());
                }
            }
        }
    }

    /// What is read, and what is read through ephemeral models, which wait for nothing.
    fn read_through(&self, from: &[usize], reads: &[Vec<usize>], into: &mut Vec<usize>) {
        let mut open = from.to_vec();
        while let Some(to) = open.pop() {
            if into.contains(&to) {
                continue;
            }
            into.push(to);
            if self.items[to].is_ephemeral() {
                open.extend(&reads[to]);
            }
        }
    }

    /// On-run hooks come before and behind everything, in their order.
    fn wait_for_hooks(&self, needs: &mut [BTreeSet<String>]) {
        let hooks = |tag: &str| -> Vec<usize> {
            let of = |item: &Item| {
                item.kind == Kind::Operation
                    && item.enabled
                    && super::nodes::strings(item.node.get("tags")).iter().any(|one| one == tag)
            };
            self.items.iter().enumerate().filter(|(_, item)| of(item)).map(|(at, _)| at).collect()
        };
        let (start, end) = (hooks("on-run-start"), hooks("on-run-end"));
        for list in [&start, &end] {
            for pair in list.windows(2) {
                needs[pair[1]].insert(self.items[pair[0]].id.clone());
            }
        }
        let tasks: Vec<usize> = (0..self.items.len())
            .filter(|at| self.items[*at].is_task() && self.items[*at].kind != Kind::Operation)
            .collect();
        if let Some(last) = start.last() {
            // Each of them: a run may be made of any part of the tasks.
            for &at in &tasks {
                needs[at].insert(self.items[*last].id.clone());
            }
        }
        if let Some(first) = end.first() {
            let needed: BTreeSet<&String> = tasks.iter().flat_map(|at| &needs[*at]).collect();
            let leaves: Vec<String> = tasks
                .iter()
                .map(|at| &self.items[*at].id)
                .filter(|id| !needed.contains(id))
                .cloned()
                .collect();
            needs[*first].extend(leaves);
        }
    }

    /// Adds a problem for each circle.
    pub(super) fn refuse_circles(&mut self) {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = self
            .items
            .iter()
            .filter(|item| item.enabled && item.builds())
            .map(|item| {
                let all = item.depends.iter().chain(&item.depends_more).map(String::as_str);
                // A model that reads itself where it is built upon what is there uses `this`.
                (item.id.as_str(), all.collect())
            })
            .collect();
        let mut found = Vec::new();
        while let Some(circle) = circle(&mut edges) {
            let mut names: Vec<&str> = circle.iter().map(|id| id.rsplit('.').next().unwrap_or(id)).collect();
            names.push(names[0]);
            if let Some(at) = self.items.iter().position(|item| item.id == circle[0]) {
                let why = format!("the models read one another in a circle: {}", names.join(" reads "));
                found.push((self.items[at].path.clone(), self.line_of(at, names[1]), why));
            }
            edges.retain(|id, _| !circle.contains(&(*id).to_owned()));
        }
        for (path, line, why) in found {
            self.problems.add(&path, line, why);
        }
    }
}

/// One circle among the edges, its smallest id first; none where there is none. Takes away what
/// belongs to no circle.
fn circle(edges: &mut BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    let mut waits: HashMap<&str, usize> = HashMap::new();
    let mut read_by: HashMap<&str, Vec<&str>> = HashMap::new();
    for (id, reads) in edges.iter() {
        let inside: Vec<&str> = reads.iter().copied().filter(|to| edges.contains_key(to)).collect();
        waits.insert(id, inside.len());
        for to in inside {
            read_by.entry(to).or_default().push(id);
        }
    }
    let mut free: Vec<&str> = waits.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        edges.remove(id);
        for reader in read_by.get(id).into_iter().flatten() {
            let count = waits.entry(reader).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                free.push(reader);
            }
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

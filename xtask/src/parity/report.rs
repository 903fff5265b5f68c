//! The report people read.

use std::{collections::BTreeMap, fmt::Write as _};

use super::results::Compared;

/// Lines of a list that is for reading more than for judging.
const SHOWN: usize = 10;

/// What came of one command.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// The command.
    pub(crate) step: String,
    /// Nodes dbt-core has results of.
    pub(crate) nodes: usize,
    /// Those that were good under dbt-core.
    pub(crate) core_good: usize,
    /// Those that were good under Cofferdam.
    pub(crate) our_good: usize,
    /// Outcomes and SQL.
    pub(crate) results: Compared,
    /// Relations dbt-core left.
    pub(crate) relations: usize,
    /// What differs in each relation.
    pub(crate) differences: BTreeMap<String, Vec<String>>,
    /// Views whose text, as the server prints it, differs.
    pub(crate) views: Vec<String>,
    /// Schemas and functions of one side alone.
    pub(crate) others: Vec<String>,
}

/// What came of all.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Command by command.
    pub(crate) stages: Vec<Stage>,
    /// What differs between the manifests.
    pub(crate) manifest: Vec<String>,
    /// Columns that were not compared.
    pub(crate) ignored: Vec<String>,
}

impl Report {
    /// Whether nothing differs that counts: relations with their rows, and outcomes.
    pub(crate) fn is_equal(&self) -> bool {
        self.stages.iter().all(Stage::is_equal)
    }

    /// The report.
    pub(crate) fn text(&self, all: bool) -> String {
        let mut text = String::new();
        for stage in &self.stages {
            stage.write(&mut text, all);
        }
        list(&mut text, "manifest", &self.manifest, all);
        list(&mut text, "columns that were not compared", &self.ignored, all);
        text += if self.is_equal() { "The same.\n" } else { "NOT the same.\n" };
        text
    }
}

impl Stage {
    fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.results.outcomes.is_empty() && self.others.is_empty()
    }

    fn write(&self, text: &mut String, all: bool) {
        let there = self.differences.values().filter(|d| *d != &["too many"]).count();
        let _ = writeln!(
            text,
            "== {}\n   nodes with the same outcome: {} / {}  (good: dbt-core {}, Cofferdam {})\n   \
             relations that are equal:    {} / {}",
            self.step,
            self.results.same,
            self.nodes,
            self.core_good,
            self.our_good,
            self.relations - there,
            self.relations,
        );
        list(text, "outcomes that differ", &self.results.outcomes, true);
        for (name, differences) in &self.differences {
            list(text, name, differences, true);
        }
        list(text, "schemas and functions", &self.others, true);
        list(text, "views whose text differs", &self.views, all);
        list(text, "SQL that differs", &self.results.compiled, all);
        list(text, "messages that differ", &self.results.messages, all);
    }
}

fn list(text: &mut String, what: &str, lines: &[String], all: bool) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "   {what}:");
    let shown = if all { lines.len() } else { SHOWN };
    for line in lines.iter().take(shown) {
        let _ = writeln!(text, "    - {line}");
    }
    if lines.len() > shown {
        let _ = writeln!(text, "    … and {} more", lines.len() - shown);
    }
}

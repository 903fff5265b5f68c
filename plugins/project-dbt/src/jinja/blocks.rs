//! The blocks of a file: macros, tests, materializations, snapshots, docs.
//!
//! In: the text of a file. Out: its blocks, in order.
//! Never: reads what stands in a block.
//! Fails: with a [`SourceProblem`] for each block that does not end or has no name.
//! Source: dbt's block parser: blocks stand at the top of a file; what stands between them is left out.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{TagScanner, tag_end};

/// What a block of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// `{% macro name(…) %}`.
    Macro,
    /// `{% test name(…) %}` or `{% data_test name(…) %}`: the macro `test_name`.
    Test,
    /// `{% materialization name, adapter='x' %}`: the macro `materialization_name_x`.
    Materialization,
    /// `{% snapshot name %}`.
    Snapshot,
    /// `{% docs name %}`.
    Docs,
}

impl BlockKind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "macro" => Self::Macro,
            "test" | "data_test" => Self::Test,
            "materialization" => Self::Materialization,
            "snapshot" => Self::Snapshot,
            "docs" => Self::Docs,
            _ => return None,
        })
    }
}

/// A block of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its name; that of the macro it becomes (`test_x`, `materialization_x_default`).
    pub name: String,
    /// The line its first tag begins on, from 1.
    pub line: u32,
    /// All of it, tags included: `raw_code` of snapshots and `macro_sql` of macros.
    pub text: Cow<'static, str>,
    /// Where in it stands what lies between its tags.
    pub inside: Range<usize>,
    /// The line its body begins on.
    pub body_line: u32,
}

impl Block {
    /// What stands between its tags.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.get(self.inside.clone()).unwrap_or_default()
    }
}

/// A block of the built-in package, found when this crate was built.
#[derive(Debug)]
pub struct Ready {
    /// Its file in the package.
    pub file: &'static str,
    /// As [`Block::kind`].
    pub kind: BlockKind,
    /// As [`Block::name`].
    pub name: &'static str,
    /// As [`Block::line`].
    pub line: u32,
    /// As [`Block::text`].
    pub text: &'static str,
    /// As [`Block::inside`].
    pub inside: (usize, usize),
    /// As [`Block::body_line`].
    pub body_line: u32,
}

impl Ready {
    /// The block.
    #[must_use]
    pub fn block(&self) -> Block {
        Block {
            kind: self.kind,
            name: self.name.to_owned(),
            line: self.line,
            text: Cow::Borrowed(self.text),
            inside: self.inside.0..self.inside.1,
            body_line: self.body_line,
        }
    }
}

/// What is wrong with a file before anything is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

impl SourceProblem {
    /// What is wrong, the code of what is not Jinja in front.
    #[must_use]
    pub fn coded(&self) -> String {
        format!("CD0946: {}", self.message)
    }
}

/// The blocks of a file, in order; everything outside of them is left out.
///
/// # Errors
/// With the first thing that is wrong.
pub fn blocks(path: &str, text: &str) -> Result<Vec<Block>, SourceProblem> {
    let (found, problems) = all_blocks(path, text);
    problems.into_iter().next().map_or(Ok(found), Err)
}

/// The blocks of a file, and what is wrong with it.
pub(crate) fn all_blocks(path: &str, text: &str) -> (Vec<Block>, Vec<SourceProblem>) {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut problem = |line: u32, message: String| {
        problems.push(SourceProblem { path: path.to_owned(), line, message });
    };
    let mut scanner = TagScanner::new(text);
    while let Some(tag) = scanner.next() {
        let Ok(tag) = tag else {
            problem(lines.of(tag.err().unwrap_or(0)), "a tag that begins here does not end".to_owned());
            break;
        };
        let word = first_word(tag.inside);
        let Some(kind) = BlockKind::of(word) else { continue };
        let Some(name) = name_of(kind, &tag.inside[word.len()..]) else {
            problem(lines.of(tag.start), format!("the `{word}` block has no name"));
            continue;
        };
        let end_word = format!("end{word}");
        let mut depth = 1_usize;
        let mut close = None;
        while let Some(Ok(inner)) = scanner.next() {
            let inner_word = first_word(inner.inside);
            depth += usize::from(inner_word == word && kind != BlockKind::Docs);
            depth -= usize::from(inner_word == end_word);
            if depth == 0 {
                close = Some(inner);
                break;
            }
        }
        let Some(close) = close else {
            problem(
                lines.of(tag.start),
                format!("the `{word}` block that begins here does not end: `{{% {end_word} %}}` is missing"),
            );
            break;
        };
        found.push(Block {
            kind,
            name,
            line: lines.of(tag.start),
            text: Cow::Owned(text[tag.start..close.end].to_owned()),
            inside: tag.end - tag.start..close.start - tag.start,
            body_line: lines.of(tag.end),
        });
    }
    (found, problems)
}

/// Counts lines on the way through a text.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line of a place that does not lie before the last one asked for.
    fn of(&mut self, at: usize) -> u32 {
        let passed = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        let ends = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
        self.at = at.max(self.at);
        self.line
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The name a block has, as the macro it becomes.
fn name_of(kind: BlockKind, rest: &str) -> Option<String> {
    let rest = rest.trim_start();
    let name = first_word(rest);
    if name.is_empty() {
        return None;
    }
    Some(match kind {
        BlockKind::Test => format!("test_{name}"),
        BlockKind::Materialization => {
            let adapter = rest[name.len()..].split(',').find_map(|part| {
                let value = part.trim().strip_prefix("adapter")?.trim_start().strip_prefix('=')?.trim();
                let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
                Some(value[1..].split(quote).next().unwrap_or_default().to_owned())
            });
            format!("materialization_{name}_{}", adapter.as_deref().unwrap_or("default"))
        }
        _ => name.to_owned(),
    })
}

/// Whether a text holds Jinja at all.
pub(super) fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Whether a text is one expression in braces and nothing else: the expression.
pub(super) fn lone_expression(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("{{")?;
    let length = tag_end(inside, "}}")?;
    (length == inside.len()).then(|| &inside[..length - 2])
}

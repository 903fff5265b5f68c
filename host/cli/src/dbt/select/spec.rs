//! How selectors are written: `@2+tag:x+3`, unions with spaces, intersections with commas.

use super::BAD_SELECTOR;
use crate::{
    dbt::args::Indirect,
    failure::{Failure, Outcome},
    text,
};

/// One selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Criterion {
    pub(crate) method: String,
    /// What follows the method's name after a dot: `materialized` of `config.materialized`.
    pub(crate) arguments: Vec<String>,
    pub(crate) value: String,
    pub(crate) childrens_parents: bool,
    pub(crate) parents: bool,
    pub(crate) parents_depth: Option<u32>,
    pub(crate) children: bool,
    pub(crate) children_depth: Option<u32>,
    pub(crate) indirect: Indirect,
}

/// What to select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    One(Box<Criterion>),
    Union(Vec<Spec>, Indirect),
    Intersection(Vec<Spec>, Indirect),
    /// The first without the others.
    Difference(Vec<Spec>, Indirect),
}

/// A union of arguments, each a union of words, each an intersection of selectors.
pub(crate) fn parse(arguments: &[String], indirect: Indirect) -> Outcome<Spec> {
    let mut union = Vec::new();
    for word in arguments.iter().flat_map(|argument| argument.split_whitespace()) {
        let parts = word.split(',').map(|part| criterion(part, indirect).map(|one| Spec::One(Box::new(one))));
        union.push(Spec::Intersection(parts.collect::<Outcome<_>>()?, indirect));
    }
    Ok(Spec::Union(union, indirect))
}

/// All nodes, of every kind.
pub(crate) fn everything(indirect: Indirect) -> Vec<Spec> {
    ["fqn", "source", "exposure", "metric", "semantic_model", "saved_query", "unit_test"]
        .map(|method| {
            let (method, value) = (method.to_owned(), "*".to_owned());
            Spec::One(Box::new(Criterion { method, value, indirect, ..Criterion::default() }))
        })
        .into()
}

/// One selector.
pub(crate) fn criterion(word: &str, indirect: Indirect) -> Outcome<Criterion> {
    let bad = |why: &str| {
        let fix =
            "write a name, a glob or `method:value`, with `+`, `2+` or `@` before and `+` or `+2` behind";
        Failure::new(BAD_SELECTOR, format!("`{}` is no selector: {why}", text::tame(word)), fix)
    };
    let mut found = Criterion { indirect, ..Criterion::default() };
    let mut rest = word;
    if let Some(behind) = rest.strip_prefix('@') {
        found.childrens_parents = true;
        rest = behind;
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if let Some(behind) = rest[digits..].strip_prefix('+') {
        found.parents = true;
        found.parents_depth = depth(&rest[..digits]).ok_or_else(|| bad("its depth is no number"))?;
        rest = behind;
    }
    let trimmed = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(before) = trimmed.strip_suffix('+') {
        found.children = true;
        found.children_depth = depth(&rest[trimmed.len()..]).ok_or_else(|| bad("its depth is no number"))?;
        rest = before;
    }
    if found.childrens_parents && found.children {
        return Err(bad("`@` before and `+` behind do not go together"));
    }
    let word_of = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    match rest.split_once(':') {
        Some((method, value)) if !method.is_empty() && method.chars().all(word_of) => {
            let mut parts = method.split('.').map(str::to_owned);
            found.method = parts.next().unwrap_or_default();
            found.arguments = parts.collect();
            value.clone_into(&mut found.value);
        }
        _ => {
            default_method(rest).clone_into(&mut found.method);
            rest.clone_into(&mut found.value);
        }
    }
    if found.value.is_empty() {
        return Err(bad("it names nothing"));
    }
    Ok(found)
}

/// The method of a value without one.
pub(crate) fn default_method(value: &str) -> &'static str {
    let lower = value.to_ascii_lowercase();
    if value.contains('/') {
        "path"
    } else if [".sql", ".py", ".csv"].iter().any(|end| lower.ends_with(end)) {
        "file"
    } else {
        "fqn"
    }
}

/// `Some(None)` where there is no limit.
fn depth(digits: &str) -> Option<Option<u32>> {
    if digits.is_empty() { Some(None) } else { digits.parse().ok().map(Some) }
}

//! `selectors.yml`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{BAD_SELECTOR, Criterion, Spec, spec};
use crate::{
    dbt::{args::Indirect, place::read_yaml},
    failure::{Failure, Outcome},
    text,
};

/// Selectors inside selectors.
const DEPTH_MAX: u32 = 32;

/// One entry of the file.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) default: bool,
    definition: Value,
}

/// Reads the file of a project; none where there is none.
pub(crate) fn selectors(root: &Path) -> Outcome<Vec<Named>> {
    let file = root.join("selectors.yml");
    if !file.is_file() {
        return Ok(Vec::new());
    }
    of(&read_yaml(&file, BAD_SELECTOR)?)
}

pub(super) fn of(file: &Value) -> Outcome<Vec<Named>> {
    let list = file.get("selectors").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = Vec::new();
    for entry in list {
        let name = entry.get("name").and_then(Value::as_str).map(str::to_owned);
        let (Some(name), Some(definition)) = (name, entry.get("definition").cloned()) else {
            return Err(wrong("an entry has no `name` or no `definition`"));
        };
        let default = entry.get("default").and_then(Value::as_bool).unwrap_or(false);
        all.push(Named { name, default, definition });
    }
    Ok(all)
}

fn wrong(why: &str) -> Box<Failure> {
    Failure::new(BAD_SELECTOR, format!("`selectors.yml` cannot be read: {why}"), "correct the file")
}

/// A selector by its name.
pub(crate) fn named(name: &str, all: &[Named], indirect: Option<Indirect>) -> Outcome<Spec> {
    find(name, all, indirect, 0)
}

fn find(name: &str, all: &[Named], indirect: Option<Indirect>, depth: u32) -> Outcome<Spec> {
    let Some(found) = all.iter().find(|named| named.name == name) else {
        let names = all.iter().map(|named| named.name.as_str());
        let fix = match text::nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add it to `selectors.yml`".to_owned(),
        };
        return Err(Failure::new(BAD_SELECTOR, format!("no selector is called `{}`", text::tame(name)), fix));
    };
    definition(&found.definition, &Reading { all, indirect, depth: depth + 1 })
}

struct Reading<'a> {
    all: &'a [Named],
    indirect: Option<Indirect>,
    depth: u32,
}

fn definition(value: &Value, reading: &Reading<'_>) -> Outcome<Spec> {
    if reading.depth > DEPTH_MAX {
        return Err(wrong("selectors name each other in a circle"));
    }
    let indirect = reading.indirect.unwrap_or_default();
    match value {
        Value::String(words) => spec::parse(std::slice::from_ref(words), indirect),
        Value::Object(map) => match (map.get("union"), map.get("intersection")) {
            (Some(parts), None) => joined(parts, reading, Spec::Union),
            (None, Some(parts)) => joined(parts, reading, Spec::Intersection),
            (Some(_), Some(_)) => Err(wrong("`union` and `intersection` stand in one place")),
            (None, None) => one(map, reading),
        },
        _ => Err(wrong("a definition is neither a text nor a map")),
    }
}

fn joined(parts: &Value, reading: &Reading<'_>, join: fn(Vec<Spec>, Indirect) -> Spec) -> Outcome<Spec> {
    let indirect = reading.indirect.unwrap_or_default();
    let Some(parts) = parts.as_array() else { return Err(wrong("a list is missing")) };
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for part in parts {
        match part.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("exclude")) {
            Some(left_out) => exclude.push(joined(left_out, reading, Spec::Union)?),
            None => include.push(definition(part, reading)?),
        }
    }
    let include = join(include, indirect);
    if exclude.is_empty() {
        return Ok(include);
    }
    Ok(Spec::Difference([include].into_iter().chain(exclude).collect(), indirect))
}

fn one(map: &Map<String, Value>, reading: &Reading<'_>) -> Outcome<Spec> {
    let text = |key: &str| map.get(key).map(plain);
    let (method, value) = match (text("method"), text("value")) {
        (Some(method), Some(value)) => (method, value),
        // `tag: nightly` alone.
        (None, None) if map.len() == 1 => match map.iter().next() {
            Some((key, value)) => (key.clone(), plain(value)),
            None => return Err(wrong("a definition is empty")),
        },
        _ => return Err(wrong("a definition has no `method` or no `value`")),
    };
    let own = match text("indirect_selection").as_deref() {
        None => reading.indirect.unwrap_or_default(),
        Some("eager") => Indirect::Eager,
        Some("cautious") => Indirect::Cautious,
        Some("buildable") => Indirect::Buildable,
        Some("empty") => Indirect::Empty,
        Some(_) => return Err(wrong("`indirect_selection` is eager, cautious, buildable or empty")),
    };
    let include = if method == "selector" {
        find(&value, reading.all, reading.indirect, reading.depth)?
    } else {
        let yes = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
        let depth = |key: &str| map.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let mut parts = method.split('.').map(str::to_owned);
        Spec::One(Box::new(Criterion {
            method: parts.next().unwrap_or_default(),
            arguments: parts.collect(),
            value,
            childrens_parents: yes("childrens_parents"),
            parents: yes("parents"),
            parents_depth: depth("parents_depth"),
            children: yes("children"),
            children_depth: depth("children_depth"),
            indirect: own,
        }))
    };
    match map.get("exclude") {
        Some(left_out) => Ok(Spec::Difference(vec![include, joined(left_out, reading, Spec::Union)?], own)),
        None => Ok(include),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

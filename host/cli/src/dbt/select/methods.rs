//! The methods: `tag:`, `config.x:`, `state:` and the others.

use std::collections::HashMap;

use serde_json::Value;

use super::{BAD_SELECTOR, Criterion, Ids, Selection, glob, modified};
use crate::{
    dbt::manifest::{Manifest, Node},
    failure::{Failure, Outcome},
    text,
};

/// Every method there is.
const METHODS: [&str; 22] = [
    "fqn",
    "tag",
    "group",
    "access",
    "source",
    "path",
    "file",
    "package",
    "config",
    "resource_type",
    "test_type",
    "test_name",
    "state",
    "exposure",
    "metric",
    "result",
    "source_status",
    "version",
    "semantic_model",
    "saved_query",
    "unit_test",
    "selector",
];

/// What was before: artifacts of the `--state` folder.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Its manifest.
    pub(crate) manifest: Option<Manifest>,
    /// Status of each node in its run results.
    pub(crate) results: HashMap<String, String>,
    /// When each source was loaded last, then and now.
    pub(crate) loaded: Option<(HashMap<String, String>, HashMap<String, String>)>,
}

/// The nodes one selector names by itself.
pub(super) fn search(on: &Selection<'_>, criterion: &Criterion) -> Outcome<Ids> {
    let value = criterion.value.as_str();
    let pick = |fits: &dyn Fn(&Node) -> bool| -> Ids {
        on.manifest.all().filter(|node| fits(node)).map(|node| node.unique_id.clone()).collect()
    };
    let kind = |kind: &'static str| move |node: &Node| node.resource_type == kind;
    Ok(match criterion.method.as_str() {
        "fqn" => pick(&|node| is_executable(node) && fqn(node, value)),
        "tag" => pick(&|node| node.tags().iter().any(|tag| glob::fits(value, tag))),
        "group" => pick(&|node| group(node).is_some_and(|group| glob::fits(value, group))),
        "access" => pick(&|node| kind("model")(node) && access(node) == value),
        "source" => pick(&|node| kind("source")(node) && source(node, value)),
        "exposure" => pick(&|node| kind("exposure")(node) && scoped(node, value)),
        "metric" => pick(&|node| kind("metric")(node) && scoped(node, value)),
        "semantic_model" => pick(&|node| kind("semantic_model")(node) && scoped(node, value)),
        "saved_query" => pick(&|node| kind("saved_query")(node) && scoped(node, value)),
        "unit_test" => pick(&|node| kind("unit_test")(node) && scoped(node, value)),
        "path" => pick(&|node| path(node, value)),
        "file" => pick(&|node| file(node, value)),
        "package" => {
            let own = on.manifest.metadata.project_name.as_deref().unwrap_or_default();
            let value = if value == "this" { own } else { value };
            pick(&|node| glob::fits(value, &node.package_name))
        }
        "config" => pick(&|node| config(node, &criterion.arguments, value)),
        "resource_type" => pick(&|node| node.resource_type == value),
        "test_type" => test_type(value).map(|fits| pick(&|node| fits(node)))?,
        "test_name" => {
            pick(&|node| node.test_metadata.as_ref().is_some_and(|test| glob::fits(value, &test.name)))
        }
        "version" => version(value).map(|fits| pick(&|node| kind("model")(node) && fits(node)))?,
        "state" => state(on, criterion)?,
        "result" => {
            if on.before.results.is_empty() {
                return Err(no_state("result", "run_results.json"));
            }
            let status = |node: &Node| on.before.results.get(&node.unique_id).map(String::as_str);
            pick(&|node| status(node) == Some(value))
        }
        "source_status" => source_status(on, value)?,
        other => return Err(unknown(other)),
    })
}

fn unknown(method: &str) -> Box<Failure> {
    let fix = match text::nearest(method, METHODS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", METHODS.join(", ")),
    };
    Failure::new(BAD_SELECTOR, format!("`{}` is no method to select with", text::tame(method)), fix)
}

fn no_state(method: &str, file: &str) -> Box<Failure> {
    let what = format!("`{method}:` compares with an earlier state, and there is no `{file}` of one");
    Failure::new(BAD_SELECTOR, what, "name a folder with earlier artifacts: --state DIR")
}

fn one_of(what: &str, value: &str, known: &[&str]) -> Box<Failure> {
    let what = format!("`{}` is no {what}", text::tame(value));
    Failure::new(BAD_SELECTOR, what, format!("there are: {}", known.join(", ")))
}

/// What `fqn` looks at: everything but sources, exposures and metrics.
fn is_executable(node: &Node) -> bool {
    matches!(
        node.resource_type.as_str(),
        "model" | "seed" | "snapshot" | "test" | "analysis" | "operation" | "sql_operation" | "unit_test"
    )
}

fn fqn(node: &Node, selector: &str) -> bool {
    let versioned = !node.version.is_null();
    let whole: Vec<&str> = node.fqn.iter().map(String::as_str).collect();
    fqn_fits(&whole, selector, versioned)
        || whole.get(1..).is_some_and(|rest| fqn_fits(rest, selector, versioned))
}

fn fqn_fits(fqn: &[&str], selector: &str, versioned: bool) -> bool {
    let Some(leaf) = fqn.last() else { return false };
    let wanted: Vec<&str> = selector.split('.').collect();
    if versioned && fqn.len() >= 2 {
        let last = &fqn[fqn.len() - 2..];
        let asked = &wanted[wanted.len().saturating_sub(2)..];
        if glob::fits(selector, last[0]) || last.join("_") == asked.join("_") {
            return true;
        }
    } else if glob::fits(selector, leaf) {
        return true;
    }
    let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    if glob::is_pattern(selector) {
        return glob::fits(selector, &flat.join("."));
    }
    // A selector names a node, or a folder above it.
    wanted.len() <= flat.len() && wanted == flat[..wanted.len()]
}

fn group(node: &Node) -> Option<&str> {
    node.group.as_deref().or_else(|| node.config.get("group").and_then(Value::as_str))
}

fn access(node: &Node) -> &str {
    node.access
        .as_deref()
        .or_else(|| node.config.get("access").and_then(Value::as_str))
        .unwrap_or("protected")
}

fn source(node: &Node, selector: &str) -> bool {
    let parts: Vec<&str> = selector.split('.').collect();
    let (package, source, table) = match parts[..] {
        [source] => ("*", source, "*"),
        [source, table] => ("*", source, table),
        [package, source, table] => (package, source, table),
        _ => return false,
    };
    glob::fits(package, &node.package_name)
        && glob::fits(source, node.source_name.as_deref().unwrap_or_default())
        && glob::fits(table, &node.name)
}

fn scoped(node: &Node, selector: &str) -> bool {
    match selector.split_once('.') {
        Some((package, name)) => glob::fits(package, &node.package_name) && glob::fits(name, &node.name),
        None => glob::fits(selector, &node.name),
    }
}

fn path(node: &Node, selector: &str) -> bool {
    let patch = node.patch_path.as_deref().and_then(|path| path.split_once("://")).map(|(_, path)| path);
    glob::path_fits(selector, &node.original_file_path)
        || patch
            .filter(|_| node.resource_type == "source")
            .is_some_and(|path| glob::path_fits(selector, path))
}

fn file(node: &Node, selector: &str) -> bool {
    let name = node.original_file_path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    glob::fits(selector, name) || glob::fits(selector, stem)
}

fn config(node: &Node, keys: &[String], wanted: &str) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    let mut value = node.config.get(first);
    for key in rest {
        value = value.and_then(|value| value.get(key));
    }
    match value {
        Some(Value::Array(items)) => items.iter().any(|item| same(item, wanted)),
        Some(Value::Object(map)) => map.contains_key(wanted),
        Some(value) => same(value, wanted),
        None => false,
    }
}

fn same(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(yes) => yes.to_string() == wanted.to_ascii_lowercase(),
        Value::Null => wanted.eq_ignore_ascii_case("none") || wanted.eq_ignore_ascii_case("null"),
        Value::Number(number) => number.to_string() == wanted,
        Value::Array(_) | Value::Object(_) => false,
    }
}

type Fits = fn(&Node) -> bool;

fn test_type(value: &str) -> Outcome<Fits> {
    Ok(match value {
        "generic" | "schema" => |node| node.resource_type == "test" && node.test_metadata.is_some(),
        "singular" => |node| node.resource_type == "test" && node.test_metadata.is_none(),
        "data" => |node| node.resource_type == "test",
        "unit" => |node| node.resource_type == "unit_test",
        _ => return Err(one_of("type of test", value, &["generic", "singular", "unit", "data"])),
    })
}

fn version(value: &str) -> Outcome<Fits> {
    fn order(node: &Node) -> Option<std::cmp::Ordering> {
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        if node.version == node.latest_version {
            return Some(std::cmp::Ordering::Equal);
        }
        number(&node.version)?.partial_cmp(&number(&node.latest_version)?)
    }
    Ok(match value {
        "latest" => |node| !node.version.is_null() && node.version == node.latest_version,
        "prerelease" => |node| !node.version.is_null() && order(node) == Some(std::cmp::Ordering::Greater),
        "old" => |node| !node.version.is_null() && order(node) == Some(std::cmp::Ordering::Less),
        "none" => |node| node.version.is_null(),
        _ => return Err(one_of("kind of version", value, &["latest", "prerelease", "old", "none"])),
    })
}

fn state(on: &Selection<'_>, criterion: &Criterion) -> Outcome<Ids> {
    let Some(before) = &on.before.manifest else { return Err(no_state("state", "manifest.json")) };
    let (word, part) = criterion.value.split_once('.').unwrap_or((&criterion.value, ""));
    let part = if part.is_empty() { criterion.arguments.join(".") } else { part.to_owned() };
    let compare = modified::Compare::new(on.manifest, before, &part)?;
    let fits: Box<dyn Fn(&Node) -> bool> = match word {
        "new" => Box::new(|node| before.node(&node.unique_id).is_none()),
        "old" => Box::new(|node| before.node(&node.unique_id).is_some()),
        "modified" => Box::new(|node| compare.is_modified(node)),
        "unmodified" => Box::new(|node| before.node(&node.unique_id).is_some() && !compare.is_modified(node)),
        other => return Err(one_of("state", other, &["new", "old", "modified", "unmodified"])),
    };
    Ok(on.manifest.all().filter(|node| fits(node)).map(|node| node.unique_id.clone()).collect())
}

fn source_status(on: &Selection<'_>, value: &str) -> Outcome<Ids> {
    let Some((then, now)) = &on.before.loaded else { return Err(no_state("source_status", "sources.json")) };
    if value != "fresher" {
        return Err(one_of("status of a source", value, &["fresher"]));
    }
    let fresher = now.iter().filter(|(id, at)| then.get(*id).is_none_or(|before| *at > before));
    Ok(fresher.map(|(id, _)| id.clone()).collect())
}

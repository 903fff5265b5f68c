//! JSON, YAML, sets, digests: functions on plain data.
//!
//! In: values. Out: values.
//! Never: fails where dbt gives the default instead.
//! Fails: as Python does.
//! Source: dbt's context functions; Python's `json`.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use minijinja::Value;
use serde_json::Value as Json;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::syntax::{self, Expr};
use super::super::value::{self, Args, Set, from_json, list, none, to_json, to_strict_json, tuple};
use crate::yaml;

/// JSON as Python writes it.
pub(in super::super) fn dump_json(
    value: &Value,
    sorted: bool,
    indent: Option<i128>,
    for_html: bool,
) -> Outcome<String> {
    let json = to_strict_json(value).or_else(fail)?;
    let mut out = String::new();
    let indent = indent.map(|indent| usize::try_from(indent).unwrap_or(0).min(100));
    write_json(&mut out, &json, sorted, indent, 0);
    limits::text_of(out.len())?;
    if for_html {
        for (mark, escape) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")] {
            out = out.replace(mark, escape);
        }
    }
    Ok(out)
}

fn write_json(out: &mut String, json: &Json, sorted: bool, indent: Option<usize>, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    match json {
        Json::String(text) => write_text(out, text),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (None, None, Some(float)) => out.push_str(&value::float_text(float)),
            _ => out.push_str(&number.to_string()),
        },
        Json::Array(values) if !values.is_empty() => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                line(out, depth + 1);
                write_json(out, value, sorted, indent, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Json::Object(entries) if !entries.is_empty() => {
            let mut entries: Vec<_> = entries.iter().collect();
            if sorted {
                entries.sort_by(|a, b| a.0.cmp(b.0));
            }
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                line(out, depth + 1);
                write_text(out, key);
                out.push_str(": ");
                write_json(out, value, sorted, indent, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Text in JSON, with everything outside of ASCII escaped.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if (' '..='~').contains(&c) => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

pub(super) fn tojson(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let value = args.need("tojson", "value")?;
    let default = args.take("default");
    let sorted = args.flag("sort_keys", false);
    match dump_json(&value, sorted, None, false) {
        Ok(text) => Ok(Value::from(text)),
        Err(super::super::problem::Raise::Fail(failure))
            if failure.kind == super::super::error::RenderKind::Evaluation =>
        {
            Ok(default.unwrap_or_else(none))
        }
        Err(other) => Err(other),
    }
}

pub(super) fn fromjson(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let text = args.need_text("fromjson", "string")?;
    let default = args.take("default");
    cx.steps_of(text.len() / 16)?;
    limits::memory(text.len().saturating_mul(8))?;
    match serde_json::from_str::<Json>(&text) {
        Ok(json) => Ok(from_json(&json)),
        Err(_) => Ok(default.unwrap_or_else(none)),
    }
}

pub(super) fn fromyaml(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let text = args.need_text("fromyaml", "value")?;
    let default = args.take("default");
    cx.steps_of(text.len() / 8)?;
    limits::memory(text.len().saturating_mul(8))?;
    match yaml::parse(&text) {
        Ok(node) => Ok(from_json(&node.to_json())),
        Err(_) => Ok(default.unwrap_or_else(none)),
    }
}

pub(super) fn toyaml(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let value = args.need("toyaml", "value")?;
    let default = args.take("default");
    let sorted = args.flag("sort_keys", false);
    match to_json(&value) {
        Ok(json) => {
            let mut out = String::new();
            write_yaml(&mut out, &json, sorted, 0);
            limits::text_of(out.len())?;
            Ok(Value::from(out))
        }
        Err(_) => Ok(default.unwrap_or_else(none)),
    }
}

/// YAML in block style, as PyYAML dumps it.
fn write_yaml(out: &mut String, json: &Json, sorted: bool, depth: usize) {
    let pad = "  ".repeat(depth);
    match json {
        Json::Object(entries) if !entries.is_empty() => {
            let mut entries: Vec<_> = entries.iter().collect();
            if sorted {
                entries.sort_by(|a, b| a.0.cmp(b.0));
            }
            for (key, value) in entries {
                let _ = write!(out, "{pad}{}:", yaml_text(key));
                match value {
                    Json::Object(inner) if !inner.is_empty() => {
                        out.push('\n');
                        write_yaml(out, value, sorted, depth + 1);
                    }
                    Json::Array(inner) if !inner.is_empty() => {
                        out.push('\n');
                        write_yaml(out, value, sorted, depth);
                    }
                    value => {
                        let _ = writeln!(out, " {}", yaml_scalar(value));
                    }
                }
            }
        }
        Json::Array(values) if !values.is_empty() => {
            for value in values {
                let inner_empty = match value {
                    Json::Object(entries) => entries.is_empty(),
                    Json::Array(values) => values.is_empty(),
                    _ => true,
                };
                if inner_empty {
                    let _ = writeln!(out, "{pad}- {}", yaml_scalar(value));
                    continue;
                }
                let mut inner = String::new();
                write_yaml(&mut inner, value, sorted, depth + 1);
                let _ = write!(out, "{pad}- {}", inner.trim_start_matches(' '));
            }
        }
        value => {
            let _ = writeln!(out, "{pad}{}", yaml_scalar(value));
            if depth == 0 {
                out.push_str("...\n");
            }
        }
    }
}

fn yaml_scalar(json: &Json) -> String {
    match json {
        Json::String(text) => yaml_text(text),
        Json::Number(number) if number.is_f64() => value::float_text(number.as_f64().unwrap_or(0.0)),
        other => other.to_string(),
    }
}

/// Text in YAML: in quotes where it would mean something else without.
fn yaml_text(text: &str) -> String {
    let plain = matches!(yaml::plain_scalar(text), Json::String(_))
        && !text.is_empty()
        && !text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@` ".contains(c))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control);
    if plain {
        text.to_owned()
    } else if text.chars().any(char::is_control) {
        let mut out = String::new();
        write_text(&mut out, text);
        out
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// `fromjson` and the like as filters.
pub(in super::super) fn converted(name: &str, given: &Value) -> Outcome<Value> {
    let text = value::text(given);
    match name {
        "fromjson" => serde_json::from_str(&text)
            .map_or_else(|why| fail(why.to_string()), |json: Json| Ok(from_json(&json))),
        "fromyaml" => {
            yaml::parse(&text).map_or_else(|why| fail(why.message), |node| Ok(from_json(&node.to_json())))
        }
        _ => {
            let mut out = String::new();
            write_yaml(&mut out, &to_json(given).or_else(fail)?, false, 0);
            Ok(Value::from(out))
        }
    }
}

pub(super) fn local_md5(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let text = args.need_text("local_md5", "value")?;
    let digest = Md5::digest(text.as_bytes());
    let mut out = String::new();
    for byte in digest {
        let _ = write!(out, "{byte:02x}");
    }
    Ok(Value::from(out))
}

fn zipped(args: &mut Args) -> Outcome<Value> {
    let mut columns = Vec::new();
    for column in args.rest() {
        columns.push(value::items(&column)?);
    }
    let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
    let row = |index: usize| tuple(columns.iter().map(|column| column[index].clone()).collect());
    Ok(list((0..rows).map(row).collect()))
}

pub(super) fn zip(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let default = args.named("default");
    match zipped(args) {
        Err(_) => Ok(default.unwrap_or_else(none)),
        other => other,
    }
}

pub(super) fn zip_strict(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    zipped(args)
}

pub(super) fn set(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = args.take("value");
    let default = args.take("default");
    let values = given.map_or_else(|| Ok(Vec::new()), |given| value::items(&given));
    match values.and_then(Set::value) {
        Err(_) => Ok(default.unwrap_or_else(none)),
        other => other,
    }
}

pub(super) fn set_strict(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = args.take("value");
    Set::value(given.map_or_else(|| Ok(Vec::new()), |given| value::items(&given))?)
}

pub(super) fn sql_escape(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    Ok(Value::from(args.need_text("sql_escape", "value")?.replace('\'', "''")))
}

/// What of the first dict of lists is not in the second; names are compared without case.
pub(super) fn diff_of_two_dicts(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let mine = args.need("diff_of_two_dicts", "dict_a")?;
    let theirs = args.need("diff_of_two_dicts", "dict_b")?;
    let lower = |value: &Value| value::text(value).to_lowercase();
    let theirs: Vec<(String, Vec<String>)> = value::pairs(&theirs)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, values)| {
            let values = value::items(&values).unwrap_or_default();
            (lower(&key), values.iter().map(lower).collect())
        })
        .collect();
    let mut diff = Vec::new();
    for (key, values) in value::pairs(&mine).unwrap_or_default() {
        let mut values = value::items(&values)?;
        if let Some((_, known)) = theirs.iter().find(|(known, _)| *known == lower(&key)) {
            values.retain(|value| !known.contains(&lower(value)));
        }
        if !values.is_empty() {
            diff.push((key, list(values)));
        }
    }
    Ok(Value::from_object(value::Dict::new(diff)))
}

/// The value a text is as a literal of Python: a number, text in quotes, `True`, `None`, a list, …
pub(super) fn literal(text: &str) -> Option<Value> {
    fn value_of(node: &syntax::Node) -> Option<Value> {
        let each = |nodes: &[syntax::Node]| nodes.iter().map(value_of).collect::<Option<Vec<_>>>();
        Some(match &node.kind {
            Expr::Const(value) => value.clone(),
            Expr::List(nodes) => list(each(nodes)?),
            Expr::Tuple(nodes) => tuple(each(nodes)?),
            Expr::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| Some((value_of(key)?, value_of(value)?)));
                Value::from_object(value::Dict::new(pairs.collect::<Option<Vec<_>>>()?))
            }
            Expr::Negative(inner) => value::negative(&value_of(inner)?).ok()?,
            Expr::Positive(inner) => value_of(inner)?,
            _ => return None,
        })
    }
    // `true` is a name in Python, and no literal.
    if matches!(text.trim(), "true" | "false" | "none") {
        return None;
    }
    value_of(&syntax::parse_expression(text).ok()?)
}

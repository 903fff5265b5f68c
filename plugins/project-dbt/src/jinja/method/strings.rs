//! Methods of text.
//!
//! In: a text, a method's name, arguments. Out: a value.
//! Never: counts bytes where Python counts characters.
//! Fails: as Python does, with a sentence.
//! Source: Python 3.12's `str`.

use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, View, count, int, list, tuple, view};

/// Calls a method; `None` where there is none.
pub(super) fn call(cx: &Interp<'_>, text: &str, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let result = match name {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "capitalize" => Value::from(capitalized(text)),
        "title" => Value::from(titled(text)),
        "swapcase" => Value::from(swapped(text)),
        "strip" | "lstrip" | "rstrip" => stripped(text, name, args),
        "split" | "rsplit" => split(text, name == "rsplit", args)?,
        "splitlines" => lines(text, args.flag("keepends", false)),
        "partition" | "rpartition" => partition(text, name, args)?,
        "replace" => replaced(text, args)?,
        "join" => joined(cx, text, args)?,
        "startswith" | "endswith" => Value::from(begins_or_ends(text, name, args)?),
        "removeprefix" => {
            let part = args.need_text(name, "prefix")?;
            Value::from(text.strip_prefix(&*part).unwrap_or(text))
        }
        "removesuffix" => {
            let part = args.need_text(name, "suffix")?;
            Value::from(text.strip_suffix(&*part).unwrap_or(text))
        }
        "find" | "rfind" | "index" | "rindex" | "count" => found(text, name, args)?,
        "center" | "ljust" | "rjust" | "zfill" => padded(text, name, args)?,
        "expandtabs" => {
            let width = usize::try_from(args.int("tabsize")?.unwrap_or(8)).unwrap_or(0);
            limits::text_of(text.len().saturating_mul(width.max(1)))?;
            Value::from(expanded(text, width))
        }
        "format" => Value::from(super::str_format(cx, text, args)?),
        "format_map" => {
            let mapping = args.need(name, "mapping")?;
            let named = value::pairs(&mapping).unwrap_or_default();
            let named = named.into_iter().map(|(key, value)| (value::text(&key).into(), value)).collect();
            Value::from(super::str_format(cx, text, &mut Args::new(Vec::new(), named))?)
        }
        "encode" => Value::from(text),
        _ => match classified(text, name) {
            Some(holds) => Value::from(holds),
            None => return Ok(None),
        },
    };
    Ok(Some(result))
}

/// The `is…` methods.
fn classified(text: &str, name: &str) -> Option<bool> {
    let all = |what: fn(char) -> bool| !text.is_empty() && text.chars().all(what);
    Some(match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" | "isdigit" | "isnumeric" => all(char::is_numeric),
        "isspace" => all(char::is_whitespace),
        "isprintable" => text.chars().all(|c| !c.is_control()),
        "isidentifier" => {
            let first = |c: char| c.is_alphabetic() || c == '_';
            text.chars().next().is_some_and(first) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        }
        "islower" => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        "istitle" => text.chars().any(char::is_alphabetic) && titled(text) == text,
        _ => return None,
    })
}

/// Each tab as the spaces up to the next multiple of `width`.
fn expanded(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if width > 0 => {
                let missing = width - column % width;
                out.push_str(&" ".repeat(missing));
                column += missing;
            }
            '\t' => {}
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    out
}

pub(in super::super) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect(),
        None => String::new(),
    }
}

fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

fn swapped(text: &str) -> String {
    let swap = |c: char| -> String {
        if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
    };
    text.chars().map(swap).collect()
}

fn stripped(text: &str, name: &str, args: &mut Args) -> Value {
    let chars = args.text("chars");
    let out = |c: char| chars.as_ref().map_or(c.is_whitespace(), |chars| chars.contains(c));
    Value::from(match name {
        "lstrip" => text.trim_start_matches(out),
        "rstrip" => text.trim_end_matches(out),
        _ => text.trim_matches(out),
    })
}

fn split(text: &str, from_right: bool, args: &mut Args) -> Outcome<Value> {
    let separator = args.text("sep");
    let times = args.int("maxsplit")?.unwrap_or(-1);
    let parts = usize::try_from(times).map_or(usize::MAX, |times| times.saturating_add(1));
    let pieces: Vec<&str> = match (&separator, from_right) {
        (Some(separator), _) if separator.is_empty() => return fail("empty separator"),
        (Some(separator), false) => text.splitn(parts, separator.as_str()).collect(),
        (Some(separator), true) => {
            let mut pieces: Vec<&str> = text.rsplitn(parts, separator.as_str()).collect();
            pieces.reverse();
            pieces
        }
        (None, false) => words(text, parts),
        (None, true) => words_from_right(text, parts),
    };
    limits::list_of(pieces.len())?;
    Ok(list(pieces.into_iter().map(Value::from).collect()))
}

fn words(text: &str, parts: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if pieces.len() + 1 >= parts {
            pieces.push(rest);
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        pieces.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    pieces
}

fn words_from_right(text: &str, parts: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        if pieces.len() + 1 >= parts {
            pieces.push(rest);
            break;
        }
        let start = rest.char_indices().rev().find(|(_, c)| c.is_whitespace());
        let start = start.map_or(0, |(at, c)| at + c.len_utf8());
        pieces.push(&rest[start..]);
        rest = rest[..start].trim_end();
    }
    pieces.reverse();
    pieces
}

fn lines(text: &str, keep: bool) -> Value {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let mark = if rest[end..].starts_with("\r\n") { 2 } else { usize::from(end < rest.len()) };
        pieces.push(Value::from(if keep { &rest[..end + mark] } else { &rest[..end] }));
        rest = &rest[end + mark..];
    }
    list(pieces)
}

fn partition(text: &str, name: &str, args: &mut Args) -> Outcome<Value> {
    let separator = args.need_text(name, "sep")?;
    if separator.is_empty() {
        return fail("empty separator");
    }
    let halves =
        if name == "partition" { text.split_once(&*separator) } else { text.rsplit_once(&*separator) };
    let parts: [&str; 3] = match (halves, name) {
        (Some((before, after)), _) => [before, &separator, after],
        (None, "partition") => [text, "", ""],
        (None, _) => ["", "", text],
    };
    Ok(tuple(parts.into_iter().map(Value::from).collect()))
}

/// What `replace` needs: text, not anything that can be printed.
fn needed_text(value: &Value, place: &str) -> Outcome<String> {
    match view(value) {
        View::Str(text) => Ok(text.to_owned()),
        View::Native(native) if native.0.type_name().ends_with("Relation") => Ok(native.0.text()),
        _ => fail(format!("{place} must be str, not {}", value::type_name(value))),
    }
}

fn replaced(text: &str, args: &mut Args) -> Outcome<Value> {
    let old = needed_text(&args.need("replace", "old")?, "replace() argument 1")?;
    let new = needed_text(&args.need("replace", "new")?, "replace() argument 2")?;
    let times = args.int("count")?.unwrap_or(-1);
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(&*old).count() };
    let found = usize::try_from(times).map_or(found, |times| found.min(times));
    limits::text_of(text.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(&*old, &new, found)))
}

fn joined(cx: &Interp<'_>, separator: &str, args: &mut Args) -> Outcome<Value> {
    let values = value::items(&args.need("join", "iterable")?)?;
    cx.steps_of(values.len() / 4)?;
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        let View::Str(text) = view(value) else {
            return fail(format!(
                "sequence item {index}: expected str instance, {} found",
                value::type_name(value)
            ));
        };
        limits::longer_text(out.len(), separator.len() + text.len())?;
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    Ok(Value::from(out))
}

/// The part of a text that `start` and `end` cut out, and how many characters stand before it.
fn window<'t>(text: &'t str, args: &mut Args) -> Outcome<(&'t str, usize)> {
    let len = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let place = |at: i128| (if at < 0 { at + len } else { at }).clamp(0, len);
    let start = place(args.int("start")?.unwrap_or(0));
    let end = place(args.int("end")?.unwrap_or(len)).max(start);
    let byte = |at: i128| {
        let at = usize::try_from(at).unwrap_or(0);
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    Ok((&text[byte(start)..byte(end)], usize::try_from(start).unwrap_or(0)))
}

fn begins_or_ends(text: &str, name: &str, args: &mut Args) -> Outcome<bool> {
    let wanted = args.need(name, "prefix")?;
    let (text, _) = window(text, args)?;
    let holds = |part: &Value| match view(part) {
        View::Str(part) if name == "startswith" => Ok(text.starts_with(part)),
        View::Str(part) => Ok(text.ends_with(part)),
        _ => fail(format!("{name} first arg must be str or a tuple of str, not {}", value::type_name(part))),
    };
    match view(&wanted) {
        View::Tuple(parts) => {
            for part in parts.iter() {
                if holds(part)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => holds(&wanted),
    }
}

fn found(text: &str, name: &str, args: &mut Args) -> Outcome<Value> {
    let part = args.need_text(name, "sub")?;
    let (window, before) = window(text, args)?;
    if name == "count" {
        return Ok(count(if part.is_empty() {
            window.chars().count() + 1
        } else {
            window.matches(&*part).count()
        }));
    }
    let at = if name.starts_with('r') { window.rfind(&*part) } else { window.find(&*part) };
    match at {
        Some(at) => Ok(count(before + window[..at].chars().count())),
        None if name.ends_with("index") => fail("substring not found"),
        None => Ok(int(-1)),
    }
}

fn padded(text: &str, name: &str, args: &mut Args) -> Outcome<Value> {
    let width = usize::try_from(args.int("width")?.unwrap_or(0)).unwrap_or(0);
    let fill = args.text("fillchar").unwrap_or_else(|| " ".to_owned());
    let missing = width.saturating_sub(text.chars().count());
    limits::text_of(text.len().saturating_add(missing.saturating_mul(fill.len())))?;
    Ok(Value::from(match name {
        "ljust" => format!("{text}{}", fill.repeat(missing)),
        "rjust" => format!("{}{text}", fill.repeat(missing)),
        "zfill" => {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
        _ => {
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
        }
    }))
}

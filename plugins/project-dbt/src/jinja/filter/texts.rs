//! Filters of text.
//!
//! In: a value, read as its text; arguments. Out: a value.
//! Never: makes a text longer than it may be.
//! Fails: where an argument is missing.
//! Source: Jinja 3.1.

use std::fmt::Write as _;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::method::{self, capitalized, printf};
use super::super::problem::Outcome;
use super::super::value::{self, Args, Dict, View, tuple, view};

/// Applies a filter; `None` where there is none of this name.
pub(super) fn filter(cx: &Interp<'_>, name: &str, value: &Value, args: &mut Args) -> Outcome<Option<Value>> {
    let text = value::text(value);
    let result = match name {
        "upper" => text.to_uppercase(),
        "lower" => text.to_lowercase(),
        "capitalize" => capitalized(&text),
        "title" => titled(&text),
        "trim" => {
            let chars = args.text("chars");
            let out = |c: char| chars.as_ref().map_or(c.is_whitespace(), |chars| chars.contains(c));
            text.trim_matches(out).to_owned()
        }
        "replace" => {
            let old = args.need_text(name, "s")?;
            let new = args.need_text(name, "new")?;
            let mut given = vec![Value::from(old), Value::from(new)];
            given.extend(args.int("count")?.map(value::int));
            let mut inner = Args::new(given, Vec::new());
            return method::call(cx, &Value::from(text), "replace", &mut inner);
        }
        "center" => {
            let width = args.take("width").unwrap_or_else(|| Value::from(80));
            let mut inner = Args::new(vec![width], Vec::new());
            return method::call(cx, &Value::from(text), "center", &mut inner);
        }
        "format" => {
            let named = std::mem::take(&mut args.named);
            let given = if named.is_empty() {
                tuple(args.rest())
            } else {
                Value::from_object(Dict::new(
                    named.into_iter().map(|(key, value)| (Value::from(&*key), value)),
                ))
            };
            return printf(&text, &given).map(Some);
        }
        "indent" => indented(&text, args)?,
        "truncate" => truncated(&text, args)?,
        "wordcount" => {
            return Ok(Some(value::count(
                text.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .filter(|word| !word.is_empty())
                    .count(),
            )));
        }
        "wordwrap" => wrapped(&text, args)?,
        "escape" | "e" | "forceescape" => escaped(&text),
        "striptags" => without_tags(&text),
        "urlencode" => return Ok(Some(Value::from(url_encoded(value)))),
        "pprint" => value::repr(value),
        _ => return Ok(None),
    };
    limits::text_of(result.len())?;
    Ok(Some(Value::from(result)))
}

/// Words begin with a capital: words are what stands between spaces, dashes and brackets.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn indented(text: &str, args: &mut Args) -> Outcome<String> {
    let width = args.take("width").unwrap_or_else(|| Value::from(4));
    let first = args.flag("first", false);
    let blank = args.flag("blank", false);
    let indent = match view(&width) {
        View::Str(text) => text.to_owned(),
        View::Int(width) => " ".repeat(usize::try_from(width).unwrap_or(0).min(10_000)),
        _ => String::new(),
    };
    limits::text_of(text.len().saturating_add(text.matches('\n').count().saturating_mul(indent.len())))?;
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let wanted = if index == 0 { first } else { blank || !line.is_empty() };
        if wanted {
            out.push_str(&indent);
        }
        out.push_str(line);
    }
    Ok(out)
}

fn truncated(text: &str, args: &mut Args) -> Outcome<String> {
    let length = usize::try_from(args.int("length")?.unwrap_or(255)).unwrap_or(0);
    let kill_words = args.flag("killwords", false);
    let end = args.text("end").unwrap_or_else(|| "...".to_owned());
    let leeway = usize::try_from(args.int("leeway")?.unwrap_or(5)).unwrap_or(0);
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    if kill_words {
        return Ok(kept + &end);
    }
    let kept = kept.rsplit_once(' ').map_or(kept.as_str(), |(kept, _)| kept);
    Ok(format!("{kept}{end}"))
}

fn wrapped(text: &str, args: &mut Args) -> Outcome<String> {
    let width = usize::try_from(args.int("width")?.unwrap_or(79)).unwrap_or(79).max(1);
    let break_long = args.flag("break_long_words", true);
    let joint = args.text("wrapstring").unwrap_or_else(|| "\n".to_owned());
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let mut here = String::new();
        let mut length = 0;
        let mut any = false;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let mut rest: Vec<char> = word.chars().collect();
            if length > 0 && length + 1 + rest.len() <= width {
                here.push(' ');
                here.extend(&rest);
                length += 1 + rest.len();
                continue;
            }
            if length > 0 {
                lines.push(std::mem::take(&mut here));
                any = true;
            }
            while break_long && rest.len() > width {
                lines.push(rest.drain(..width).collect());
                any = true;
            }
            length = rest.len();
            here.extend(rest);
        }
        if !here.is_empty() || !any {
            lines.push(here);
        }
    }
    Ok(lines.join(&joint))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;")
}

fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn url_encoded(value: &Value) -> String {
    let encode = |text: &str, slash: bool| {
        let mut out = String::new();
        for byte in text.bytes() {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~');
            if plain || (slash && byte == b'/') {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    };
    match value::pairs(value) {
        Some(pairs) => {
            let pair = |(key, value): &(Value, Value)| {
                let encode = |value: &Value| encode(&value::text(value), false).replace("%20", "+");
                format!("{}={}", encode(key), encode(value))
            };
            pairs.iter().map(pair).collect::<Vec<_>>().join("&")
        }
        None => encode(&value::text(value), true),
    }
}

//! What is wrong with a configuration file: file, line, and what to do.
//!
//! In: an error of the TOML reader, or a span and our own words. Out: a [`Failure`].
//! Never: shows more than one line of the file. Fails: not at all.
//! Source: `docs/errors/CD0003.md`.

use std::ops::Range;

use crate::{
    failure::{CONFIG, Failure},
    text,
};

/// From what the TOML reader says.
pub(crate) fn from_toml(name: &str, text: &str, error: &toml::de::Error) -> Box<Failure> {
    let message = error.message();
    if let Some((key, known)) = unknown_key(message) {
        let near = text::nearest(key, known.iter().copied());
        let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let fix = match near {
            Some(near) => format!("did you mean `{near}`? Known here: {list}"),
            None => format!("delete it. Known here: {list}"),
        };
        return at(name, text, error.span(), &format!("unknown key `{key}`"), &fix);
    }
    let what = message.lines().collect::<Vec<_>>().join(", ");
    at(name, text, error.span(), &what, "correct the line")
}

/// In our own words, at a place in the file.
pub(crate) fn at(name: &str, text: &str, span: Option<Range<usize>>, what: &str, fix: &str) -> Box<Failure> {
    let Some(line) = span.map(|span| line_of(text, span.start)) else {
        return Failure::new(CONFIG, format!("`{name}`: {what}"), fix);
    };
    let failure = Failure::new(CONFIG, format!("`{name}` line {line}: {what}"), fix);
    match text.lines().nth(line - 1).map(str::trim) {
        Some(shown) if !shown.is_empty() => failure.why(format!("`{}`", cut(&text::tame(shown)))),
        _ => failure,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn cut(line: &str) -> String {
    if line.chars().count() <= 80 { line.to_owned() } else { line.chars().take(79).chain(['…']).collect() }
}

/// Serde's sentence on an unknown key: the key, and the known ones.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((key, known))
}

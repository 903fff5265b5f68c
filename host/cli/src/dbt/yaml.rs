//! YAML as plain values: `profiles.yml`, `selectors.yml`, `--vars`.
//!
//! In: the text of one file. Out: JSON values; plain words are read as PyYAML reads them.
//! Never: runs tags, or expands more than [`NODES_MAX`] nodes or [`TEXT_BYTES_MAX`] of text.
//! Fails: with the line.
//! Source: YAML 1.2; files in dbt's format were written against PyYAML.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

/// Nodes of one file, its aliases expanded.
const NODES_MAX: usize = 100_000;
/// Bytes of text, likewise.
const TEXT_BYTES_MAX: usize = 8 << 20;
/// How deep lists and maps stand in one another.
const DEPTH_MAX: usize = 64;

/// Why a text is not YAML that we read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) what: String,
}

/// Reads one document; nothing is null.
pub(crate) fn parse(text: &str) -> Result<Value, Wrong> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    options.emit_comments = false;
    let events = Parser::new_from_str_with_options(text, options);
    Reader { events, anchors: HashMap::new(), nodes: 0, bytes: 0 }.document()
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, (Value, usize, usize)>,
    nodes: usize,
    bytes: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value, Wrong> {
        let mut found = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(found.unwrap_or(Value::Null)),
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (_, line) if found.is_some() => return Err(wrong(line, "a second document begins")),
                (event, line) => found = Some(self.value(event, line)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), Wrong> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(wrong(error.marker().line(), error.info())),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn spend(&mut self, line: usize, nodes: usize, bytes: usize) -> Result<(), Wrong> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX || self.bytes > TEXT_BYTES_MAX {
            return Err(wrong(line, "the text grows past what one file may hold"));
        }
        Ok(())
    }

    fn value(&mut self, event: Event<'a>, line: usize) -> Result<Value, Wrong> {
        let (nodes, bytes) = (self.nodes, self.bytes);
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let Some((value, nodes, bytes)) = self.anchors.get(&anchor).cloned() else {
                    return Err(wrong(line, "an alias stands inside the value it names"));
                };
                self.spend(line, nodes, bytes)?;
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, _) => {
                self.spend(line, 1, text.len())?;
                let plain = style == ScalarStyle::Plain;
                (if plain { scalar(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.spend(line, 1, 0)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.value(event, line)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.spend(line, 1, 0)?;
                (Value::Object(self.map()?), anchor)
            }
            _ => return Err(wrong(line, "a value is missing")),
        };
        if anchor != 0 {
            let cost = (self.nodes - nodes, self.bytes - bytes);
            self.anchors.insert(anchor, (value.clone(), cost.0, cost.1));
        }
        Ok(value)
    }

    fn map(&mut self) -> Result<Map<String, Value>, Wrong> {
        let (mut entries, mut merged) = (Map::new(), Map::new());
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), line) => (key.into_owned(), line),
                (_, line) => return Err(wrong(line, "a key must be a word")),
            };
            self.spend(line, 0, key.len())?;
            let (event, at) = self.next()?;
            let value = self.value(event, at)?;
            match (key.as_str(), value) {
                ("<<", Value::Object(map)) => merged.extend(map),
                ("<<", Value::Array(maps)) => {
                    merged
                        .extend(maps.into_iter().rev().filter_map(|map| map.as_object().cloned()).flatten());
                }
                (_, value) => {
                    if entries.insert(key.clone(), value).is_some() {
                        return Err(wrong(line, format!("the key `{key}` stands here for the second time")));
                    }
                }
            }
        }
        for (key, value) in merged {
            entries.entry(key).or_insert(value);
        }
        Ok(entries)
    }
}

/// What a word without quotes means.
pub(crate) fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    // `007` is a code, not a number.
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if numeric && !padded {
        if let Ok(whole) = text.parse::<i64>() {
            return whole.into();
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

fn wrong(line: usize, what: impl Into<String>) -> Wrong {
    Wrong { line, what: what.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_aliases_and_merges_are_read() {
        let text = "base: &b {a: 1, b: 'x'}\nover:\n  <<: *b\n  b: no\nlist: [~, 1.5, 007, on]\n";
        let found = parse(text).unwrap();
        assert_eq!(found["over"], json!({"b": false, "a": 1}));
        assert_eq!(found["list"], json!([null, 1.5, "007", true]));
        assert_eq!(parse("").unwrap(), Value::Null);
    }

    #[test]
    fn what_is_no_yaml_names_its_line() {
        assert_eq!(parse("a: 1\na: 2\n").unwrap_err().line, 2);
        assert!(parse("a: [1, 2\n").is_err());
        let bomb = format!("a: &a [x, x, x, x, x, x, x, x]\n{}", {
            let names = ["b", "c", "d", "e", "f", "g", "h"];
            let mut before = "a".to_owned();
            names
                .map(|name| {
                    let line = format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 8].join(", "));
                    name.clone_into(&mut before);
                    line
                })
                .concat()
        });
        assert!(parse(&bomb).unwrap_err().what.contains("grows"));
    }
}

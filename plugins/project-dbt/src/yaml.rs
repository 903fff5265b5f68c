//! YAML as a tree that knows its lines.
//!
//! In: the text of one file. Out: a [`Node`], every value with the line it began on.
//! Never: expands more than [`NODES_MAX`] nodes or [`TEXT_BYTES_MAX`] of text, however many aliases
//! the file holds; runs tags.
//! Fails: with a [`YamlError`] that names the line.
//! Source: YAML 1.2; plain words read as PyYAML reads them (`yes`, `on`, `~`), because projects in
//! dbt's format were written against it.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value as Json};

/// How many nodes one file may have once its aliases are expanded.
pub const NODES_MAX: usize = 100_000;
/// How many bytes of text one file may hold once its aliases are expanded.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// How deep lists and maps may stand in one another.
pub const DEPTH_MAX: usize = 64;

/// One value of a YAML file.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line it begins on, from 1.
    pub line: u32,
    /// What it is.
    pub kind: Kind,
}

/// The shapes a value can have.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Null, a boolean, a number or text.
    Scalar(Json),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The line it stands on, from 1.
    pub line: u32,
    /// Its text; keys that are not text are taken as they are written.
    pub text: String,
}

/// Why a file is not YAML that we read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

impl YamlError {
    /// What is wrong, with its code in front.
    #[must_use]
    pub fn coded(&self) -> String {
        format!("{}: {}", crate::codes::YAML, self.message)
    }
}

impl Node {
    /// The text, where it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Json::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it is null or an empty value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Scalar(Json::Null)
    }

    /// The value of a key, where it is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The entries, where it is a map; none otherwise.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items, where it is a list; none otherwise.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The same without lines.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => Json::Object(
                entries.iter().map(|(key, node)| (key.text.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The same without lines, texts rendered. `wanted` says by the keys above a text whether it is
    /// one to render (places in lists count as no key), `render` renders it.
    pub fn rendered(
        &self,
        wanted: &mut dyn FnMut(&[&str]) -> bool,
        render: &mut dyn FnMut(&str, u32) -> Json,
    ) -> Json {
        let mut keys = Vec::new();
        self.rendered_below(&mut keys, wanted, render)
    }

    fn rendered_below<'a>(
        &'a self,
        keys: &mut Vec<&'a str>,
        wanted: &mut dyn FnMut(&[&str]) -> bool,
        render: &mut dyn FnMut(&str, u32) -> Json,
    ) -> Json {
        match &self.kind {
            Kind::Scalar(Json::String(text)) if text.contains('{') && wanted(keys) => render(text, self.line),
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => {
                Json::Array(items.iter().map(|item| item.rendered_below(keys, wanted, render)).collect())
            }
            Kind::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    keys.push(&key.text);
                    map.insert(key.text.clone(), node.rendered_below(keys, wanted, render));
                    keys.pop();
                }
                Json::Object(map)
            }
        }
    }

    /// What it would take to copy: nodes, and bytes of text.
    fn weight(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Scalar(Json::String(text)) => (1, text.len()),
            Kind::Scalar(_) => (1, 0),
            Kind::List(items) => {
                items.iter().map(Node::weight).fold((1, 0), |sum, w| (sum.0 + w.0, sum.1 + w.1))
            }
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.text.len(), node.weight()))
                .fold((1, 0), |sum, (key, w)| (sum.0 + w.0, sum.1 + key + w.1)),
        }
    }
}

/// A key that stands twice in a map; the last one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Double {
    /// The line of the later one.
    pub line: u32,
    /// The key.
    pub key: String,
}

impl Double {
    /// What to say of it.
    #[must_use]
    pub fn note(&self, path: &str) -> String {
        format!(
            "{path}:{}: the key `{}` stands here for the second time; this one holds",
            self.line, self.key
        )
    }
}

/// Reads a file. An empty one is null. Of keys that stand twice the last one holds.
///
/// # Errors
/// Where it is not YAML, holds more than one document, or would grow past the limits.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    parse_with(text, &mut Vec::new())
}

/// As [`parse`], and says which keys stand twice.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(text: &str, doubles: &mut Vec<Double>) -> Result<Node, YamlError> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    options.emit_comments = false;
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        open_end: (!text.ends_with('\n')).then_some(text.len()),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        doubles: Vec::new(),
    };
    let tree = composer.stream();
    doubles.append(&mut composer.doubles);
    tree
}

/// Builds the tree from the parser's events, and keeps the budget.
struct Composer<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Where the text ends, if it ends without a line break.
    open_end: Option<usize>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    bytes: usize,
    doubles: Vec<Double>,
}

impl<'a> Composer<'a> {
    /// The only document of the stream.
    fn stream(&mut self) -> Result<Node, YamlError> {
        let mut document = Node { line: 1, kind: Kind::Scalar(Json::Null) };
        let mut seen = false;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(document),
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (_, line) if seen => {
                    return Err(error(line, "a file holds one YAML document, here a second one begins"));
                }
                (event, line) => {
                    seen = true;
                    document = self.node(event, line)?;
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, u32), YamlError> {
        match self.events.next() {
            Some(Ok((mut event, span))) => {
                // A block ends with the line break that is there, and here none is.
                if let Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) = &mut event
                    && self.open_end.is_some()
                    && span.byte_range().map(|range| range.end) >= self.open_end
                {
                    *text = text.trim_end_matches('\n').to_owned().into();
                }
                Ok((event, line_of(span.start.line())))
            }
            Some(Err(why)) => Err(error(line_of(why.marker().line()), why.info())),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn node(&mut self, event: Event<'a>, line: u32) -> Result<Node, YamlError> {
        let (kind, anchor) = match event {
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor) else {
                    return Err(error(line, "an alias stands inside the value it names"));
                };
                let weight = target.weight();
                self.spend(line, weight)?;
                return Ok(Node { line, kind: self.anchors[&anchor].kind.clone() });
            }
            Event::Scalar(text, style, anchor, _) => {
                self.spend(line, (1, text.len()))?;
                let plain = style == ScalarStyle::Plain;
                (
                    Kind::Scalar(if plain { plain_scalar(&text) } else { Json::String(text.into_owned()) }),
                    anchor,
                )
            }
            Event::SequenceStart(_, anchor, _) => {
                self.spend(line, (1, 0))?;
                (self.list()?, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.spend(line, (1, 0))?;
                (self.map()?, anchor)
            }
            _ => return Err(error(line, "a value is missing")),
        };
        let node = Node { line, kind };
        if anchor != 0 {
            // The copy kept for aliases is paid for as well.
            self.spend(line, node.weight())?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Kind, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, line) => items.push(self.node(event, line)?),
            }
        }
    }

    fn map(&mut self) -> Result<Kind, YamlError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        loop {
            let (text, line) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, ..), line) => (text.into_owned(), line),
                (_, line) => return Err(error(line, "a key must be a word, not a list, a map or an alias")),
            };
            self.spend(line, (0, text.len()))?;
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line)?;
            if text == "<<" {
                merge(&mut merged, value, line)?;
            } else if let Some(at) = places.get(&text) {
                entries[*at].1 = value;
                self.doubles.push(Double { line, key: text });
            } else {
                places.insert(text.clone(), entries.len());
                entries.push((Key { line, text }, value));
            }
        }
        for (key, value) in merged {
            if !places.contains_key(&key.text) {
                entries.push((key, value));
            }
        }
        Ok(Kind::Map(entries))
    }

    /// Takes from the budget of the file.
    fn spend(&mut self, line: u32, (nodes, bytes): (usize, usize)) -> Result<(), YamlError> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX || self.bytes > TEXT_BYTES_MAX {
            return Err(error(
                line,
                format!(
                    "the file grows past {NODES_MAX} values or {} MiB of text once its aliases are expanded",
                    TEXT_BYTES_MAX >> 20
                ),
            ));
        }
        Ok(())
    }
}

/// What `<<: *defaults` brings in.
fn merge(into: &mut Vec<(Key, Node)>, value: Node, line: u32) -> Result<(), YamlError> {
    let maps = match value.kind {
        Kind::List(maps) => maps,
        kind => vec![Node { line, kind }],
    };
    for map in maps {
        let Kind::Map(entries) = map.kind else {
            return Err(error(line, "`<<` takes a map or a list of maps"));
        };
        for (key, node) in entries {
            if !into.iter().any(|(known, _)| known.text == key.text) {
                into.push((key, node));
            }
        }
    }
    Ok(())
}

/// What a word without quotes means.
#[must_use]
pub fn plain_scalar(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Json::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Json::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `007` is a code, not a number.
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let whole = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    };
    if whole(digits) && !leading_zero {
        return whole_number(&text.replace('_', ""));
    }
    // PyYAML wants a point in a number, and a sign in its exponent: `1e5` is text.
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "+0"));
    let signed = exponent
        .strip_prefix(['+', '-'])
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    let point = mantissa.split_once('.').is_some_and(|(before, after)| {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        digits(before) && digits(after) && mantissa.len() > 1
    });
    if point
        && signed
        && !leading_zero
        && let Some(number) = text.replace('_', "").parse::<f64>().ok().and_then(Number::from_f64)
    {
        return Json::Number(number);
    }
    Json::String(text.to_owned())
}

/// A whole number; one with more digits than fit is taken as a number with a point.
fn whole_number(text: &str) -> Json {
    if let Ok(number) = text.parse::<i64>() {
        return Json::Number(number.into());
    }
    if let Ok(number) = text.trim_start_matches('+').parse::<u64>() {
        return Json::Number(number.into());
    }
    text.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

fn line_of(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

fn error(line: u32, message: impl Into<String>) -> YamlError {
    YamlError { line, message: message.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let tree = parse("models:\n  - name: orders\n    tags: [a, 'b']\n    enabled: no\n").unwrap();
        let model = &tree.get("models").unwrap().items()[0];
        assert_eq!(model.get("name").unwrap(), &Node { line: 2, kind: Kind::Scalar("orders".into()) });
        assert_eq!(model.get("tags").unwrap().line, 3);
        assert_eq!(model.get("enabled").unwrap().to_json(), Json::Bool(false));
    }

    #[test]
    fn quoted_words_and_codes_stay_text() {
        let tree = parse("a: '2013'\nb: 007\nc: 2013-01-14\nd: 1.5\ne: -3\n").unwrap();
        assert_eq!(
            tree.to_json(),
            serde_json::json!({"a": "2013", "b": "007", "c": "2013-01-14", "d": 1.5, "e": -3})
        );
    }

    #[test]
    fn an_alias_brings_its_value_and_a_merge_its_entries() {
        let tree = parse("d: &d {schema: raw, tags: [x]}\na: *d\nb: {<<: *d, schema: own}\n").unwrap();
        assert_eq!(tree.get("a").unwrap().to_json(), serde_json::json!({"schema": "raw", "tags": ["x"]}));
        assert_eq!(tree.get("b").unwrap().to_json(), serde_json::json!({"schema": "own", "tags": ["x"]}));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_with_its_line() {
        let mut bomb = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 9].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        let why = parse(&bomb).unwrap_err();
        assert_eq!(why.line, 5);
        assert!(why.message.contains("once its aliases are expanded"), "{}", why.message);
    }

    #[test]
    fn a_long_text_repeated_by_aliases_is_refused() {
        let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 64].join(","));
        assert_eq!(parse(&bomb).unwrap_err().line, 2);
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse(&format!("a: {}", "- ".repeat(10_000))).is_err());
    }

    #[test]
    fn of_a_double_key_the_last_one_holds_and_it_is_said() {
        let mut doubles = Vec::new();
        let tree = parse_with("a: 1\nb: 2\na: 3\n", &mut doubles).unwrap();
        assert_eq!(tree.to_json(), serde_json::json!({"a": 3, "b": 2}));
        assert_eq!(doubles, [Double { line: 3, key: "a".into() }]);
    }

    #[test]
    fn a_broken_line_and_a_second_document_are_refused() {
        assert_eq!(parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err().line, 3);
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().line, 3);
        assert!(parse("a: &a [*a]\n").is_err());
    }

    #[test]
    fn an_empty_file_is_null() {
        assert!(parse("").unwrap().is_null());
        assert!(parse("# only words\n").unwrap().is_null());
    }

    proptest! {
        #[test]
        fn any_text_gives_a_tree_or_an_error(text in "\\PC*|[ \\n:\\-\\[\\]{}&*a!|>'\"#%@,?<]*") {
            let _ = parse(&text);
        }
    }
}

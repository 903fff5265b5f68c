//! `re`.
//!
//! In: patterns of Python, texts. Out: matches, texts, lists.
//! Never: backtracks without end.
//! Fails: for patterns that are none, and those that take too long.
//! Source: Python's `re`; patterns are followed by `fancy-regex`.

use std::any::Any;
use std::sync::Arc;

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::value::{
    self, Args, Dict, Native, Python, View, count, int, list, native, none, tuple, view,
};

/// How much of a pattern's compiled form there may be.
const SIZE_MAX: usize = 1 << 20;
/// How many steps back a pattern may take.
const BACKTRACKS_MAX: usize = 1_000_000;

const FLAGS: [(&str, &str, i64, char); 6] = [
    ("IGNORECASE", "I", 2, 'i'),
    ("MULTILINE", "M", 8, 'm'),
    ("DOTALL", "S", 16, 's'),
    ("UNICODE", "U", 32, ' '),
    ("VERBOSE", "X", 64, 'x'),
    ("ASCII", "A", 256, ' '),
];

/// The value of a flag.
pub(super) fn flag(name: &str) -> Option<Value> {
    let found = FLAGS.iter().find(|(long, short, ..)| *long == name || *short == name)?;
    Some(Value::from(found.2))
}

/// A pattern.
#[derive(Debug, Clone)]
struct Pattern {
    source: String,
    flags: i64,
}

impl Pattern {
    fn of(value: &Value, flags: i64) -> Outcome<Self> {
        if let Some(found) = value.downcast_object_ref::<Native>().and_then(|native| native.get::<Self>()) {
            return Ok(found.clone());
        }
        match view(value) {
            View::Str(source) => Ok(Self { source: source.to_owned(), flags }),
            _ => fail(format!(
                "first argument must be string or compiled pattern, not {}",
                value::type_name(value)
            )),
        }
    }

    /// Ready to be followed: anywhere, at the start, or for the whole of a text.
    fn ready(&self, place: &str) -> Outcome<Regex> {
        let letters: String = FLAGS
            .iter()
            .filter(|flag| self.flags & flag.2 != 0 && flag.3 != ' ')
            .map(|flag| flag.3)
            .collect();
        let source = self.source.replace("\\Z", "\\z");
        let inner =
            if letters.is_empty() { format!("(?:{source})") } else { format!("(?{letters}:{source})") };
        let text = match place {
            "match" => format!("\\A{inner}"),
            "fullmatch" => format!("\\A{inner}\\z"),
            _ if letters.is_empty() => source,
            _ => inner,
        };
        let built = RegexBuilder::new(&text)
            .delegate_size_limit(SIZE_MAX)
            .delegate_dfa_size_limit(SIZE_MAX)
            .backtrack_limit(BACKTRACKS_MAX)
            .build();
        built.map_or_else(|why| fail(format!("the pattern '{}' cannot be read: {why}", self.source)), Ok)
    }
}

fn found<T>(result: Result<T, fancy_regex::Error>) -> Outcome<T> {
    result.or_else(|_| fail("the pattern takes too many steps on this text"))
}

/// A match.
#[derive(Debug)]
struct Match {
    text: Arc<str>,
    groups: Vec<Option<(usize, usize)>>,
    names: Vec<Option<String>>,
}

impl Match {
    fn new(text: &Arc<str>, regex: &Regex, captures: &Captures<'_, str>) -> Self {
        let groups = captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect();
        let names = regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        Self { text: text.clone(), groups, names }
    }

    fn index(&self, key: &Value) -> Option<usize> {
        match view(key) {
            View::Int(index) => usize::try_from(index).ok().filter(|index| *index < self.groups.len()),
            View::Str(name) => self.names.iter().position(|known| known.as_deref() == Some(name)),
            _ => None,
        }
    }

    fn group(&self, index: usize) -> Option<Value> {
        let (start, end) = (*self.groups.get(index)?)?;
        self.text.get(start..end).map(Value::from)
    }

    fn span(&self, index: usize) -> (Value, Value) {
        let chars = |at: usize| count(self.text[..at].chars().count());
        match self.groups.get(index).copied().flatten() {
            Some((start, end)) => (chars(start), chars(end)),
            None => (int(-1), int(-1)),
        }
    }
}

impl Python for Match {
    fn type_name(&self) -> &'static str {
        "re.Match"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn item(&self, key: &Value) -> Option<Value> {
        Some(self.group(self.index(key)?).unwrap_or_else(none))
    }

    fn attr(&self, name: &str) -> Option<Value> {
        match name {
            "string" => Some(Value::from(&*self.text)),
            "lastindex" => Some(
                (1..self.groups.len()).rfind(|index| self.groups[*index].is_some()).map_or_else(none, count),
            ),
            _ => None,
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        &["group", "groups", "groupdict", "start", "end", "span"]
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        let mut index = || match args.take("group") {
            Some(key) => self.index(&key),
            None => Some(0),
        };
        Some(Ok(match name {
            "group" => {
                let keys = args.rest();
                let wanted: Option<Vec<usize>> = keys.iter().map(|key| self.index(key)).collect();
                let Some(wanted) = wanted else { return Some(fail("no such group")) };
                let one = |index: usize| self.group(index).unwrap_or_else(none);
                match wanted.as_slice() {
                    [] => one(0),
                    [index] => one(*index),
                    many => tuple(many.iter().map(|index| one(*index)).collect()),
                }
            }
            "groups" => {
                let default = args.take("default").unwrap_or_else(none);
                let groups =
                    (1..self.groups.len()).map(|index| self.group(index).unwrap_or_else(|| default.clone()));
                tuple(groups.collect())
            }
            "groupdict" => {
                let default = args.take("default").unwrap_or_else(none);
                let pairs = self.names.iter().enumerate().filter_map(|(index, name)| {
                    Some((
                        Value::from(name.as_deref()?),
                        self.group(index).unwrap_or_else(|| default.clone()),
                    ))
                });
                Value::from_object(Dict::new(pairs))
            }
            "start" | "end" | "span" => {
                let Some(index) = index() else { return Some(fail("no such group")) };
                let (start, end) = self.span(index);
                match name {
                    "start" => start,
                    "end" => end,
                    _ => tuple(vec![start, end]),
                }
            }
            _ => return None,
        }))
    }

    fn text(&self) -> String {
        let (start, end) = self.span(0);
        let whole = self.group(0).unwrap_or_else(none);
        format!("<re.Match object; span=({start}, {end}), match={}>", value::repr(&whole))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Python for Pattern {
    fn type_name(&self) -> &'static str {
        "re.Pattern"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        match name {
            "pattern" => Some(Value::from(self.source.as_str())),
            "flags" => Some(Value::from(self.flags)),
            _ => None,
        }
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        run(cx, self, name, args).transpose()
    }

    fn text(&self) -> String {
        format!("re.compile({})", value::repr(&Value::from(self.source.as_str())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `re.…(…)`.
pub(super) fn call(cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
    let mut outcome = || -> Outcome<Option<Value>> {
        if name == "escape" {
            let text = args.need_text(name, "pattern")?;
            let mut out = String::new();
            for c in text.chars() {
                if "()[]{}?*+-|^$\\.&~# \t\n\r".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            return Ok(Some(Value::from(out)));
        }
        let given = args.need(name, "pattern")?;
        let wanted = match name {
            "compile" => 1,
            "sub" | "subn" | "split" => 5,
            _ => 3,
        };
        // Flags come last by position too: `re.match(pattern, text, flags)`.
        let flags = match args.named("flags") {
            Some(flags) => flags.as_i64().unwrap_or(0),
            None if args.positional.len() == wanted || (name == "compile" && args.positional.len() == 2) => {
                args.positional.pop().and_then(|flags| flags.as_i64()).unwrap_or(0)
            }
            None => 0,
        };
        let pattern = Pattern::of(&given, flags)?;
        if name == "compile" {
            pattern.ready("search")?;
            return Ok(Some(native(pattern)));
        }
        run(cx, &pattern, name, args)
    };
    outcome().transpose()
}

fn run(cx: &Interp<'_>, pattern: &Pattern, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    if !matches!(name, "match" | "search" | "fullmatch" | "findall" | "finditer" | "split" | "sub" | "subn") {
        return Ok(None);
    }
    let regex = pattern.ready(name)?;
    let replacement = if name.starts_with("sub") { Some(args.need(name, "repl")?) } else { None };
    let text = args.need(name, "string")?;
    let View::Str(text) = view(&text) else {
        return fail(format!("expected string or bytes-like object, got '{}'", value::type_name(&text)));
    };
    let text: Arc<str> = text.into();
    cx.steps_of(text.len() / 16 + 16)?;
    Ok(Some(match name {
        "match" | "search" | "fullmatch" => match found(regex.captures(&*text))? {
            Some(captures) => native(Match::new(&text, &regex, &captures)),
            None => none(),
        },
        "findall" | "finditer" => {
            let mut all = Vec::new();
            for captures in regex.captures_iter(&*text) {
                let found = Match::new(&text, &regex, &found(captures)?);
                let text_of = |index: usize| found.group(index).unwrap_or_else(|| Value::from(""));
                cx.step()?;
                all.push(match (name, found.groups.len()) {
                    ("finditer", _) => native(found),
                    (_, 1) => text_of(0),
                    (_, 2) => text_of(1),
                    (_, many) => tuple((1..many).map(text_of).collect()),
                });
            }
            list(all)
        }
        "split" => split(&regex, &text, args)?,
        _ => {
            let times = args.int("count")?.and_then(|times| usize::try_from(times).ok()).unwrap_or(0);
            let replacement = replacement.unwrap_or_else(none);
            let (out, many) = substituted(cx, &regex, &text, &replacement, times)?;
            if name == "sub" { Value::from(out) } else { tuple(vec![Value::from(out), count(many)]) }
        }
    }))
}

fn split(regex: &Regex, text: &Arc<str>, args: &mut Args) -> Outcome<Value> {
    let times = args.int("maxsplit")?.and_then(|times| usize::try_from(times).ok()).unwrap_or(0);
    let mut parts = Vec::new();
    let mut at = 0;
    for captures in regex.captures_iter(&**text) {
        let captures = found(captures)?;
        let Some(whole) = captures.get(0) else { continue };
        if times > 0 && parts.len() >= times {
            break;
        }
        parts.push(Value::from(&text[at..whole.start()]));
        parts.extend(
            (1..captures.len())
                .map(|index| captures.get(index).map_or_else(none, |group| Value::from(group.as_str()))),
        );
        at = whole.end();
    }
    parts.push(Value::from(&text[at..]));
    Ok(list(parts))
}

fn substituted(
    cx: &Interp<'_>,
    regex: &Regex,
    text: &Arc<str>,
    replacement: &Value,
    times: usize,
) -> Outcome<(String, usize)> {
    let mut out = String::new();
    let mut at = 0;
    let mut many = 0;
    for captures in regex.captures_iter(&**text) {
        let captures = found(captures)?;
        let Some(whole) = captures.get(0) else { continue };
        if times > 0 && many >= times {
            break;
        }
        many += 1;
        cx.step()?;
        let before = out.len();
        out.push_str(&text[at..whole.start()]);
        match view(replacement) {
            View::Str(template) => expand(&mut out, template, &captures)?,
            _ => {
                let shown = native(Match::new(text, regex, &captures));
                out.push_str(&value::text(&cx.call(replacement, Args::new(vec![shown], Vec::new()))?));
            }
        }
        limits::longer_text(before, out.len() - before)?;
        at = whole.end();
    }
    out.push_str(&text[at..]);
    Ok((out, many))
}

/// A replacement with its groups: `\1`, `\g<name>`.
fn expand(out: &mut String, template: &str, captures: &Captures<'_, str>) -> Outcome<()> {
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(inner) = rest.strip_prefix("g<") {
            let Some((name, after)) = inner.split_once('>') else {
                return fail("missing > in a replacement");
            };
            let group = match name.parse::<usize>() {
                Ok(index) if index < captures.len() => captures.get(index),
                Ok(index) => return fail(format!("invalid group reference {index}")),
                Err(_) => captures.name(name),
            };
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
            continue;
        }
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let index: usize = rest[..digits].parse().unwrap_or(0);
            if index >= captures.len() {
                return fail(format!("invalid group reference {index}"));
            }
            out.push_str(captures.get(index).map_or("", |group| group.as_str()));
            rest = &rest[digits..];
            continue;
        }
        let mut chars = rest.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(())
}

//! `%` formatting and `str.format`.
//!
//! In: a format and values. Out: text.
//! Never: pads to more than a text may have.
//! Fails: where a value does not fit its place.
//! Source: Python 3.12's printf-style formatting and format specification mini-language.

use minijinja::Value;

use super::super::interp::Interp;
use super::super::limits;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, View, float_text, repr, text, view};

/// How a value is to be written.
#[derive(Debug, Default, Clone)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `format % value`.
pub(in super::super) fn printf(format: &str, value: &Value) -> Outcome<Value> {
    let mut rest: Vec<Value> = match view(value) {
        View::Tuple(tuple) => tuple.iter().rev().cloned().collect(),
        _ => vec![value.clone()],
    };
    let mapping = value::pairs(value).is_some();
    let mut used_names = false;
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut named = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let name: String = chars.by_ref().take_while(|c| *c != ')').collect();
            if !mapping {
                return fail("format requires a mapping");
            }
            used_names = true;
            named = Some(value::item(value, &Value::from(name.as_str())).unwrap_or_default());
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | ' ' | '0' | '#')) {
            match flag {
                '-' => spec.align = Some('<'),
                '0' => spec.zero = true,
                '#' => spec.alternate = true,
                sign => spec.sign = Some(sign),
            }
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, rest: &mut Vec<Value>| {
            if chars.next_if_eq(&'*').is_some() {
                return rest.pop().and_then(|value| value.as_usize());
            }
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse().ok()
        };
        spec.width = number(&mut chars, &mut rest).unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars, &mut rest).unwrap_or(0));
        }
        while chars.next_if(|c| matches!(c, 'h' | 'l' | 'L')).is_some() {}
        let Some(kind) = chars.next() else { return fail("incomplete format") };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => match rest.pop() {
                Some(value) => value,
                None => return fail("not enough arguments for format string"),
            },
        };
        if spec.align.is_none() {
            spec.align = Some('>');
        }
        let piece = printf_one(&value, spec, kind)?;
        limits::longer_text(out.len(), piece.len())?;
        out.push_str(&piece);
    }
    if !rest.is_empty() && !used_names && !mapping {
        return fail("not all arguments converted during string formatting");
    }
    Ok(Value::from(out))
}

fn printf_one(value: &Value, mut spec: Spec, kind: char) -> Outcome<String> {
    match kind {
        's' | 'r' | 'a' => {
            spec.zero = false;
            let text = if kind == 's' { text(value) } else { repr(value) };
            aligned(&cut(&text, spec.precision), "", &spec)
        }
        'c' => {
            let text = match view(value) {
                View::Int(code) => u32::try_from(code).ok().and_then(char::from_u32).map(String::from),
                _ => value.as_str().map(str::to_owned),
            };
            aligned(&text.unwrap_or_default(), "", &spec)
        }
        'd' | 'i' | 'u' => match whole(value) {
            Some(number) => {
                spec.kind = Some('d');
                spec.precision = None;
                integer(number, &spec)
            }
            None => {
                fail(format!("%{kind} format: a real number is required, not {}", value::type_name(value)))
            }
        },
        'x' | 'X' | 'o' => match whole(value) {
            Some(number) => {
                spec.kind = Some(kind);
                integer(number, &spec)
            }
            None => fail(format!("%{kind} format: an integer is required, not {}", value::type_name(value))),
        },
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => match value::as_float(value) {
            Some(number) => {
                spec.kind = Some(kind);
                float(number, &spec)
            }
            None => fail(format!("must be real number, not {}", value::type_name(value))),
        },
        other => fail(format!("unsupported format character '{other}'")),
    }
}

/// A number without its fraction.
fn whole(value: &Value) -> Option<i128> {
    match view(value) {
        View::Int(value) => Some(value),
        View::Bool(value) => Some(i128::from(value)),
        #[expect(clippy::cast_possible_truncation, reason = "Python cuts the fraction off as well")]
        View::Float(value) if value.is_finite() => Some(value.trunc() as i128),
        View::Native(native) => native.decimal().map(value::Decimal::whole),
        _ => None,
    }
}

fn cut(text: &str, precision: Option<usize>) -> String {
    match precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    }
}

/// Pads a text; `sign` stands before zeros.
fn aligned(text: &str, sign: &str, spec: &Spec) -> Outcome<String> {
    let length = text.chars().count() + sign.chars().count();
    let missing = spec.width.saturating_sub(length);
    limits::text_of(text.len().saturating_add(missing.saturating_mul(4)))?;
    let zero = spec.zero && spec.align != Some('<') && spec.fill.is_none();
    let fill = spec.fill.unwrap_or(if zero { '0' } else { ' ' });
    let pad = |many: usize| std::iter::repeat_n(fill, many).collect::<String>();
    Ok(match spec.align {
        _ if zero => format!("{sign}{}{text}", pad(missing)),
        Some('=') => format!("{sign}{}{text}", pad(missing)),
        Some('>') => format!("{}{sign}{text}", pad(missing)),
        Some('^') => format!("{}{sign}{text}{}", pad(missing / 2), pad(missing - missing / 2)),
        _ => format!("{sign}{text}{}", pad(missing)),
    })
}

fn sign_of(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

fn grouped(digits: &str, mark: char, every: usize) -> String {
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(every) {
            out.push(mark);
        }
        out.push(c);
    }
    out
}

fn integer(number: i128, spec: &Spec) -> Outcome<String> {
    let size = number.unsigned_abs();
    let (digits, prefix) = match spec.kind {
        Some('x') => (format!("{size:x}"), "0x"),
        Some('X') => (format!("{size:X}"), "0X"),
        Some('o') => (format!("{size:o}"), "0o"),
        Some('b') => (format!("{size:b}"), "0b"),
        _ => (size.to_string(), ""),
    };
    let every = if prefix.is_empty() { 3 } else { 4 };
    let digits = spec.group.map_or(digits.clone(), |mark| grouped(&digits, mark, every));
    let mut sign = sign_of(number < 0, spec).to_owned();
    if spec.alternate {
        sign.push_str(prefix);
    }
    aligned(&digits, &sign, spec)
}

/// Digits with an exponent as Python writes them.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(number: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    if number == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{number:.*e}", precision - 1);
    let exponent: i64 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let many = i64::try_from(precision).unwrap_or(i64::MAX);
    let trimmed = |text: &str| {
        if alternate || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if exponent < -4 || exponent >= many {
        let text = scientific(number, precision - 1);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    let places = usize::try_from(many - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.places$}"))
}

fn float(number: f64, spec: &Spec) -> Outcome<String> {
    let precision = spec.precision.unwrap_or(6);
    if precision > 1000 {
        return fail("the precision of a number is too large");
    }
    let size = number.abs();
    let mut digits = match spec.kind {
        _ if !number.is_finite() => float_text(size),
        Some('e' | 'E') => scientific(size, precision),
        Some('g' | 'G') => general(size, precision, spec.alternate),
        Some('%') => format!("{:.precision$}%", size * 100.0),
        Some('f' | 'F') => format!("{size:.precision$}"),
        _ => match spec.precision {
            Some(precision) => {
                let text = general(size, precision, spec.alternate);
                if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
            }
            None => float_text(size),
        },
    };
    if matches!(spec.kind, Some('E' | 'G' | 'F')) {
        digits = digits.to_uppercase();
    }
    if let Some(mark) = spec.group {
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits = format!("{}{}", grouped(&digits[..end], mark, 3), &digits[end..]);
    }
    aligned(&digits, sign_of(number.is_sign_negative() && !number.is_nan(), spec), spec)
}

/// A value as `format(value, spec)` writes it.
pub(in super::super) fn format_value(value: &Value, spec: &str) -> Outcome<String> {
    if spec.is_empty() {
        return Ok(text(value));
    }
    if let View::Native(native) = view(value)
        && let Some(written) = native.0.format(spec)
    {
        return Ok(written);
    }
    let Some(mut parsed) = parse(spec) else {
        return fail(format!("Invalid format specifier '{spec}'"));
    };
    let number = matches!(view(value), View::Int(_) | View::Float(_) | View::Bool(_))
        || matches!(view(value), View::Native(native) if native.decimal().is_some());
    if parsed.align.is_none() {
        parsed.align = Some(if number { '>' } else { '<' });
        if parsed.zero && number {
            parsed.align = Some('=');
        }
    }
    match (view(value), parsed.kind) {
        (View::Int(value), None | Some('d' | 'n' | 'x' | 'X' | 'o' | 'b')) => integer(value, &parsed),
        (View::Bool(flag), Some('d')) => integer(i128::from(flag), &parsed),
        (View::Str(text), None | Some('s')) => {
            parsed.zero = false;
            aligned(&cut(text, parsed.precision), "", &parsed)
        }
        (View::Native(native), None | Some('f')) if native.decimal().is_some() => {
            let decimal = native.decimal().unwrap_or_default();
            let places = parsed.precision.or(if parsed.kind.is_some() { Some(6) } else { None });
            let places = places.and_then(|places| u32::try_from(places.min(30)).ok());
            let text = value::text(&places.map_or(decimal, |places| decimal.rounded(places)).value());
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => ("-", digits.to_owned()),
                None => (sign_of(false, &parsed), text),
            };
            let end = digits.find('.').unwrap_or(digits.len());
            let whole =
                parsed.group.map_or(digits[..end].to_owned(), |mark| grouped(&digits[..end], mark, 3));
            aligned(&format!("{whole}{}", &digits[end..]), sign, &parsed)
        }
        (_, kind) if number && kind != Some('s') => {
            let Some(number) = value::as_float(value) else { return fail("a number is needed") };
            float(number, &parsed)
        }
        (_, None | Some('s')) => {
            parsed.zero = false;
            aligned(&cut(&text(value), parsed.precision), "", &parsed)
        }
        (_, Some(kind)) => {
            fail(format!("Unknown format code '{kind}' for object of type '{}'", value::type_name(value)))
        }
    }
}

/// Reads a format specification.
fn parse(spec: &str) -> Option<Spec> {
    let mut parsed = Spec::default();
    let chars: Vec<char> = spec.chars().collect();
    let mut at = 0;
    let is_align = |c: Option<&char>| c.is_some_and(|c| matches!(c, '<' | '>' | '^' | '='));
    if is_align(chars.get(1)) {
        parsed.fill = Some(chars[0]);
        parsed.align = Some(chars[1]);
        at = 2;
    } else if is_align(chars.first()) {
        parsed.align = Some(chars[0]);
        at = 1;
    }
    let mut next = |wanted: &dyn Fn(char) -> bool| {
        let c = chars.get(at).copied().filter(|c| wanted(*c))?;
        at += 1;
        Some(c)
    };
    parsed.sign = next(&|c| matches!(c, '+' | '-' | ' '));
    parsed.alternate = next(&|c| c == '#').is_some();
    parsed.zero = next(&|c| c == '0').is_some();
    let mut digits = String::new();
    while let Some(digit) = next(&|c| c.is_ascii_digit()) {
        digits.push(digit);
    }
    parsed.width = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    parsed.group = next(&|c| matches!(c, ',' | '_'));
    if next(&|c| c == '.').is_some() {
        let mut digits = String::new();
        while let Some(digit) = next(&|c| c.is_ascii_digit()) {
            digits.push(digit);
        }
        parsed.precision = Some(digits.parse().ok()?);
    }
    parsed.kind = next(&|c| c.is_ascii_alphabetic() || c == '%');
    (at == chars.len()).then_some(parsed)
}

/// `format.format(…)`.
pub(in super::super) fn str_format(cx: &Interp<'_>, format: &str, args: &mut Args) -> Outcome<String> {
    let positional = args.rest();
    let named = std::mem::take(&mut args.named);
    let mut next = 0;
    fields(cx, format, &positional, &named, &mut next, 0)
}

type Named = [(std::sync::Arc<str>, Value)];

fn fields(
    cx: &Interp<'_>,
    format: &str,
    positional: &[Value],
    named: &Named,
    next: &mut usize,
    depth: usize,
) -> Outcome<String> {
    if depth > 2 {
        return fail("Max string recursion exceeded");
    }
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        limits::longer_text(out.len(), at)?;
        out.push_str(&rest[..at]);
        let mark = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(mark) {
            out.push_str(mark);
            rest = after;
            continue;
        }
        if mark == "}" {
            return fail("Single '}' encountered in format string");
        }
        let mut open = 1_usize;
        let end = rest.find(|c| {
            match c {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            open == 0
        });
        let Some(end) = end else { return fail("Single '{' encountered in format string") };
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = field.split_once('!').map_or((field, None), |(name, c)| (name, Some(c)));
        let mut value = field_value(cx, name, positional, named, next)?;
        match conversion {
            Some("r" | "a") => value = Value::from(repr(&value)),
            Some("s") => value = Value::from(text(&value)),
            _ => {}
        }
        let spec = fields(cx, spec, positional, named, next, depth + 1)?;
        out.push_str(&format_value(&value, &spec)?);
    }
    out.push_str(rest);
    limits::text_of(out.len())?;
    Ok(out)
}

/// The value a field names: `0`, `name`, `name.attribute`, `name[key]`.
fn field_value(
    cx: &Interp<'_>,
    name: &str,
    positional: &[Value],
    named: &Named,
    next: &mut usize,
) -> Outcome<Value> {
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (base, mut path) = name.split_at(end);
    let index = if base.is_empty() {
        *next += 1;
        Some(*next - 1)
    } else {
        base.parse::<usize>().ok()
    };
    let value = match index {
        Some(index) => positional.get(index).cloned(),
        None => named.iter().find(|(known, _)| &**known == base).map(|(_, value)| value.clone()),
    };
    let Some(mut value) = value else {
        return match index {
            Some(index) => fail(format!("Replacement index {index} out of range for positional args tuple")),
            None => fail(format!("the format needs an argument named `{base}`")),
        };
    };
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('[') {
            let Some((key, rest)) = rest.split_once(']') else { return fail("Missing ']' in format string") };
            let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
            value = cx.item(&value, &key);
            path = rest;
        } else {
            let rest = path.strip_prefix('.').unwrap_or(path);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            value = cx.attribute(&value, &rest[..end]);
            path = &rest[end..];
        }
    }
    Ok(value)
}

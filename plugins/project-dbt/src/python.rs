//! How Python writes values as text: part of the names and ids of dbt's tests.
//!
//! In: JSON values. Out: the text `str()` and `repr()` give for the values they stand for.
//! Never: anything else.
//! Fails: not at all.
//! Source: <https://docs.python.org/3/library/functions.html#repr>.

use serde_json::Value as Json;

/// `str(value)`.
#[must_use]
pub fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
#[must_use]
pub fn repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => self::float(float),
            _ => number.to_string(),
        },
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", quoted(key), repr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `repr` of a text: in single quotes, in double ones where it holds a single quote and no double.
fn quoted(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == mark => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push(mark);
    quoted
}

/// `repr` of a float.
#[must_use]
pub fn float(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{float:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({"a": [1, 2.5, 1.0, true, null], "it's": "x\"y", "q": "it's"});
        assert_eq!(repr(&value), r#"{'a': [1, 2.5, 1.0, True, None], "it's": 'x"y', 'q': "it's"}"#);
        assert_eq!(text(&json!("plain")), "plain");
        assert_eq!(
            (float(1e16), float(1e-5), float(123_456.789)),
            ("1e+16".into(), "1e-05".into(), "123456.789".into())
        );
        assert_eq!(quoted("a\n'\""), "'a\\n\\'\"'");
    }
}

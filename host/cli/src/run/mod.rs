//! `run`: starts a run and follows it to its end.
//!
//! In: what to run, a client. Out: a live view on a terminal, a line per change elsewhere, JSON
//! lines on request, and whether it succeeded.
//! Never: owns the run: Ctrl-C leaves it to the scheduler and says so.
//! Fails: with the client's codes, and `CD0019` for a parameter.
//! Source: `docs/guides/command-line.md`.

mod follow;
pub(crate) mod view;

pub use follow::{Ended, Format, follow};

use cofferdam_bundle::statement::Argument;

use crate::failure::{Failure, Outcome, PARAMETER};

/// Reads `name=value`. A value that is no JSON text is taken as a string.
pub fn parameter(text: &str) -> Outcome<Argument> {
    let bad = || {
        let what = format!("`{}` is not a parameter", crate::text::tame(text));
        Failure::new(PARAMETER, what, "write `--param name=value`, e.g. `--param day=2026-11-21`")
    };
    let (name, value) = text.split_once('=').ok_or_else(bad)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(bad());
    }
    let json = match serde_json::from_str::<serde_json::Value>(value) {
        Ok(_) => value.to_owned(),
        Err(_) => serde_json::to_string(value).unwrap_or_default(),
    };
    Ok(Argument { name: name.to_owned(), json })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_else_a_string() {
        let json = |text| parameter(text).unwrap().json;
        assert_eq!(json("day=2013-01-14"), "\"2013-01-14\"");
        assert_eq!(
            (json("n=3"), json("b=true"), json("s=\"3\"")),
            ("3".into(), "true".into(), "\"3\"".into())
        );
        assert_eq!(json("e="), "\"\"");
    }

    #[test]
    fn a_parameter_without_a_name_or_value_is_refused() {
        for text in ["day", "=3", "a b=3"] {
            assert!(parameter(text).unwrap_err().render().starts_with("error[CD0019]"), "{text}");
        }
    }
}

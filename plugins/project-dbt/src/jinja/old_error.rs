//! Template errors as an author needs them: file, line, one sentence.
//!
//! In: what the template engine says. Out: a [`RenderError`].
//! Never: shows the variables of the template, which an attempt's log need not hold.
//! Fails: not at all.
//! Source: `docs/errors/CD0921.md`.

use minijinja::{Error, ErrorKind};

use super::error::{RenderError, RenderKind};

/// Tells an error of the engine in our words. `source` is the text of the template at `path`.
pub(super) fn explain(path: &str, source: &str, error: &Error) -> RenderError {
    let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    let innermost = innermost(error);
    let mut message = sentence(innermost, source);
    if let Some(place) = innermost.name().filter(|name| *name != path) {
        message.push_str(&format!(" (in {place}, line {})", innermost.line().unwrap_or(0)));
    }
    RenderError { path: path.to_owned(), line, message, kind: RenderKind::default() }
}

/// The error that began it.
fn innermost(error: &Error) -> &Error {
    let mut here = error;
    while let Some(next) = std::error::Error::source(here).and_then(|source| source.downcast_ref::<Error>()) {
        here = next;
    }
    here
}

fn sentence(error: &Error, source: &str) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::SyntaxError => format!("the Jinja cannot be read: {detail}"),
        ErrorKind::UndefinedError => {
            let source = error.template_source().unwrap_or(source);
            let expression = error.range().and_then(|range| source.get(range)).unwrap_or_default().trim();
            match expression {
                "" => format!("a value is not defined {detail}").trim_end().to_owned(),
                expression => format!("`{expression}` is not defined"),
            }
        }
        ErrorKind::OutOfFuel => "the template takes too many steps; does a loop never end?".to_owned(),
        ErrorKind::UnknownFunction => {
            let name = detail.split_whitespace().next().unwrap_or_default();
            format!(
                "`{name}` is not a macro of this project, nor a function of dbt's Jinja that is supported"
            )
        }
        ErrorKind::InvalidOperation if detail.contains("recursion limit") => {
            "the template goes too deep; does a macro call itself without end?".to_owned()
        }
        ErrorKind::InvalidOperation if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

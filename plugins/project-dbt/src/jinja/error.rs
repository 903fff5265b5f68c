//! Template errors as an author needs them: file, line, one sentence.
//!
//! In: what the engine says. Out: a [`RenderError`].
//! Never: shows the variables of the template, which an attempt's log need not hold.
//! Fails: not at all.
//! Source: `docs/errors/CD0946.md` to `CD0949.md`.

/// Why a template was not rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {message}")]
pub struct RenderError {
    /// The file.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// What is wrong there; with the macro it is in, if that is another place.
    pub message: String,
    /// What kind of error it is.
    pub kind: RenderKind,
}

/// The kinds of template errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RenderKind {
    /// The text is not Jinja.
    Syntax,
    /// An expression or a function failed.
    #[default]
    Evaluation,
    /// A limit was reached: steps, depth, sizes.
    Limit,
    /// The project itself stopped it: `exceptions.raise_compiler_error(…)` and the like.
    Raised,
}

impl RenderError {
    /// What is wrong, its code in front.
    #[must_use]
    pub fn coded(&self) -> String {
        format!("{}: {}", self.code(), self.message)
    }

    /// The stable code of its kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            RenderKind::Syntax => "CD0946",
            RenderKind::Evaluation => "CD0947",
            RenderKind::Limit => "CD0948",
            RenderKind::Raised => "CD0949",
        }
    }
}

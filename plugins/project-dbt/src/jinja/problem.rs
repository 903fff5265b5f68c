//! What stops a rendering, while it is on its way out.
//!
//! In: sentences. Out: a [`Raise`], with the places it came through.
//! Never: holds values of the template but what a macro returns.
//! Fails: not at all.
//! Source: `docs/errors/CD0946.md` to `CD0949.md`.

use std::sync::Arc;

use minijinja::Value;

use super::error::RenderKind;
use super::syntax::Name;

/// How many places a failure names: the innermost ones and the outermost.
const PLACES_MAX: usize = 12;

/// A result, or what stops it.
pub(super) type Outcome<T> = Result<T, Raise>;

/// What stops an evaluation.
#[derive(Debug)]
pub(super) enum Raise {
    /// `return(value)`: the macro around it ends with it.
    Return(Value),
    /// It went wrong.
    Fail(Box<Failure>),
}

/// What went wrong, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: RenderKind,
    pub(super) message: String,
    /// From the innermost outwards.
    pub(super) places: Vec<Place>,
    /// Whether the next place on the way out is to be noted: it is that of a call.
    pub(super) open: bool,
}

/// A place a failure came through.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) unit: Arc<Unit>,
    pub(super) line: u32,
}

/// A text that is rendered: a file, or a macro of one.
#[derive(Debug)]
pub(super) struct Unit {
    /// The package whose names it sees first.
    pub(super) package: String,
    /// The file.
    pub(super) path: String,
    /// The macro, if it is one.
    pub(super) name: Option<String>,
    /// What is to be added to a line for it to be the file's.
    pub(super) lines_before: u32,
    /// Whether undefined values lead on to undefined values: in texts that are described.
    pub(super) lenient: bool,
    /// The names a lenient text gives values to, somewhere.
    pub(super) assigned: Vec<Name>,
}

/// An error in an expression.
pub(super) fn fail<T>(message: impl Into<String>) -> Outcome<T> {
    Err(failure(RenderKind::Evaluation, message))
}

/// An error of the given kind.
pub(super) fn failure(kind: RenderKind, message: impl Into<String>) -> Raise {
    Raise::Fail(Box::new(Failure { kind, message: message.into(), places: Vec::new(), open: true }))
}

impl Raise {
    /// Notes a place, if none is known yet or a call was left.
    pub(super) fn at(mut self, unit: &Arc<Unit>, line: u32) -> Self {
        if let Self::Fail(failure) = &mut self
            && failure.open
        {
            failure.open = false;
            let place = Place { unit: unit.clone(), line: line.saturating_add(unit.lines_before) };
            if failure.places.len() >= PLACES_MAX {
                failure.places.pop();
            }
            failure.places.push(place);
        }
        self
    }

    /// Notes that a call is left.
    pub(super) fn left(mut self) -> Self {
        if let Self::Fail(failure) = &mut self {
            failure.open = true;
        }
        self
    }
}

/// Sentences of others become failures.
pub(super) fn said<T>(result: Result<T, String>) -> Outcome<T> {
    result.or_else(fail)
}

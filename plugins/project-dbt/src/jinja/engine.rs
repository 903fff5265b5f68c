//! Renders dbt's Jinja: one engine per library, one call per text.
//!
//! In: a text, the package and file it stands in, a [`World`].
//! Out: text, or a value.
//! Never: keeps anything between two calls but what was read of macros.
//! Fails: with a [`RenderError`].
//! Source: `docs/adr/0018-dbt-jinja-on-minijinja.md`.

use std::sync::Arc;

use minijinja::Value;

use super::blocks::{has_jinja, lone_expression};
use super::builtin::marked;
use super::error::{RenderError, RenderKind};
use super::interp::{Frame, Interp, Scope};
use super::library::Library;
use super::limits;
use super::problem::{Outcome, Raise, Unit, fail};
use super::syntax::{self, Name, SyntaxError};
use super::value::Args;
use super::world::World;

/// Renders texts with the macros of a library.
#[derive(Debug, Clone)]
pub struct Engine {
    library: Arc<Library>,
}

impl Engine {
    /// An engine for these macros.
    #[must_use]
    pub fn new(library: Arc<Library>) -> Self {
        Self { library }
    }

    /// The macros.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Renders a text of a file to text. A text without Jinja stays as it is, its last line end
    /// included, as in dbt.
    ///
    /// # Errors
    /// With file, line and what is wrong.
    pub fn render(
        &self,
        package: &str,
        path: &str,
        text: &str,
        world: &dyn World,
    ) -> Result<String, RenderError> {
        if !has_jinja(text) {
            return Ok(text.to_owned());
        }
        let template = syntax::parse(text).map_err(|why| unreadable(path, why))?;
        self.run(package, path, template.assigned, world, |cx, frame| {
            let mut out = String::new();
            cx.execute(frame, &template.body, &mut out)?;
            Ok(out)
        })
    }

    /// Renders a text of a YAML file to a value, as dbt's "native" rendering does: text stays text
    /// unless it is one expression alone that is none, or has gone through `as_native`,
    /// `as_number`, `as_bool`.
    ///
    /// # Errors
    /// With file, line and what is wrong.
    pub fn native(
        &self,
        package: &str,
        path: &str,
        text: &str,
        world: &dyn World,
    ) -> Result<Value, RenderError> {
        if !has_jinja(text) {
            return Ok(Value::from(text));
        }
        let template = syntax::parse_native(text).map_err(|why| unreadable(path, why))?;
        self.run(package, path, template.assigned, world, |cx, frame| {
            let mut parts = Vec::new();
            cx.parts(frame, &template.body, &mut parts)?;
            marked(&parts)
        })
    }

    /// The value of one expression, with or without braces, such as `ref('orders')`.
    ///
    /// # Errors
    /// With file, line and what is wrong.
    pub fn evaluate(
        &self,
        package: &str,
        path: &str,
        expression: &str,
        world: &dyn World,
    ) -> Result<Value, RenderError> {
        let expression = lone_expression(expression.trim()).unwrap_or(expression);
        let node = syntax::parse_expression(expression).map_err(|why| unreadable(path, why))?;
        self.run(package, path, Vec::new(), world, |cx, frame| cx.evaluate(frame, &node))
    }

    /// Calls a macro, found as in a text of `package`; `name` may be `package.name`. Gives what it
    /// returned, or its text.
    ///
    /// # Errors
    /// With file, line and what is wrong; also where there is no such macro.
    pub fn call(
        &self,
        package: &str,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
        world: &dyn World,
    ) -> Result<Value, RenderError> {
        let path = self.library.find(package, name).map_or("", |found| found.path.as_str());
        self.run(package, path, Vec::new(), world, |cx, frame| {
            let callee = match self.library.find_shared(package, name) {
                Some(found) => cx.macro_value(found),
                None => match cx.global(&frame.unit, name) {
                    Some(value) => value,
                    None => return fail(format!("there is no macro `{name}`")),
                },
            };
            let named = kwargs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
            cx.call(&callee, Args::new(args.to_vec(), named))
        })
    }

    /// Evaluates in a rendering of its own.
    fn run<T>(
        &self,
        package: &str,
        path: &str,
        assigned: Vec<Name>,
        world: &dyn World,
        what: impl FnOnce(&Interp<'_>, &Frame) -> Outcome<T>,
    ) -> Result<T, RenderError> {
        let cx = Interp::new(self.library.clone(), package, world);
        let unit = Arc::new(Unit {
            package: package.to_owned(),
            path: path.to_owned(),
            name: None,
            lines_before: 0,
            lenient: !world.execute(),
            assigned,
        });
        let frame = Frame { unit, scope: Scope::within(None) };
        let made = limits::begin();
        let result = what(&cx, &frame);
        limits::resume(made);
        frame.scope.clear();
        result.map_err(|why| explain(path, why))
    }
}

/// What is wrong with a text that cannot be read.
fn unreadable(path: &str, why: SyntaxError) -> RenderError {
    RenderError {
        path: path.to_owned(),
        line: why.line,
        message: format!("the Jinja cannot be read: {}", why.message),
        kind: RenderKind::Syntax,
    }
}

/// What stopped a rendering, for people.
fn explain(path: &str, why: Raise) -> RenderError {
    let failure = match why {
        Raise::Fail(failure) => *failure,
        Raise::Return(_) => {
            let message = "`return` stands outside of a macro".to_owned();
            return RenderError { path: path.to_owned(), line: 0, message, kind: RenderKind::Evaluation };
        }
    };
    let outermost = failure.places.last().filter(|place| place.unit.name.is_none());
    let line = outermost.map_or(0, |place| place.line);
    let mut message = failure.message;
    let mut inside = failure.places.iter().filter(|place| place.unit.name.is_some());
    let told = |place: &super::problem::Place| {
        let name = place.unit.name.as_deref().unwrap_or_default();
        format!("{}:{}, macro {name}", place.unit.path, place.line)
    };
    if let Some(innermost) = inside.next() {
        message.push_str(&format!(" (in {}", told(innermost)));
        let callers: Vec<String> = inside.take(3).map(told).collect();
        if !callers.is_empty() {
            message.push_str(&format!("; called from {}", callers.join("; ")));
        }
        message.push(')');
    }
    match (line, failure.places.first()) {
        // Called from outside of any text: the macro's own place is the best there is.
        (0, Some(place)) => {
            RenderError { path: place.unit.path.clone(), line: place.line, message, kind: failure.kind }
        }
        _ => RenderError { path: path.to_owned(), line, message, kind: failure.kind },
    }
}

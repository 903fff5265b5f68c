//! What names mean.
//!
//! In: a name and where it stands. Out: a value, undefined where there is none.
//! Never: lets a world's name hide a macro.
//! Fails: not at all.
//! Source: dbt's context: variables of the text, then macros (of the text's package, of the root
//! project, packages by name, of dbt), then dbt's functions and values. A macro of a package also
//! sees those of its own package, last.

use std::any::Any;

use minijinja::Value;

use super::super::builtin;
use super::super::problem::{Outcome, Unit, fail};
use super::super::value::{self, Args, Python, native, none};
use super::call::macro_value;
use super::{Frame, Interp};

impl Interp<'_> {
    /// The value of a variable.
    pub(super) fn lookup(&self, frame: &Frame, name: &str) -> Value {
        if let Some(value) = frame.scope.get(name) {
            return value;
        }
        if name == "context" {
            return native(ContextObject(frame.clone()));
        }
        self.global(&frame.unit, name).unwrap_or(Value::UNDEFINED)
    }

    /// The value of a name that is not a variable of the text.
    pub(in super::super) fn global(&self, unit: &Unit, name: &str) -> Option<Value> {
        if let Some(value) = self.updates.borrow().get(name) {
            return Some(value.clone());
        }
        let library = &self.library;
        if let Some(found) = library.of_project(&self.package.borrow(), name) {
            return Some(macro_value(found));
        }
        if library.has_package(name) {
            return Some(native(Package(name.to_owned())));
        }
        if let Some(found) = library.of_package("dbt", name) {
            return Some(macro_value(found));
        }
        if name == "execute" {
            return Some(Value::from(self.world.execute()));
        }
        if let Some(value) = builtin::named(name) {
            return Some(value);
        }
        if let Some(value) = self.world.name(name) {
            return Some(value);
        }
        library.of_package(&unit.package, name).map(macro_value)
    }
}

/// A package: its macros by name.
#[derive(Debug)]
struct Package(String);

impl Python for Package {
    fn type_name(&self) -> &'static str {
        "package"
    }

    fn lookup(&self, cx: &Interp<'_>, name: &str) -> Option<Value> {
        let found = cx.library.of_package(&self.0, name).map(macro_value);
        // What dbt writes as macros and we as functions is found under its package as well.
        found.or_else(|| if self.0 == "dbt" { builtin::named(name) } else { None })
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if name == "get" {
            let name = args.take("name").map(|name| name.to_string())?;
            let default = args.take("default");
            return Some(Ok(self.lookup(cx, &name).or(default).unwrap_or_else(none)));
        }
        None
    }

    fn text(&self) -> String {
        self.0.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `context.update(…)`: names for all that is rendered from here on.
fn update(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let mut updates = Vec::new();
    for given in args.rest() {
        let Some(pairs) = value::pairs(&given) else {
            return fail(format!("context.update() needs a dict, not '{}'", value::type_name(&given)));
        };
        updates.extend(pairs.into_iter().map(|(name, value)| (value::text(&name), value)));
    }
    updates.extend(args.named.drain(..).map(|(name, value)| (name.to_string(), value)));
    cx.updates.borrow_mut().extend(updates);
    Ok(none())
}

/// `context`: all that a text sees, by name.
#[derive(Debug)]
struct ContextObject(Frame);

impl Python for ContextObject {
    fn type_name(&self) -> &'static str {
        "dict"
    }

    fn lookup(&self, cx: &Interp<'_>, name: &str) -> Option<Value> {
        let value = cx.lookup(&self.0, name);
        (!value.is_undefined()).then_some(value)
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if name == "get" {
            let name = args.take("name").map(|name| name.to_string())?;
            let default = args.take("default");
            return Some(Ok(self.lookup(cx, &name).or(default).unwrap_or_else(none)));
        }
        (name == "update").then(|| update(cx, args))
    }

    fn methods(&self) -> &'static [&'static str] {
        &["get", "update"]
    }

    fn truthy(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

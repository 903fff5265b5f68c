//! Calls: of macros, of what objects of ours do, of the template library's objects.
//!
//! In: a value and arguments. Out: a value.
//! Never: lets macros call one another deeper than [`limits::CALLS_MAX`].
//! Fails: as what is called does.
//! Source: Jinja 3.1's `Macro`, dbt's `return`.

use std::any::Any;
use std::sync::Arc;

use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value};

use super::super::error::RenderKind;
use super::super::library::Macro;
use super::super::limits;
use super::super::problem::{Outcome, Raise, Unit, fail, failure};
use super::super::syntax::MacroDef;
use super::super::value::{self, Args, Dict, Python, View, native, tuple, view};
use super::{Frame, Interp, Scope};

/// A macro as a value.
#[derive(Debug)]
pub(in super::super) enum MacroFn {
    /// Of the library.
    Library(Arc<Macro>),
    /// Of the text itself, with the scope it sees. `true`: the body of a `call` block.
    Inline(Arc<MacroDef>, Frame, bool),
}

impl MacroFn {
    /// A macro that stands in a text.
    pub(in super::super) fn inline(def: Arc<MacroDef>, frame: &Frame, block: bool) -> Self {
        Self::Inline(def, frame.clone(), block)
    }

    fn name(&self) -> &str {
        match self {
            Self::Library(found) => &found.block.name,
            Self::Inline(def, ..) => &def.name,
        }
    }
}

impl Python for MacroFn {
    fn type_name(&self) -> &'static str {
        "macro"
    }

    fn callable(&self) -> bool {
        true
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        Some(match name {
            "name" => Value::from(self.name()),
            "arguments" => match self {
                Self::Inline(def, ..) => arguments_of(def),
                Self::Library(found) => arguments_of(&found.compiled().ok()?.0),
            },
            "caller" => match self {
                Self::Inline(def, ..) => Value::from(def.takes_caller),
                Self::Library(found) => Value::from(found.compiled().ok()?.0.takes_caller),
            },
            _ => return None,
        })
    }

    fn call(&self, cx: &Interp<'_>, args: Args) -> Outcome<Value> {
        match self {
            Self::Library(found) => {
                // A node stands on the macros its own text calls, not on those behind them.
                let above = cx.macros.get();
                if above == 0 {
                    cx.world.calls(&found.id());
                }
                cx.macros.set(above + 1);
                let outcome = match found.compiled() {
                    Ok((def, unit)) => cx.call_macro(def, unit, None, args),
                    Err(why) => {
                        let unit = found.unit();
                        let message = format!("the Jinja cannot be read: {}", why.message);
                        Err(failure(RenderKind::Syntax, message).at(&unit, why.line).left())
                    }
                };
                cx.macros.set(above);
                outcome
            }
            Self::Inline(def, frame, block) => {
                let result = cx.run_macro(def, &frame.unit, Some(frame.scope.clone()), args);
                match result {
                    Err(Raise::Return(value)) if !block => Ok(value),
                    other => other,
                }
            }
        }
    }

    fn text(&self) -> String {
        format!("<macro {}>", self.name())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn arguments_of(def: &MacroDef) -> Value {
    tuple(def.parameters.iter().map(|(name, _)| Value::from(&**name)).collect())
}

impl Interp<'_> {
    /// Calls a macro; `return` ends it.
    pub(in super::super) fn call_macro(
        &self,
        def: &Arc<MacroDef>,
        unit: &Arc<Unit>,
        scope: Option<Arc<Scope>>,
        args: Args,
    ) -> Outcome<Value> {
        match self.run_macro(def, unit, scope, args) {
            Err(Raise::Return(value)) => Ok(value),
            other => other,
        }
    }

    fn run_macro(
        &self,
        def: &Arc<MacroDef>,
        unit: &Arc<Unit>,
        scope: Option<Arc<Scope>>,
        args: Args,
    ) -> Outcome<Value> {
        let calls = self.calls.get() + 1;
        if calls > limits::CALLS_MAX {
            let why = "the template goes too deep; does a macro call itself without end?";
            return Err(failure(RenderKind::Limit, why));
        }
        self.calls.set(calls);
        let frame = Frame { unit: unit.clone(), scope: Scope::within(scope) };
        let result = self.bind(def, &frame, args).and_then(|()| {
            let mut out = String::new();
            self.execute(&frame, &def.body, &mut out).map_err(Raise::left)?;
            Ok(Value::from(out))
        });
        self.calls.set(calls - 1);
        // A macro defined in the body sees this scope, which holds it.
        if Arc::strong_count(&frame.scope) > 1 && !result.as_ref().is_ok_and(|value| value.as_str().is_none())
        {
            frame.scope.clear();
        }
        result
    }

    /// Gives parameters their values.
    fn bind(&self, def: &Arc<MacroDef>, frame: &Frame, mut args: Args) -> Outcome<()> {
        let has = |special: &str| def.parameters.iter().any(|(name, _)| &**name == special);
        let wrong = |why: String| fail::<()>(format!("macro '{}' {why}", def.name));
        let extra = args.positional.len().saturating_sub(def.parameters.len());
        if extra > 0 && !def.takes_varargs {
            return wrong(format!(
                "takes not more than {} argument(s), but {} were given",
                def.parameters.len(),
                args.positional.len()
            ));
        }
        let varargs = args.positional.split_off(args.positional.len() - extra);
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        for (name, default) in &def.parameters {
            let named = args.named(name);
            let value = match (positional.next(), named) {
                (Some(_), Some(_)) => return wrong(format!("got two values for the argument `{name}`")),
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => match default {
                    Some(node) => self.evaluate(frame, node).map_err(|why| why.at(&frame.unit, def.line))?,
                    None => Value::UNDEFINED,
                },
            };
            frame.scope.set(name, value);
        }
        if def.takes_caller && !has("caller") {
            let caller = args.named("caller").unwrap_or(Value::UNDEFINED);
            frame.scope.set(&"caller".into(), caller);
        }
        if def.takes_varargs && !has("varargs") {
            frame.scope.set(&"varargs".into(), tuple(varargs));
        }
        if def.takes_kwargs && !has("kwargs") {
            let pairs = args.named.drain(..).map(|(name, value)| (Value::from(&*name), value));
            frame.scope.set(&"kwargs".into(), Value::from_object(Dict::new(pairs)));
        }
        match args.named.first() {
            Some((name, _)) => wrong(format!("takes no keyword argument '{name}'")),
            None => Ok(()),
        }
    }

    /// Calls a value.
    pub(in super::super) fn call(&self, callee: &Value, args: Args) -> Outcome<Value> {
        self.step()?;
        match view(callee) {
            View::Native(native) => native.0.call(self, args),
            View::Foreign(_) => foreign(callee, None, args).map(|found| found.unwrap_or_default()),
            _ => fail(format!("'{}' object is not callable", value::type_name(callee))),
        }
    }

    /// Calls a method; `None` where there is none.
    pub(in super::super) fn call_method(
        &self,
        frame: &Frame,
        object: &Value,
        name: &str,
        mut args: Args,
    ) -> Outcome<Option<Value>> {
        self.step()?;
        if let View::Native(native) = view(object) {
            if let Some(result) = native.0.method(self, name, &mut args) {
                return result.map(Some);
            }
        } else if let Some(value) = super::super::method::call(self, object, name, &mut args)? {
            return Ok(Some(value));
        }
        if let View::Foreign(_) = view(object)
            && let Some(value) = foreign(object, Some(name), args.clone())?
        {
            return Ok(Some(value));
        }
        let member = self.attribute(object, name);
        if member.is_undefined() {
            if frame.unit.lenient {
                return Ok(Some(Value::UNDEFINED));
            }
            let kind = value::type_name(object);
            return match view(object) {
                View::Native(native) if kind == "package" => {
                    fail(format!("the package `{}` has no macro `{name}`", native.0.text()))
                }
                _ => fail(format!("'{kind}' object has no attribute '{name}'")),
            };
        }
        self.call(&member, args).map(Some)
    }
}

/// Calls an object of the template library, or a method of it.
fn foreign(object: &Value, method: Option<&str>, args: Args) -> Outcome<Option<Value>> {
    let env = Environment::empty();
    let mut state = env.empty_state();
    let mut given = args.positional;
    if !args.named.is_empty() {
        given.push(
            args.named.into_iter().map(|(name, value)| (name.to_string(), value)).collect::<Kwargs>().into(),
        );
    }
    let result = match method {
        Some(method) => object.call_method(&mut state, method, &given),
        None => object.call(&mut state, &given),
    };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(why) if why.kind() == ErrorKind::UnknownMethod && method.is_some() => Ok(None),
        Err(why) => fail(why.detail().map_or_else(|| why.kind().to_string(), str::to_owned)),
    }
}

/// A macro of the library as a value.
pub(super) fn macro_value(found: &Arc<Macro>) -> Value {
    native(MacroFn::Library(found.clone()))
}

impl Interp<'_> {
    /// A macro of the library as a value.
    pub(in super::super) fn macro_value(&self, found: &Arc<Macro>) -> Value {
        macro_value(found)
    }
}

//! `ref`, `source`, `var`, `env_var`, `log`, `return` and what else asks the world.
//!
//! In: arguments. Out: values.
//! Never: answers for the world.
//! Fails: as the world says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

use std::any::Any;

use minijinja::Value;
use serde_json::Value as Json;

use super::super::error::RenderKind;
use super::super::interp::{Frame, Interp, Scope};
use super::super::problem::{Outcome, Raise, Unit, fail, failure, said};
use super::super::syntax;
use super::super::value::{self, Args, Python, View, from_json, native, none, view};

fn text_of(value: &Value, function: &str) -> Outcome<String> {
    match view(value) {
        View::Str(text) => Ok(text.to_owned()),
        View::Undefined => fail(format!("{function}() was given a name that is not defined")),
        _ => fail(format!("{function}() needs text, not '{}'", value::type_name(value))),
    }
}

pub(super) fn reference(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let version = args.named("version").or_else(|| args.named("v"));
    let version = version.filter(|version| !version.is_none()).map(|version| value::text(&version));
    let package = args.named("package").map(|package| text_of(&package, "ref")).transpose()?;
    let given = args.rest();
    args.end("ref")?;
    let (package, name) = match given.as_slice() {
        [name] => (package, text_of(name, "ref")?),
        [package, name] => (Some(text_of(package, "ref")?), text_of(name, "ref")?),
        _ => return fail("ref() takes one or two names: `ref('model')` or `ref('package', 'model')`"),
    };
    let found = said(cx.world.reference(package.as_deref(), &name, version.as_deref()))?;
    Ok(found.into_value())
}

pub(super) fn source(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = args.rest();
    args.end("source")?;
    let [source, table] = given.as_slice() else {
        return fail("source() takes two names: `source('source', 'table')`");
    };
    let found = cx.world.source(&text_of(source, "source")?, &text_of(table, "source")?);
    Ok(said(found)?.into_value())
}

pub(super) fn metric(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = args.rest();
    let (package, name) = match given.as_slice() {
        [name] => (None, text_of(name, "metric")?),
        [package, name] => (Some(text_of(package, "metric")?), text_of(name, "metric")?),
        _ => return fail("metric() takes one or two names"),
    };
    Ok(Value::from(said(cx.world.metric(package.as_deref(), &name))?))
}

pub(super) fn doc(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = args.rest();
    let (package, name) = match given.as_slice() {
        [name] => (None, text_of(name, "doc")?),
        [package, name] => (Some(text_of(package, "doc")?), text_of(name, "doc")?),
        _ => return fail("doc() takes one or two names"),
    };
    Ok(Value::from(said(cx.world.doc(package.as_deref(), &name))?))
}

/// `builtins`: what macros of the project may replace, as dbt has it.
#[derive(Debug)]
struct Builtins;

pub(super) fn builtins() -> Value {
    native(Builtins)
}

impl Python for Builtins {
    fn type_name(&self) -> &'static str {
        "dict"
    }

    fn lookup(&self, _: &Interp<'_>, name: &str) -> Option<Value> {
        super::named(name)
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if name == "get" {
            let name = args.text("name")?;
            return Some(Ok(super::named(&name).unwrap_or_else(none)));
        }
        None
    }

    fn truthy(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `var`.
#[derive(Debug)]
struct Var;

pub(super) fn var() -> Value {
    native(Var)
}

impl Python for Var {
    fn type_name(&self) -> &'static str {
        "Var"
    }

    fn callable(&self) -> bool {
        true
    }

    fn truthy(&self) -> bool {
        true
    }

    fn call(&self, cx: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        let name = args.need_text("var", "var_name")?;
        let default = args.take("default");
        args.end("var")?;
        match cx.world.variable(&cx.package.borrow(), &name) {
            // A text among the variables may itself be a template.
            Some(Json::String(text))
                if !cx.world.plain_variables() && (text.contains("{{") || text.contains("{%")) =>
            {
                return rendered(cx, &text, &format!("var('{name}')")).map(Value::from);
            }
            Some(found) => return Ok(from_json(&found)),
            None => {}
        }
        match default {
            Some(default) => Ok(default),
            // dbt reads a project whose variables come with the run only.
            None if !cx.world.execute() => Ok(none()),
            None => fail(format!(
                "the variable `{name}` is not set; add it to `vars` in dbt_project.yml, or give `var` a default"
            )),
        }
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if name != "has_var" {
            return None;
        }
        let has = |name: String| Value::from(cx.world.variable(&cx.package.borrow(), &name).is_some());
        Some(args.need_text("has_var", "var_name").map(has))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn env_var(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("env_var", "var")?;
    let default = args.take("default").filter(|default| !default.is_none());
    match (cx.world.env_var(&name).or_else(fail)?, default) {
        (Some(found), _) => Ok(Value::from(found)),
        (None, Some(default)) => Ok(Value::from(value::text(&default))),
        (None, None) => fail(format!(
            "the environment variable `{name}` is not on the release's list of variables; add it to `env` of the loader's settings, or give `env_var` a default"
        )),
    }
}

pub(super) fn is_incremental(cx: &Interp<'_>, _: &mut Args) -> Outcome<Value> {
    Ok(Value::from(cx.world.incremental()))
}

pub(super) fn log(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let message = args.take("msg").map(|value| value::text(&value)).unwrap_or_default();
    let info = args.flag("info", false);
    cx.steps_of(64)?;
    cx.world.log(info, &message);
    Ok(Value::from(""))
}

pub(super) fn print(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let message = args.take("msg").map(|value| value::text(&value)).unwrap_or_default();
    cx.steps_of(64)?;
    cx.world.log(true, &message);
    Ok(Value::from(""))
}

pub(super) fn ret(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    Err(Raise::Return(args.take("data").unwrap_or_else(none)))
}

/// `render(text)`: a text rendered as one of the node's.
pub(super) fn render(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let text = args.need_text("render", "string")?;
    rendered(cx, &text, "render()").map(Value::from)
}

/// A text rendered with the names of the node.
fn rendered(cx: &Interp<'_>, text: &str, place: &str) -> Outcome<String> {
    let template = syntax::parse(text).map_err(|why| {
        failure(RenderKind::Syntax, format!("the text of {place} is no Jinja: {}", why.message))
    })?;
    let unit = Unit {
        package: cx.package.borrow().clone(),
        path: place.to_owned(),
        name: None,
        lines_before: 0,
        lenient: !cx.world.execute(),
        assigned: template.assigned,
    };
    let frame = Frame { unit: unit.into(), scope: Scope::within(None) };
    let mut out = String::new();
    cx.deeper(|| cx.execute(&frame, &template.body, &mut out))?;
    Ok(out)
}

pub(super) fn try_or_compiler_error(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let message = args.need_text("try_or_compiler_error", "message_if_exception")?;
    let callee = args.need("try_or_compiler_error", "func")?;
    let inner = Args::new(args.rest(), std::mem::take(&mut args.named));
    match cx.call(&callee, inner) {
        Err(Raise::Fail(inner)) if inner.kind != RenderKind::Limit => {
            Err(failure(RenderKind::Raised, message))
        }
        other => other,
    }
}

pub(super) fn write(_: &Interp<'_>, _: &mut Args) -> Outcome<Value> {
    Ok(Value::from(""))
}

pub(super) fn no_python(_: &Interp<'_>, _: &mut Args) -> Outcome<Value> {
    fail("models in Python are not supported: a task runs SQL on its warehouse")
}

pub(super) fn no_adapter_macro(_: &Interp<'_>, _: &mut Args) -> Outcome<Value> {
    fail("`adapter_macro` is gone from dbt; use `adapter.dispatch`")
}

pub(super) fn no_lipsum(_: &Interp<'_>, _: &mut Args) -> Outcome<Value> {
    fail("`lipsum` is not supported: a text must come out the same each time")
}

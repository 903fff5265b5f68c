//! Jinja's own helpers: `namespace`, `range`, `dict`, `cycler`, `joiner`, and dbt's marked texts.
//!
//! In: arguments. Out: values.
//! Never: makes a range longer than Jinja's sandbox does.
//! Fails: as Jinja does.
//! Source: Jinja 3.1's globals; dbt's native rendering.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::Value;

use super::super::error::RenderKind;
use super::super::interp::Interp;
use super::super::limits;
use super::super::method::dict_of;
use super::super::problem::{Outcome, fail, failure};
use super::super::syntax::Name;
use super::super::value::{self, Args, Dict, Python, int, list, native};

/// What `namespace()` makes.
#[derive(Debug, Default)]
pub(in super::super) struct Namespace(Dict);

impl Namespace {
    /// Sets an attribute.
    pub(in super::super) fn set(&self, name: &Name, value: Value) {
        let old = self.0.lock().insert(Value::from(&**name), value);
        drop(old);
    }
}

impl Python for Namespace {
    fn type_name(&self) -> &'static str {
        "Namespace"
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.0.get(key)
    }

    fn attr(&self, name: &str) -> Option<Value> {
        self.0.get(&Value::from(name))
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        let mut out = String::from("<Namespace ");
        out.push_str(&value::repr(&Value::from_object(Dict::new(self.0.pairs()))));
        out.push('>');
        out
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn namespace(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let given = dict_of(args)?;
    let pairs = value::pairs(&given).unwrap_or_default();
    Ok(native(Namespace(Dict::new(pairs))))
}

pub(super) fn dict(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    dict_of(args)
}

pub(super) fn range(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let Some(first) = args.int("start")? else { return fail("range() needs a number") };
    let second = args.int("stop")?;
    let step = args.int("step")?.unwrap_or(1);
    let (start, stop) = second.map_or((0, first), |stop| (first, stop));
    if step == 0 {
        return fail("range() arg 3 must not be zero");
    }
    let span = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let step_size = i128::try_from(step.unsigned_abs()).unwrap_or(i128::MAX);
    let many = if span <= 0 { 0 } else { (span - 1) / step_size + 1 };
    if many > limits::RANGE_MAX {
        return Err(failure(
            RenderKind::Limit,
            format!("a range of more than {} numbers is too long for a template", limits::RANGE_MAX),
        ));
    }
    cx.steps_of(usize::try_from(many).unwrap_or(0))?;
    Ok(list((0..many).map(|index| int(start + index * step)).collect()))
}

/// `cycler(a, b, …)`.
#[derive(Debug)]
struct Cycler(Vec<Value>, AtomicUsize);

pub(super) fn cycler(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let values = args.rest();
    if values.is_empty() {
        return fail("cycler() needs values");
    }
    Ok(native(Cycler(values, AtomicUsize::new(0))))
}

impl Python for Cycler {
    fn type_name(&self) -> &'static str {
        "Cycler"
    }

    fn attr(&self, name: &str) -> Option<Value> {
        (name == "current").then(|| self.0[self.1.load(Ordering::Relaxed) % self.0.len()].clone())
    }

    fn method(&self, _: &Interp<'_>, name: &str, _: &mut Args) -> Option<Outcome<Value>> {
        match name {
            "next" => Some(Ok(self.0[self.1.fetch_add(1, Ordering::Relaxed) % self.0.len()].clone())),
            "reset" => {
                self.1.store(0, Ordering::Relaxed);
                Some(Ok(value::none()))
            }
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `joiner(sep)`: nothing the first time, then the separator.
#[derive(Debug)]
struct Joiner(String, AtomicBool);

pub(super) fn joiner(_: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let separator = args.text("sep").unwrap_or_else(|| ", ".to_owned());
    Ok(native(Joiner(separator, AtomicBool::new(false))))
}

impl Python for Joiner {
    fn type_name(&self) -> &'static str {
        "Joiner"
    }

    fn callable(&self) -> bool {
        true
    }

    fn call(&self, _: &Interp<'_>, _: Args) -> Outcome<Value> {
        let used = self.1.swap(true, Ordering::Relaxed);
        Ok(Value::from(if used { self.0.as_str() } else { "" }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

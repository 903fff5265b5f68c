//! `modules.*`: the parts of Python's library that dbt lends to templates.
//!
//! In: names. Out: functions and classes.
//! Never: gives more of a module than dbt does.
//! Fails: as each function says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/modules>.

use std::any::Any;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::Outcome;
use super::super::value::{Args, Python, native};
use super::{datetime, itertools, regex, spans, zones};

/// A module, or a class of one.
#[derive(Debug)]
pub(super) struct Module(&'static str);

pub(super) fn modules() -> Value {
    native(Module("modules"))
}

/// A class as a value.
pub(super) fn module(name: &'static str) -> Value {
    native(Module(name))
}

impl Python for Module {
    fn type_name(&self) -> &'static str {
        self.0
    }

    fn truthy(&self) -> bool {
        true
    }

    fn callable(&self) -> bool {
        matches!(
            self.0,
            "datetime.datetime"
                | "datetime.date"
                | "datetime.time"
                | "datetime.timedelta"
                | "itertools.chain"
        )
    }

    fn attr(&self, name: &str) -> Option<Value> {
        Some(match (self.0, name) {
            ("modules", "datetime") => module("datetime"),
            ("modules", "pytz") => module("pytz"),
            ("modules", "re") => module("re"),
            ("modules", "itertools") => module("itertools"),
            ("datetime", "datetime") => module("datetime.datetime"),
            ("datetime", "date") => module("datetime.date"),
            ("datetime", "time") => module("datetime.time"),
            ("datetime", "timedelta") => module("datetime.timedelta"),
            ("datetime", "timezone") => module("datetime.timezone"),
            ("datetime.timezone", "utc") | ("pytz", "utc" | "UTC") => zones::utc(),
            ("pytz", "all_timezones" | "common_timezones") => zones::all(),
            ("re", flag) => return regex::flag(flag),
            ("itertools", "chain") => module("itertools.chain"),
            (class, name) => return datetime::class_attr(class, name),
        })
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.attr(key.as_str()?)
    }

    fn call(&self, _: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        match self.0 {
            "datetime.timedelta" => spans::new(&mut args),
            "itertools.chain" => itertools::chain(&mut args),
            class => datetime::new(class, &mut args),
        }
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        match self.0 {
            "pytz" if name == "timezone" => Some(zones::named(args)),
            "re" => regex::call(cx, name, args),
            "itertools" | "itertools.chain" => itertools::call(cx, name, args),
            "datetime.datetime" | "datetime.date" => datetime::class_method(self.0, name, args),
            _ => None,
        }
    }

    fn text(&self) -> String {
        format!("<module '{}'>", self.0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

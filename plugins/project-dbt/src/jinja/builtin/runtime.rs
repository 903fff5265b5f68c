//! `builtins.ref.config`: dbt's configuration of the project, as far as macros read it.
//!
//! In: what the world says of the project. Out: its name, version and variables, its packages.
//! Never: holds a credential.
//! Fails: never; what it does not know is undefined.
//! Source: what public packages read of it, dbt-core 1.12 as the reference.

use std::any::Any;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::Outcome;
use super::super::value::{self, Args, Python, native};

/// The configuration.
#[derive(Debug)]
struct RuntimeConfig(Value);

/// Variables, which dbt wraps.
#[derive(Debug)]
struct Variables(Value);

/// The configuration of what is rendered.
pub(super) fn config(cx: &Interp<'_>) -> Option<Value> {
    Some(native(RuntimeConfig(cx.world.name("runtime_config")?)))
}

impl Python for RuntimeConfig {
    fn type_name(&self) -> &'static str {
        "RuntimeConfig"
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let found = value::item(&self.0, &Value::from(name))?;
        Some(if name == "vars" { native(Variables(found)) } else { found })
    }

    fn truthy(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Python for Variables {
    fn type_name(&self) -> &'static str {
        "VarProvider"
    }

    fn attr(&self, name: &str) -> Option<Value> {
        (name == "vars").then(|| self.0.clone())
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        (name == "to_dict").then(|| args.end(name).map(|()| self.0.clone()))
    }

    fn methods(&self) -> &'static [&'static str] {
        &["to_dict"]
    }

    fn truthy(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! The functions and objects dbt's templates find in their context.
//!
//! In: a name. Out: a value.
//! Never: reaches anything but the [`super::world::World`] of the rendering.
//! Fails: as each function says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

mod adapter;
mod column;
mod config;
mod data;
mod datetime;
mod exceptions;
mod itertools;
mod keep;
mod marks;
mod modules;
mod record;
mod references;
mod regex;
mod relation;
mod runtime;
mod spans;
mod statement;
mod table;
mod values;
mod zones;

use std::any::Any;

use minijinja::Value;

use super::interp::Interp;
use super::problem::Outcome;
use super::value::{Args, Python, native};

pub(super) use data::{converted, dump_json};
pub use datetime::datetime;
pub use keep::{pack, unpack};
pub(super) use marks::{mark, marked};
pub use record::Record;
pub(super) use values::Namespace;

type Call = fn(&Interp<'_>, &mut Args) -> Outcome<Value>;

/// A function.
struct Function {
    name: &'static str,
    call: Call,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Python for Function {
    fn type_name(&self) -> &'static str {
        "function"
    }

    fn callable(&self) -> bool {
        true
    }

    fn lookup(&self, cx: &Interp<'_>, name: &str) -> Option<Value> {
        (name == "config" && matches!(self.name, "ref" | "source")).then(|| runtime::config(cx)).flatten()
    }

    fn truthy(&self) -> bool {
        true
    }

    fn call(&self, cx: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        (self.call)(cx, &mut args)
    }

    fn text(&self) -> String {
        format!("<function {}>", self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function as a value.
fn function(name: &'static str, call: Call) -> Value {
    native(Function { name, call })
}

/// The value of a name of dbt's context that does not depend on the node.
pub(super) fn named(name: &str) -> Option<Value> {
    if let Some((name, call)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return Some(function(name, *call));
    }
    Some(match name {
        "adapter" => adapter::adapter(),
        "api" => relation::api(),
        "builtins" => references::builtins(),
        "config" => config::config(),
        "exceptions" => exceptions::exceptions(),
        "modules" => modules::modules(),
        "var" => references::var(),
        _ => return None,
    })
}

const FUNCTIONS: [(&str, Call); 36] = [
    ("cycler", values::cycler),
    ("dict", values::dict),
    ("diff_of_two_dicts", data::diff_of_two_dicts),
    ("doc", references::doc),
    ("env_var", references::env_var),
    ("fromjson", data::fromjson),
    ("fromyaml", data::fromyaml),
    ("is_incremental", references::is_incremental),
    ("joiner", values::joiner),
    ("load_result", statement::load_result),
    ("local_md5", data::local_md5),
    ("log", references::log),
    ("metric", references::metric),
    ("namespace", values::namespace),
    ("print", references::print),
    ("range", values::range),
    ("ref", references::reference),
    ("render", references::render),
    ("return", references::ret),
    ("run_query", statement::run_query),
    ("set", data::set),
    ("set_strict", data::set_strict),
    ("source", references::source),
    ("sql_escape", data::sql_escape),
    ("statement", statement::statement),
    ("store_raw_result", statement::store_raw_result),
    ("store_result", statement::store_result),
    ("submit_python_job", references::no_python),
    ("tojson", data::tojson),
    ("toyaml", data::toyaml),
    ("try_or_compiler_error", references::try_or_compiler_error),
    ("write", references::write),
    ("zip", data::zip),
    ("zip_strict", data::zip_strict),
    ("adapter_macro", references::no_adapter_macro),
    ("lipsum", references::no_lipsum),
];

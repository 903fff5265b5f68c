//! The filters and tests of Jinja, and those dbt adds.
//!
//! In: a name, a value, arguments. Out: a value.
//! Never: gives a lazy sequence: what is a list in Python is one here.
//! Fails: as Jinja does, with a sentence; for names that are no filter.
//! Source: Jinja 3.1's built-in filters and tests; dbt's `as_text`, `as_bool`, `as_number`, `as_native`.

pub(super) mod numbers;
mod sequences;
mod tests;

mod texts;

use minijinja::Value;

use super::builtin;
use super::interp::Interp;
use super::problem::{Outcome, fail};
use super::value::{self, Args, View, view};

impl Interp<'_> {
    /// Applies a filter.
    pub(super) fn filter(&self, name: &str, value: Value, mut args: Args) -> Outcome<Value> {
        self.step()?;
        let args = &mut args;
        let size = match view(&value) {
            View::Str(text) => text.len() / 64,
            _ => value::length(&value).unwrap_or(0),
        };
        self.steps_of(size / 8)?;
        Ok(match name {
            "default" | "d" => {
                let default = args.take("default_value").unwrap_or_else(|| Value::from(""));
                let boolean = args.flag("boolean", false);
                if value.is_undefined() || (boolean && !value::truthy(&value)) { default } else { value }
            }
            "length" | "count" => match value::length(&value) {
                Some(length) => value::count(length),
                None => return fail(format!("object of type '{}' has no len()", value::type_name(&value))),
            },
            "string" => Value::from(value::text(&value)),
            "safe" => value,
            "as_native" | "as_bool" | "as_number" | "as_text" => builtin::mark(name, &value),
            "attr" => {
                let name = args.need_text(name, "name")?;
                self.attribute(&value, &name)
            }
            "tojson" => {
                let indent = args.int("indent")?;
                builtin::dump_json(&value, true, indent, true)?.into()
            }
            "fromjson" | "fromyaml" | "toyaml" => builtin::converted(name, &value)?,
            "abs" | "int" | "float" | "round" | "filesizeformat" => numbers::filter(name, &value, args)?,
            "map" | "select" | "reject" | "selectattr" | "rejectattr" => {
                sequences::each(self, name, &value, args)?
            }
            "list" | "first" | "last" | "random" | "join" | "reverse" | "sort" | "unique" | "min" | "max"
            | "sum" | "groupby" | "batch" | "slice" | "dictsort" | "items" => {
                sequences::filter(self, name, &value, args)?
            }
            _ => match texts::filter(self, name, &value, args)? {
                Some(value) => value,
                None => return fail(format!("`{name}` is not a filter of dbt's Jinja")),
            },
        })
    }
}

/// The values of an attribute's path: `a.b.0`.
fn by_path(cx: &Interp<'_>, value: &Value, path: &Value) -> Value {
    match view(path) {
        View::Str(path) => {
            let mut here = value.clone();
            for part in path.split('.') {
                here = match part.parse::<i64>() {
                    Ok(index) => cx.item(&here, &Value::from(index)),
                    Err(_) => cx.item(&here, &Value::from(part)),
                };
            }
            here
        }
        _ => cx.item(value, path),
    }
}

//! `config(…)` and its methods.
//!
//! In: settings to make, or names of settings. Out: nothing, or a setting.
//! Never: decides what a setting may be; the world does.
//! Fails: where a required setting is missing.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/config>.

use std::any::Any;

use minijinja::Value;
use serde_json::{Map, Value as Json};

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail, said};
use super::super::value::{Args, Python, from_json, native, none, to_json};

/// `config`.
#[derive(Debug)]
struct Config;

pub(super) fn config() -> Value {
    native(Config)
}

impl Python for Config {
    fn type_name(&self) -> &'static str {
        "Config"
    }

    fn callable(&self) -> bool {
        true
    }

    fn truthy(&self) -> bool {
        true
    }

    fn call(&self, cx: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        let given = args.rest();
        let mut settings = Map::new();
        match given.as_slice() {
            [] => {}
            [one] if args.named.is_empty() => match said(to_json(one))? {
                Json::Object(entries) => settings = entries,
                _ => return fail("config() takes named settings, or one dict"),
            },
            _ => return fail("config() takes named settings, or one dict"),
        }
        for (name, value) in args.named {
            let value = to_json(&value);
            let value = value.or_else(|why| fail(format!("the setting `{name}` cannot be read: {why}")))?;
            settings.insert(name.to_string(), value);
        }
        said(cx.world.configure(settings))?;
        Ok(Value::from(""))
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        Some(match name {
            "get" | "require" | "meta_get" | "meta_require" => get(cx, name, args),
            "persist_relation_docs" | "persist_column_docs" => {
                let part = if name == "persist_relation_docs" { "relation" } else { "columns" };
                let config = cx.world.config();
                let holds =
                    config.get("persist_docs").and_then(|docs| docs.get(part)).and_then(Json::as_bool);
                Ok(Value::from(cx.world.execute() && holds.unwrap_or(false)))
            }
            "set" => {
                let key = args.text("name").unwrap_or_default();
                let value = args.take("value").unwrap_or_else(none);
                said(to_json(&value).and_then(|value| cx.world.configure(Map::from_iter([(key, value)]))))
                    .map(|()| Value::from(""))
            }
            _ => return None,
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn get(cx: &Interp<'_>, method: &str, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text(method, "name")?;
    let required = method.ends_with("require");
    let default = if required { None } else { args.take("default") };
    let validator = args.take("validator").filter(|validator| !validator.is_none());
    // While a project is read, dbt knows no settings yet and answers with an empty text.
    if !cx.world.execute() {
        return Ok(Value::from(""));
    }
    let config = cx.world.config();
    let found = if method.starts_with("meta") {
        config.get("meta").and_then(|meta| meta.get(&name))
    } else {
        config.get(&name).or_else(|| config.get("meta").and_then(|meta| meta.get(&name)))
    };
    let found = found.filter(|found| !found.is_null() || !required);
    let value = match (found, default) {
        (Some(Json::Null), Some(default)) => default,
        (Some(found), _) => from_json(found),
        (None, Some(default)) => default,
        (None, None) if required => {
            return fail(format!(
                "the setting `{name}` is required; set it in `config(…)` or dbt_project.yml"
            ));
        }
        (None, None) => none(),
    };
    if let Some(validator) = validator {
        cx.call(&validator, Args::new(vec![value.clone()], Vec::new()))?;
    }
    Ok(value)
}

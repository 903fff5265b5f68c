//! Values of dbt's Jinja that have fields or methods: relations, `config`, `var`, `exceptions`.
//!
//! In: what a template asks of them. Out: values.
//! Never: reaches past the [`super::Shared`] state of one rendering.
//! Fails: with an error of the engine.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Serde, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use super::{Rendered, Shared};

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// A relation: its parts, and its name as text.
#[derive(Debug)]
pub(super) struct RelationObject(pub(super) Rendered);

impl Object for RelationObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let relation = &self.0.relation;
        Some(match key.as_str()? {
            "name" | "identifier" | "table" => Value::from(relation.name.as_str()),
            "schema" => Value::from(relation.schema.as_deref()),
            "database" => Value::from(relation.database.as_deref()),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// `config(…)`, `config.get(…)`, `config.require(…)`.
#[derive(Debug)]
pub(super) struct ConfigObject(pub(super) Arc<Shared>);

impl Object for ConfigObject {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (maps, kwargs) = from_args::<(&[Value], Kwargs)>(args)?;
        let mut given: Vec<(String, Json)> = Vec::new();
        for map in maps {
            match serde_json::to_value(map) {
                Ok(Json::Object(entries)) => given.extend(entries),
                _ => return Err(invalid("`config` takes named settings: `config(materialized='table')`")),
            }
        }
        for name in kwargs.args() {
            let value = serde_json::to_value(kwargs.get::<Value>(name)?)
                .map_err(|why| invalid(format!("the setting `{name}` cannot be read: {why}")))?;
            given.push((name.to_owned(), value));
        }
        self.0.found(|found| {
            given.iter().try_for_each(|(name, value)| found.config.set(name, value)).map_err(invalid)
        })?;
        Ok(Value::from(""))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let (name, default, _) = match method {
            "get" | "require" => from_args::<(&str, Option<Value>, Kwargs)>(args)?,
            "persist_relation_docs" | "persist_column_docs" => return Ok(Value::from(false)),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        let mut config = self.0.scope.config.clone();
        self.0.found(|found| config.overlay(&found.config));
        match config.get(name) {
            Some(value) => Ok(Value::from(Serde(value))),
            None if method == "require" && self.0.scope.execute => {
                Err(invalid(format!("the setting `{name}` is required")))
            }
            None => Ok(default.unwrap_or_else(|| Value::from(()))),
        }
    }
}

/// `var('name')`, `var('name', default)`, `var.has_var('name')`.
#[derive(Debug)]
pub(super) struct Vars(pub(super) Arc<Shared>);

impl Object for Vars {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (name, default) = from_args::<(&str, Option<Value>)>(args)?;
        match (self.0.scope.vars.get(name), default) {
            (Some(value), _) => Ok(Value::from(Serde(value))),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(invalid(format!(
                "the variable `{name}` is not set; add it to `vars` in dbt_project.yml, or give `var` a default"
            ))),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "has_var" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let (name,) = from_args::<(&str,)>(args)?;
        Ok(Value::from(self.0.scope.vars.contains_key(name)))
    }
}

/// `exceptions.raise_compiler_error(…)` and `exceptions.warn(…)`.
#[derive(Debug)]
pub(super) struct Exceptions(pub(super) Arc<Shared>);

impl Object for Exceptions {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let message = args.first().map(ToString::to_string).unwrap_or_default();
        match method {
            "raise_compiler_error" => Err(invalid(message)),
            "warn" => {
                self.0.log(message);
                Ok(Value::from(""))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A name of dbt that leads nowhere here, and says why.
#[derive(Debug)]
pub(super) struct Unsupported {
    pub(super) why: &'static str,
}

impl Object for Unsupported {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Err(invalid(self.why))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, _: &str, _: &[Value]) -> Result<Value, Error> {
        Err(invalid(self.why))
    }
}

//! The functions and values of dbt's Jinja.
//!
//! In: what a template passes. Out: values; what was asked for is kept in [`super::Found`].
//! Never: does what is not supported in silence; such names are errors that say what to do.
//! Fails: with an error of the engine, which [`super::error`] tells in our words.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

use std::sync::{Arc, PoisonError};

use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind};

use super::objects::{ConfigObject, Exceptions, RelationObject, Unsupported, Vars};
use super::{Names, Rendered, Shared};

/// Names of dbt that lead nowhere here, and why.
const UNSUPPORTED: [(&str, &str); 17] = [
    ("adapter", "calls of the adapter are not supported in a model"),
    ("api", "`api` is not supported"),
    ("builtins", "`builtins` is not supported"),
    ("dbt", "macros of dbt itself are not supported; write the SQL of your warehouse"),
    ("dbt_date", "packages are not supported; copy the macro into `macros/`"),
    ("dbt_expectations", "packages are not supported; copy the macro into `macros/`"),
    ("dbt_utils", "packages are not supported; copy the macro into `macros/`"),
    (
        "env_var",
        "a task runs in a sandbox without an environment; pass the value with `vars` and read it with `var()`",
    ),
    ("fromjson", "`fromjson` is not supported"),
    ("graph", "`graph` is not supported"),
    ("load_result", "queries while a model is rendered are not supported"),
    ("modules", "Python's modules are not there; the templates are not run by Python"),
    ("run_query", "queries while a model is rendered are not supported"),
    ("selected_resources", "`selected_resources` is not supported"),
    ("statement", "queries while a model is rendered are not supported"),
    ("tojson", "`tojson` is not supported"),
    ("toyaml", "`toyaml` is not supported"),
];

/// Adds all of them to an environment.
pub(super) fn add(env: &mut Environment<'_>, shared: &Arc<Shared>) {
    let scope = &shared.scope;
    for (name, why) in UNSUPPORTED {
        env.add_global(name, Value::from_object(Unsupported { why }));
    }
    let here = shared.clone();
    env.add_function("ref", move |args: Rest<ValueOrKwargs>| reference(&here, &args.into_values()));
    let here = shared.clone();
    env.add_function("source", move |source: String, table: String| table_of(&here, source, table));
    let incremental = scope.incremental;
    env.add_function("is_incremental", move || incremental);
    let here = shared.clone();
    env.add_function("log", move |message: Value, _: Rest<ValueOrKwargs>| {
        here.log(message.to_string());
        ""
    });
    let here = shared.clone();
    env.add_function("print", move |message: Value| {
        here.log(message.to_string());
        ""
    });
    let here = shared.clone();
    env.add_function("return", move |value: Value| -> Result<Value, Error> {
        *here.returned.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Err(Error::new(ErrorKind::InvalidOperation, "`return()` stands outside of a macro"))
    });
    env.add_function("doc", |_: Rest<Value>| "");
    env.add_global("config", Value::from_object(ConfigObject(shared.clone())));
    env.add_global("var", Value::from_object(Vars(shared.clone())));
    env.add_global("exceptions", Value::from_object(Exceptions(shared.clone())));
    env.add_global("this", Value::from_object(RelationObject(scope.this.clone())));
    env.add_global("execute", scope.execute);
    env.add_global("invocation_id", scope.run.as_str());
    env.add_global("run_started_at", scope.started_at.as_str());
    env.add_global("project_name", scope.project.as_str());
    env.add_global("none", Value::from(()));
    env.add_global("None", Value::from(()));
    let target = [
        ("name", scope.target_name.as_str()),
        ("target_name", scope.target_name.as_str()),
        ("schema", crate::names::TARGET_SCHEMA),
        ("type", scope.target_type.as_str()),
        ("profile_name", scope.project.as_str()),
    ];
    env.add_global("target", target.into_iter().collect::<Value>());
}

/// `ref('model')` or `ref('project', 'model')`.
fn reference(shared: &Shared, args: &[Value]) -> Result<Value, Error> {
    let wrong = || {
        Error::new(ErrorKind::InvalidOperation, "`ref` takes the name of a model or seed: `ref('orders')`")
    };
    let (words, kwargs) = from_args::<(&[Value], Kwargs)>(args)?;
    if kwargs.args().next().is_some() {
        return Err(Error::new(ErrorKind::InvalidOperation, "versions of models are not supported in `ref`"));
    }
    let words: Vec<&str> = words.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    let name = match words[..] {
        [name] => name,
        [project, name] if project == shared.scope.project => name,
        [package, _] => {
            let why = format!("`ref` names the package `{package}`; packages are not supported");
            return Err(Error::new(ErrorKind::InvalidOperation, why));
        }
        _ => return Err(wrong()),
    };
    shared.found(|found| {
        if !found.refs.iter().any(|known| known == name) {
            found.refs.push(name.to_owned());
        }
    });
    let rendered = match &shared.scope.names {
        Names::Gathered => Rendered::plain(cofferdam_sdk::Relation::new(crate::names::TARGET_SCHEMA, name)),
        Names::Fixed { refs, .. } => {
            let known = refs.iter().find(|(known, _)| known == name);
            known.map(|(_, rendered)| rendered.clone()).ok_or_else(|| unseen(&format!("ref('{name}')")))?
        }
    };
    Ok(Value::from_object(RelationObject(rendered)))
}

/// `source('source', 'table')`.
fn table_of(shared: &Shared, source: String, table: String) -> Result<Value, Error> {
    let rendered = match &shared.scope.names {
        Names::Gathered => Rendered::plain(cofferdam_sdk::Relation::new(source.as_str(), table.as_str())),
        Names::Fixed { sources, .. } => {
            let known = sources.iter().find(|((s, t), _)| *s == source && *t == table);
            known
                .map(|(_, rendered)| rendered.clone())
                .ok_or_else(|| unseen(&format!("source('{source}', '{table}')")))?
        }
    };
    shared.found(|found| {
        let pair = (source, table);
        if !found.sources.contains(&pair) {
            found.sources.push(pair);
        }
    });
    Ok(Value::from_object(RelationObject(rendered)))
}

/// A name that only the attempt meets, because it stands behind `execute` or the like.
fn unseen(call: &str) -> Error {
    let why = format!(
        "`{call}` was not seen when the release was built, so this task may not read it; name it outside of conditions too, for instance with `-- depends_on: {{{{ {call} }}}}`"
    );
    Error::new(ErrorKind::InvalidOperation, why)
}

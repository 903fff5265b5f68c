//! Renders the Jinja of a project with the names a dbt author knows: `ref`, `source`, `config`,
//! `var`, `this`, `target`, `is_incremental`, `execute`, the project's macros.
//!
//! In: a template and a [`Scope`], which says whether this is the description of a project (names
//! are gathered) or an attempt (names are looked up).
//! Out: the text, and what was [`Found`] on the way.
//! Never: reads files, the environment, or a warehouse; goes on without end: depth, instructions
//! and output are bounded.
//! Fails: with a [`RenderError`] that names file and line.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

mod blocks;
mod builtin;
mod engine;
mod error;
mod filter;
mod guard;
mod interp;
pub mod library;
mod limits;
mod macros;
mod method;
mod names;
mod objects;
mod old_error;
mod problem;
mod syntax;
mod value;
pub mod world;

use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_sdk::Relation;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value as Json};

pub use builtin::datetime;
pub use engine::Engine;
pub use error::{RenderError, RenderKind};
pub use library::{Library, blocks};
pub use macros::{Macros, OVERRIDES};
pub use minijinja::Value;
pub use value::{dict_of, from_json, list_of, to_json};
pub use world::World;

use crate::config::Config;

/// How deep statements, loops and calls may stand in one another inside one template.
const DEPTH_MAX: usize = 120;
/// How deep macros may call one another.
const MACRO_DEPTH_MAX: usize = 16;
/// How many instructions one template may take.
const FUEL: u64 = 20_000_000;
/// How long the rendered text may be: what one statement may hold.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// How many lines `log()` may add.
const LOGS_MAX: usize = 200;

/// A relation and how the warehouse writes its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The relation.
    pub relation: Relation,
    /// Its name in a statement, quoted.
    pub text: String,
}

impl Rendered {
    /// Written as most warehouses write it; good enough where the text is thrown away.
    #[must_use]
    pub fn plain(relation: Relation) -> Self {
        let parts = relation.schema.iter().chain([&relation.name]);
        let text =
            parts.map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect::<Vec<_>>().join(".");
        Self { relation, text }
    }
}

/// Where names lead.
#[derive(Debug, Clone, PartialEq)]
pub enum Names {
    /// Anywhere: they are gathered, and checked once all files are read.
    Gathered,
    /// To these relations and no others.
    Fixed {
        /// By model or seed.
        refs: Vec<(String, Rendered)>,
        /// By source and table.
        sources: Vec<((String, String), Rendered)>,
    },
}

/// What a template can see.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The project's name.
    pub project: String,
    /// Whether a warehouse is there: false while a project is described.
    pub execute: bool,
    /// What `is_incremental()` says.
    pub incremental: bool,
    /// What `this` is.
    pub this: Rendered,
    /// What `target.name` says: the environment.
    pub target_name: String,
    /// What `target.type` says: the dialect.
    pub target_type: String,
    /// The variables.
    pub vars: Map<String, Json>,
    /// Where `ref` and `source` lead.
    pub names: Names,
    /// What `config.get` finds besides what the file itself says.
    pub config: Config,
    /// What `invocation_id` says: the run.
    pub run: String,
    /// What `run_started_at` says.
    pub started_at: String,
}

impl Scope {
    /// What a template sees while a project is described.
    #[must_use]
    pub fn describing(project: &str, this: Relation, vars: &Map<String, Json>, config: Config) -> Self {
        Self {
            project: project.to_owned(),
            execute: false,
            incremental: false,
            this: Rendered::plain(this),
            target_name: "default".into(),
            target_type: "unknown".into(),
            vars: vars.clone(),
            names: Names::Gathered,
            config,
            run: String::new(),
            started_at: String::new(),
        }
    }
}

/// What a template asked for.
#[derive(Debug, Default, Clone)]
pub struct Found {
    /// Models and seeds, in the order of first use.
    pub refs: Vec<String>,
    /// Tables of sources.
    pub sources: Vec<(String, String)>,
    /// What `config()` said.
    pub config: Config,
    /// What `log()` and `exceptions.warn()` said.
    pub logs: Vec<String>,
}

/// Rendered text, and what was asked for on the way.
#[derive(Debug)]
pub struct Output {
    /// The text.
    pub text: String,
    /// What the template asked for.
    pub found: Found,
}

/// What templates and their functions share during one rendering.
#[derive(Debug)]
struct Shared {
    scope: Scope,
    found: Mutex<Found>,
    /// How many macros are being called right now.
    depth: AtomicUsize,
    /// What `return()` was given, on its way to the macro's caller.
    returned: Mutex<Option<minijinja::Value>>,
}

impl Shared {
    fn found<T>(&self, change: impl FnOnce(&mut Found) -> T) -> T {
        change(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self, message: String) {
        self.found(|found| {
            if found.logs.len() < LOGS_MAX {
                found.logs.push(message);
            }
        });
    }
}

/// Renders one template.
///
/// # Errors
/// Where it is not Jinja, names what it may not, or passes a limit.
pub fn render(path: &str, source: &str, scope: Scope, macros: &Macros) -> Result<Output, RenderError> {
    guard::check(source).map_err(|(line, message)| RenderError {
        path: path.to_owned(),
        line,
        message,
        kind: RenderKind::default(),
    })?;
    let (env, shared) = environment(scope, macros);
    let failed = |why: &minijinja::Error| old_error::explain(path, source, why);
    let template = env.template_from_named_str(path, source).map_err(|why| failed(&why))?;
    let mut text = Bounded::default();
    if let Err(why) = template.render_captured_to((), &mut text) {
        if text.full {
            let message = format!("the rendered text is longer than {} MiB", OUTPUT_BYTES_MAX >> 20);
            return Err(RenderError { path: path.to_owned(), line: 0, message, kind: RenderKind::default() });
        }
        return Err(failed(&why));
    }
    let text = String::from_utf8(text.bytes).unwrap_or_default();
    let found = shared.found(|found| found.clone());
    Ok(Output { text, found })
}

/// Evaluates one expression, such as `ref('orders')` in a schema file.
///
/// # Errors
/// As [`render`].
pub fn evaluate(path: &str, source: &str, scope: Scope, macros: &Macros) -> Result<Output, RenderError> {
    guard::check(&format!("{{{{{source}}}}}")).map_err(|(line, message)| RenderError {
        path: path.to_owned(),
        line,
        message,
        kind: RenderKind::default(),
    })?;
    let (env, shared) = environment(scope, macros);
    let text = env
        .compile_expression(source)
        .and_then(|expression| expression.eval(()))
        .map_err(|why| RenderError { line: 0, ..old_error::explain(path, source, &why) })?
        .to_string();
    let found = shared.found(|found| found.clone());
    Ok(Output { text, found })
}

fn environment<'a>(scope: Scope, macros: &'a Macros) -> (Environment<'a>, Arc<Shared>) {
    let shared = Arc::new(Shared {
        scope,
        found: Mutex::default(),
        depth: AtomicUsize::new(0),
        returned: Mutex::default(),
    });
    let mut env = Environment::new();
    env.set_recursion_limit(DEPTH_MAX);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    names::add(&mut env, &shared);
    macros.add_to(&mut env, &shared);
    (env, shared)
}

/// Text that does not grow past the limit.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + piece.len() > OUTPUT_BYTES_MAX {
            self.full = true;
            return Err(std::io::Error::other("the rendered text is too long"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Renders the Jinja that settings in YAML may hold, with the variables alone.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The variables.
    pub vars: &'a Map<String, Json>,
}

impl Settings<'_> {
    /// The same value with every text rendered. A text that renders to a word such as `true` or a
    /// number becomes that, as in dbt.
    ///
    /// # Errors
    /// With the sentence to tell; the caller knows the line.
    pub fn value(&self, value: &Json) -> Result<Json, String> {
        match value {
            Json::String(text) if text.contains("{{") || text.contains("{%") => self.text(text),
            Json::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Json::Object(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.value(value)?)))
                .collect::<Result<Map<_, _>, String>>()
                .map(Json::Object),
            other => Ok(other.clone()),
        }
    }

    fn text(&self, text: &str) -> Result<Json, String> {
        let this = Relation { database: None, schema: None, name: String::new() };
        let scope = Scope::describing(self.project, this, self.vars, Config::default());
        let output = render("setting", text, scope, &Macros::default()).map_err(|why| why.message)?;
        let mut word = String::new();
        let _ = write!(word, "{}", output.text.trim());
        Ok(crate::yaml::plain_scalar(&word))
    }
}

#[cfg(test)]
mod old_tests;
#[cfg(test)]
mod tests;

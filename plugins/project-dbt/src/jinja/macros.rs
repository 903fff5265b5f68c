//! The project's macros: found in its files, callable by name from everywhere.
//!
//! In: the text of macro files. Out: one template per macro, and a function that calls it.
//! Never: lets macros call one another without end.
//! Fails: at the call, with the place in the macro's file.
//! Source: in dbt a macro sees all others and nothing else of its file; so each becomes a template
//! of its own, filled up with empty lines so that its lines are those of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use minijinja::value::{Object, Value};
use minijinja::{Environment, Error, ErrorKind, State};

use super::{MACRO_DEPTH_MAX, RenderError, Shared, guard};

/// Macros that would replace what dbt itself does; they are refused when a project is described.
pub const OVERRIDES: [&str; 8] = [
    "generate_schema_name",
    "generate_alias_name",
    "generate_database_name",
    "ref",
    "source",
    "config",
    "is_incremental",
    "var",
];

/// The macros of a project.
#[derive(Debug, Default, Clone)]
pub struct Macros(BTreeMap<String, Macro>);

/// One macro.
#[derive(Debug, Clone)]
struct Macro {
    path: String,
    line: u32,
    /// `path (macro name)`: what errors call it.
    template: String,
    source: String,
}

impl Macros {
    /// Adds the macros of one file. Gives those whose name was taken, with the line and the file
    /// that has it.
    pub fn add(&mut self, path: &str, text: &str) -> Vec<(u32, String, String)> {
        let mut doubles = Vec::new();
        for (name, range) in blocks(text) {
            let before = text[..range.start].matches('\n').count();
            let line = u32::try_from(before + 1).unwrap_or(u32::MAX);
            if let Some(other) = self.0.get(&name) {
                doubles.push((line, name, other.path.clone()));
                continue;
            }
            let source = format!("{}{}", "\n".repeat(before), &text[range]);
            let template = format!("{path} (macro {name})");
            self.0.insert(name, Macro { path: path.to_owned(), line, template, source });
        }
        doubles
    }

    /// The file and line of a macro.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<(&str, u32)> {
        self.0.get(name).map(|one| (one.path.as_str(), one.line))
    }

    /// The files with the macros that a text may call, directly or by way of others: those whose
    /// name stands in it as a word.
    #[must_use]
    pub fn files_for(&self, text: &str) -> Vec<String> {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut texts = vec![text];
        while let Some(text) = texts.pop() {
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if let Some((name, one)) = self.0.get_key_value(word)
                    && known.insert(name)
                {
                    texts.push(&one.source);
                }
            }
        }
        let files: BTreeSet<&String> = known.iter().map(|name| &self.0[*name].path).collect();
        files.into_iter().cloned().collect()
    }

    /// Makes every macro callable.
    pub(super) fn add_to<'a>(&'a self, env: &mut Environment<'a>, shared: &Arc<Shared>) {
        for (name, one) in self.0.iter().filter(|(name, _)| !OVERRIDES.contains(&name.as_str())) {
            let function =
                Function { name: name.clone(), template: one.template.clone(), shared: shared.clone() };
            // A macro that is not Jinja is unknown when it is called; `check` tells why at build.
            if guard::check(&one.source).is_ok() && env.add_template(&one.template, &one.source).is_ok() {
                env.add_global(name.as_str(), Value::from_object(function));
            }
        }
    }

    /// What is wrong with the macros' Jinja.
    #[must_use]
    pub fn check(&self) -> Vec<RenderError> {
        let env = Environment::new();
        let check = |one: &Macro| {
            if let Err((line, message)) = guard::check(&one.source) {
                return Some(RenderError {
                    path: one.path.clone(),
                    line,
                    message,
                    kind: super::RenderKind::default(),
                });
            }
            let why = env.template_from_named_str(&one.path, &one.source).err()?;
            Some(super::old_error::explain(&one.path, &one.source, &why))
        };
        self.0.values().filter_map(check).collect()
    }
}

/// A macro, as templates see it.
#[derive(Debug)]
struct Function {
    name: String,
    template: String,
    shared: Arc<Shared>,
}

impl Object for Function {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let depth = self.shared.depth.fetch_add(1, Ordering::Relaxed);
        let result = if depth >= MACRO_DEPTH_MAX {
            Err(Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "macros call one another more than {MACRO_DEPTH_MAX} deep; does `{}` call itself without end?",
                    self.name
                ),
            ))
        } else {
            self.invoke(state, args)
        };
        self.shared.depth.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

impl Function {
    fn invoke(&self, state: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let template = state.env().get_template(&self.template)?;
        let mut captured = template.render_captured(())?;
        let result = captured.with_state_mut(|inner| inner.call_macro(&self.name, args));
        let returned = self.shared.returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, returned) {
            (Err(_), Some(value)) => Ok(value),
            // Wrapped, so that the engine adds the line of the call to that of the fault.
            (Err(why), None) => {
                Err(Error::new(ErrorKind::InvalidOperation, format!("in macro `{}`", self.name))
                    .with_source(why))
            }
            (Ok(text), _) => Ok(Value::from_safe_string(text)),
        }
    }
}

/// The macro blocks of a file: name and bytes.
fn blocks(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize)> = None;
    let mut at = 0;
    while let Some(next) = text[at..].find("{%").into_iter().chain(text[at..].find("{#")).min() {
        let start = at + next;
        let closing = if text[start..].starts_with("{#") { "#}" } else { "%}" };
        let Some(length) = text[start + 2..].find(closing) else { break };
        let end = start + 2 + length + 2;
        at = end;
        if closing == "#}" {
            continue;
        }
        let inner = text[start + 2..end - 2].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = inner.strip_prefix("macro ") {
            let name: String =
                rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            open = (!name.is_empty()).then_some((name, start));
        } else if inner.starts_with("endmacro")
            && let Some((name, start)) = open.take()
        {
            found.push((name, start..end));
        }
    }
    found
}

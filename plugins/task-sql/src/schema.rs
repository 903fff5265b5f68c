//! Parameters against the JSON Schema of the release.
//!
//! In: the schema's text and the parameters. Out: nothing, or what does not match.
//! Never: fetches a schema; what one refers to is part of it.
//! Fails: naming each parameter and the part of the schema it breaks.

use std::error::Error;

use boon::{CompileError, Compiler, Schemas, UrlLoader, ValidationError};
use cofferdam_sdk::TaskFailure;
use serde_json::Value;

use crate::{codes, parameters::Parameters};

/// Violations a message names.
const NAMED_MAX: usize = 5;
/// What the schema is called while it is worked with.
const LOCATION: &str = "release:///schema";

/// Loads nothing.
struct Closed;

impl UrlLoader for Closed {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(url.into())
    }
}

/// Checks the parameters; `text` is the schema in the file `path`. `format` is checked too, not
/// only noted.
pub(crate) fn check(path: &str, text: &str, parameters: &Parameters) -> Result<(), TaskFailure> {
    let unusable = |why: String| TaskFailure::permanent(codes::SCHEMA, format!("{path}: {why}"));
    let schema: Value =
        serde_json::from_str(text).map_err(|error| unusable(format!("the schema is not JSON: {error}")))?;
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(Closed));
    compiler.enable_format_assertions();
    compiler.add_resource(LOCATION, schema).map_err(|error| unusable(why_not(&error)))?;
    let compiled = compiler.compile(LOCATION, &mut schemas).map_err(|error| unusable(why_not(&error)))?;
    schemas.validate(&parameters.0, compiled).map_err(|violation| {
        let named = leaves(&violation).iter().map(|leaf| parameter(leaf, path)).collect::<Vec<_>>();
        TaskFailure::permanent(codes::PARAMETER, named.join("; "))
    })
}

fn why_not(error: &CompileError) -> String {
    match error {
        CompileError::LoadUrlError { url, .. } | CompileError::UnsupportedUrlScheme { url } => format!(
            "the schema refers to `{url}`, which is not part of it; none is fetched, so move what it needs into `$defs`"
        ),
        CompileError::ValidationError { src, .. } => {
            let named = leaves(src);
            let named = named.iter().map(|leaf| format!("at `{}`: {}", leaf.instance_location, leaf.kind));
            format!("the schema is no JSON Schema: {}", named.collect::<Vec<_>>().join("; "))
        }
        other => format!("the schema cannot be used: {other}"),
    }
}

/// The first violations that have no other underneath.
fn leaves<'a, 's, 'v>(violation: &'a ValidationError<'s, 'v>) -> Vec<&'a ValidationError<'s, 'v>> {
    let mut found = Vec::new();
    let mut open = vec![violation];
    while let Some(next) = open.pop() {
        if found.len() == NAMED_MAX {
            break;
        }
        if next.causes.is_empty() {
            found.push(next);
        }
        open.extend(next.causes.iter().rev());
    }
    found
}

fn parameter(leaf: &ValidationError<'_, '_>, path: &str) -> String {
    let place = leaf.instance_location.to_string();
    let named = place.trim_start_matches('/');
    let subject = if named.is_empty() { "parameters".into() } else { format!("parameter `{named}`") };
    let rule = leaf.schema_url.strip_prefix(LOCATION).unwrap_or(leaf.schema_url);
    format!("{subject}: {} ({path}{rule})", leaf.kind)
}

//! Parameters against the JSON Schema of the release.

use cofferdam_sdk::TaskFailure;
use jsonschema::error::ValidationErrorKind;

use crate::{codes, parameters::Parameters};

/// Violations a message names.
const NAMED_MAX: usize = 5;

/// Checks the parameters; `text` is the schema in the file `path`.
pub(crate) fn check(path: &str, text: &str, parameters: &Parameters) -> Result<(), TaskFailure> {
    let unusable = |why: String| TaskFailure::permanent(codes::SCHEMA, format!("{path}: {why}"));
    let schema: serde_json::Value =
        serde_json::from_str(text).map_err(|error| unusable(format!("the schema is not JSON: {error}")))?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| match error.kind() {
        ValidationErrorKind::Referencing(_) => unusable(
            "the schema refers to one that is not part of it; none is fetched, so move what it needs into `$defs`"
                .into(),
        ),
        _ => unusable(format!("the schema cannot be used: {error}")),
    })?;
    let violations: Vec<_> = validator
        .iter_errors(&parameters.0)
        .take(NAMED_MAX)
        .map(|error| {
            let place = error.instance_path().to_string();
            let named = place.trim_start_matches('/');
            let subject = if named.is_empty() { "parameters".into() } else { format!("parameter `{named}`") };
            format!("{subject}: {error} ({path}#{})", error.schema_path())
        })
        .collect();
    if violations.is_empty() {
        return Ok(());
    }
    Err(TaskFailure::permanent(codes::PARAMETER, violations.join("; ")))
}

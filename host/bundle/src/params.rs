//! Parameters of a dispatch against the signed schema of its task.

use cofferdam_ids::RunId;
use serde_json::Value;

use crate::{
    Refused,
    limits::{PARAM_BYTES_MAX, PARAM_TEXT_BYTES_DEFAULT, PARAMS_MAX},
    statement::{Argument, Dispatch, Parameter, ParameterType, ReleasedTask},
};

/// Checks a dispatch's parameters and gives them in the schema's order, written anew as JSON.
///
/// Unknown and doubled names, wrong types, values out of bounds and missing required ones are
/// refused. A parameter that is not required and not given is left out.
pub fn check_params(dispatch: &Dispatch, task: &ReleasedTask) -> Result<Vec<Argument>, Refused> {
    if dispatch.params.len() > PARAMS_MAX {
        return Err(refuse("", &format!("a dispatch has at most {PARAMS_MAX} parameters")));
    }
    for (i, param) in dispatch.params.iter().enumerate() {
        if !task.params_schema.iter().any(|p| p.name == param.name) {
            return Err(refuse(&param.name, "the task has no such parameter"));
        }
        if dispatch.params[..i].iter().any(|p| p.name == param.name) {
            return Err(refuse(&param.name, "it is given twice"));
        }
    }
    let mut arguments = Vec::with_capacity(dispatch.params.len());
    for schema in &task.params_schema {
        match dispatch.params.iter().find(|p| p.name == schema.name) {
            Some(param) => {
                let json = check_value(schema, &param.json).map_err(|why| refuse(&schema.name, &why))?;
                arguments.push(Argument { name: schema.name.clone(), json });
            }
            None if schema.required => return Err(refuse(&schema.name, "it is required and not given")),
            None => {}
        }
    }
    Ok(arguments)
}

/// Whether the bounds of a schema can be read for its type.
pub(crate) fn check_schema(schema: &Parameter) -> Result<(), String> {
    let bound = |text: &Option<String>| match text {
        None => Ok(()),
        Some(text) if readable(schema.kind, text) => Ok(()),
        Some(text) => Err(format!("`{}` is not a bound of its type", crate::validity::short(text))),
    };
    bound(&schema.min)?;
    bound(&schema.max)
}

fn readable(kind: ParameterType, bound: &str) -> bool {
    match kind {
        ParameterType::Text => bound.parse::<usize>().is_ok_and(|n| n <= PARAM_BYTES_MAX),
        ParameterType::Integer => bound.parse::<i64>().is_ok(),
        ParameterType::Date => is_date(bound),
        ParameterType::Boolean | ParameterType::Runs => false,
    }
}

fn check_value(schema: &Parameter, json: &str) -> Result<String, String> {
    if json.len() > PARAM_BYTES_MAX {
        return Err(format!("it is longer than {PARAM_BYTES_MAX} bytes"));
    }
    let value: Value = serde_json::from_str(json).map_err(|_| "it is not JSON".to_owned())?;
    let text = match (schema.kind, &value) {
        (ParameterType::Text, Value::String(text)) => check_text(schema, text)?,
        (ParameterType::Integer, Value::Number(number)) => check_integer(schema, number)?,
        (ParameterType::Date, Value::String(text)) => check_date(schema, text)?,
        (ParameterType::Boolean, Value::Bool(value)) => value.to_string(),
        (ParameterType::Runs, Value::String(text)) => {
            runs(text).ok_or("it is not ids of runs with a space between them")?;
            text.clone()
        }
        (kind, _) => return Err(format!("it is not {}", name_of(kind))),
    };
    if !schema.one_of.is_empty() && !schema.one_of.contains(&text) {
        return Err("it is not one of the values allowed".to_owned());
    }
    Ok(value.to_string())
}

fn check_text(schema: &Parameter, text: &str) -> Result<String, String> {
    // Plain characters alone: nothing that ends a line, a string or a path, nothing that looks like
    // another character.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" _.:/@+-".contains(&b);
    if !text.bytes().all(plain) {
        return Err("it has a character other than letters, digits, space and `_.:/@+-`".to_owned());
    }
    let least = schema.min.as_deref().map_or(Some(0), |m| m.parse().ok()).ok_or("its schema is unsound")?;
    let most = schema.max.as_deref().map_or(Some(PARAM_TEXT_BYTES_DEFAULT), |m| m.parse().ok());
    let most = most.ok_or("its schema is unsound")?;
    if text.len() < least || text.len() > most {
        return Err(format!("it is {} bytes long; {least} to {most} are allowed", text.len()));
    }
    Ok(text.to_owned())
}

fn check_integer(schema: &Parameter, number: &serde_json::Number) -> Result<String, String> {
    let value = number.as_i64().ok_or("it is not a whole number of 64 bits")?;
    let least =
        schema.min.as_deref().map_or(Ok(i64::MIN), str::parse).map_err(|_| "its schema is unsound")?;
    let most = schema.max.as_deref().map_or(Ok(i64::MAX), str::parse).map_err(|_| "its schema is unsound")?;
    if value < least || value > most {
        return Err(format!("{value} is not within {least} to {most}"));
    }
    Ok(value.to_string())
}

fn check_date(schema: &Parameter, text: &str) -> Result<String, String> {
    if !is_date(text) {
        return Err("it is not a day like 2026-11-21".to_owned());
    }
    // Days of this shape sort as text.
    let early = schema.min.as_deref().is_some_and(|m| text < m);
    let late = schema.max.as_deref().is_some_and(|m| text > m);
    if early || late {
        return Err(format!("{text} is not within the days allowed"));
    }
    Ok(text.to_owned())
}

fn is_date(text: &str) -> bool {
    let digits = |t: &str, n| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split('-');
    let (Some(y), Some(m), Some(d), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    if !digits(y, 4) || !digits(m, 2) || !digits(d, 2) {
        return false;
    }
    // Midnight of a day that does not exist is not a time.
    format!("{text}T00:00:00Z").parse::<cofferdam_ids::Timestamp>().is_ok()
}

fn name_of(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::Text => "a text",
        ParameterType::Integer => "a whole number",
        ParameterType::Date => "a day",
        ParameterType::Boolean => "true or false",
        ParameterType::Runs => "ids of runs",
    }
}

/// The runs of a text of type [`ParameterType::Runs`]; none where it is not one.
fn runs(text: &str) -> Option<Vec<RunId>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(' ').map(|id| RunId::new(id).ok()).collect()
}

/// The runs a dispatch names beside its own, in parameters the task has for that. `arguments` are
/// those [`check_params`] gave.
pub fn named_runs(arguments: &[Argument], task: &ReleasedTask) -> Vec<RunId> {
    let of_kind = |argument: &&Argument| {
        task.params_schema.iter().any(|p| p.name == argument.name && p.kind == ParameterType::Runs)
    };
    let texts =
        arguments.iter().filter(of_kind).filter_map(|argument| serde_json::from_str(&argument.json).ok());
    texts.filter_map(|text: String| runs(&text)).flatten().collect()
}

fn refuse(name: &str, why: &str) -> Refused {
    Refused::Param { name: crate::validity::short(name), why: why.to_owned() }
}

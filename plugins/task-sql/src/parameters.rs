//! The parameters of a statement: what the release says, and on top of it what the run says.

use cofferdam_sdk::{Invocation, TaskFailure, Value};
use serde_json::{Map, Number, Value as Json};

use crate::{codes, statement::Statement};

/// Parameters by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parameters(pub(crate) Json);

impl Parameters {
    /// The parameters of an invocation.
    pub(crate) fn of(invocation: &Invocation) -> Result<Self, TaskFailure> {
        let mut all = invocation.setting::<Map<String, Json>>("parameters")?.unwrap_or_default();
        for argument in &invocation.arguments {
            let value = invocation.argument::<Json>(&argument.name)?.unwrap_or_default();
            all.insert(argument.name.clone(), value);
        }
        Ok(Self(Json::Object(all)))
    }

    /// The values to bind, one for each `?`.
    pub(crate) fn values(&self, path: &str, statement: &Statement) -> Result<Vec<Value>, TaskFailure> {
        statement
            .names
            .iter()
            .map(|(name, line)| {
                let Some(value) = self.0.get(name) else {
                    return Err(TaskFailure::permanent(
                        codes::MISSING,
                        format!(
                            "{path}:{line}: nothing is given for `:{name}`; add it to the task's `parameters` or \
                             start the run with it"
                        ),
                    ));
                };
                bound(value).ok_or_else(|| {
                    TaskFailure::permanent(
                        codes::BINDING,
                        format!("{path}:{line}: {value}, given for `:{name}`, does not fit into 64 bits"),
                    )
                })
            })
            .collect()
    }
}

/// A value as it is bound. Lists and objects are bound as JSON text, for the warehouse's own
/// functions on them.
fn bound(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int64(whole),
            // A whole number above 2^63 would come back as another one.
            None if number.is_u64() => return None,
            None => Value::Float64(Number::as_f64(number)?),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => Value::Text(value.to_string()),
    })
}

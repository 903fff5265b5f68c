//! What a [`MemoryHost`](super::MemoryHost) knows and has seen.

use std::collections::{BTreeMap, VecDeque};

use crate::{Column, Failure, KeptAttempt, Level, Relation, RelationKind, Table, Value, codes};

/// What a scripted statement gives.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Rows(Table),
    Count(u64),
    Failure(Failure),
}

/// Everything the clones of one host share.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) relations: BTreeMap<Relation, (RelationKind, Vec<Column>)>,
    pub(super) answers: BTreeMap<String, VecDeque<Answer>>,
    pub(super) done: Vec<String>,
    pub(super) log: Vec<(Level, String)>,
    pub(super) progress: Option<(u64, u64)>,
    pub(super) kept: BTreeMap<String, Vec<u8>>,
    pub(super) attempts: Vec<KeptAttempt>,
}

impl State {
    /// Writes down what was asked, with its values, and finds its answer. The last answer of a
    /// statement stays.
    pub(super) fn ask(&mut self, statement: &str, values: &[Value]) -> Option<Answer> {
        let statement = squeeze(statement);
        let answers = self.answers.get_mut(&statement);
        let answer = match answers {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        };
        self.done.push(if values.is_empty() {
            statement
        } else {
            format!("{statement} -- {}", values.iter().map(shown).collect::<Vec<_>>().join(", "))
        });
        answer
    }

    /// The answer to a statement that changes things; 0 rows where none was scripted.
    pub(super) fn count(&mut self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        match self.ask(statement, values) {
            None => Ok(0),
            Some(Answer::Count(rows)) => Ok(rows),
            Some(Answer::Failure(failure)) => Err(failure),
            Some(Answer::Rows(_)) => Err(Failure::invalid(
                codes::UNSCRIPTED,
                format!("the test scripted rows for a statement that gives none: {}", squeeze(statement)),
            )),
        }
    }

    /// The answer to a statement that reads.
    pub(super) fn rows(&mut self, statement: &str, values: &[Value]) -> Result<Table, Failure> {
        match self.ask(statement, values) {
            Some(Answer::Rows(table)) => Ok(table),
            Some(Answer::Failure(failure)) => Err(failure),
            Some(Answer::Count(_)) | None => Err(Failure::invalid(
                codes::UNSCRIPTED,
                format!("the test scripted no rows for: {}", squeeze(statement)),
            )),
        }
    }
}

/// A statement with every run of blanks as one, so that a test need not copy its layout.
pub(super) fn squeeze(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        Value::Text(value) => format!("'{value}'"),
        Value::Bytes(value) => format!("{} bytes", value.len()),
    }
}

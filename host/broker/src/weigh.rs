//! What a call is about, before anything is decided: sizes, the session behind its handle, the
//! reading of its statement.

use std::{collections::HashMap, sync::Arc};

use cofferdam_call::{
    Call, FRAME_BYTES_MAX, Handle, KEPT_FILE_BYTES_MAX, KEPT_NAME_BYTES_MAX, Refusal, STATEMENT_BYTES_MAX,
    VALUE_BYTES_MAX, VALUES_MAX, Value,
};
use cofferdam_cap_sql::Engine;
use cofferdam_grants::{Dialect, Reading, read_statement};
use cofferdam_ids::Sha256Digest;

use crate::{
    handles::{Facts, Handles, Sort},
    refusals,
};

/// Readings kept; past it all are forgotten and made anew.
const READINGS_MAX: usize = 512;
/// Bytes of a task's id.
const TASK_BYTES_MAX: usize = 200;
/// Bytes of the name of a step that is committed once.
const STEP_BYTES_MAX: usize = 200;
/// Bytes of a path in a call.
const PATH_BYTES_MAX: usize = 1024;

/// The dialect a statement for an engine is read in.
pub(crate) fn dialect(engine: Engine) -> Dialect {
    match engine {
        Engine::Sqlite => Dialect::Sqlite,
        Engine::Postgres => Dialect::Postgres,
        Engine::Mysql => Dialect::Mysql,
    }
}

/// Statements already read, by dialect, default schema and digest.
#[derive(Default)]
pub(crate) struct Readings(HashMap<(Dialect, Arc<str>, Sha256Digest), Arc<Reading>>);

impl Readings {
    fn of(&mut self, statement: &str, digest: Sha256Digest, session: &Facts) -> Arc<Reading> {
        if self.0.len() >= READINGS_MAX {
            self.0.clear();
        }
        let made = || Arc::new(read_statement(statement, session.dialect, &session.default_schema));
        let key = (session.dialect, Arc::clone(&session.default_schema), digest);
        Arc::clone(self.0.entry(key).or_insert_with(made))
    }
}

/// A statement as the decision and the ledger need it.
pub(crate) struct Weighed {
    pub(crate) session: Option<Facts>,
    pub(crate) statement: Option<WeighedStatement>,
    pub(crate) bytes_in: u64,
    /// Digest of a file to be kept.
    pub(crate) kept: Option<Sha256Digest>,
}

/// One statement.
pub(crate) struct WeighedStatement {
    pub(crate) sha256: Sha256Digest,
    pub(crate) reading: Arc<Reading>,
    pub(crate) values: u32,
    /// Whether the release holds a file with exactly this text.
    pub(crate) signed: bool,
}

impl Weighed {
    /// A call of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { session: None, statement: None, bytes_in: 0, kept: None }
    }
}

/// Checks sizes and handles, and reads the statement.
pub(crate) fn weigh(
    call: &Call,
    payload: &[u8],
    handles: &Handles,
    readings: &mut Readings,
    signed: impl Fn(&Sha256Digest) -> bool,
) -> Result<Weighed, Refusal> {
    check_sizes(call, payload)?;
    let session = handle_of(call).map(|(handle, sort)| handles.facts(handle, sort).cloned()).transpose()?;
    let mut bytes_in = payload.len() as u64;
    let mut weighed_statement = None;
    if let (
        Call::SqlQuery { statement, values, .. } | Call::SqlExecute { statement, values, .. },
        Some(facts),
    ) = (call, &session)
    {
        let sha256 = Sha256Digest::of(statement.as_bytes());
        bytes_in += statement.len() as u64 + values.iter().map(|v| value_bytes(v) as u64).sum::<u64>();
        weighed_statement = Some(WeighedStatement {
            sha256,
            reading: readings.of(statement, sha256, facts),
            values: u32::try_from(values.len()).unwrap_or(u32::MAX),
            signed: signed(&sha256),
        });
    }
    let kept = matches!(call, Call::Keep { .. }).then(|| Sha256Digest::of(payload));
    Ok(Weighed { session, statement: weighed_statement, bytes_in, kept })
}

/// The handle a call is about, and which sort it takes.
fn handle_of(call: &Call) -> Option<(Handle, Sort)> {
    match call {
        Call::SqlQuery { session, .. }
        | Call::SqlExecute { session, .. }
        | Call::SqlBegin { session }
        | Call::SqlCommit { session, .. }
        | Call::SqlRollback { session }
        | Call::SqlLoad { session, .. } => Some((*session, Sort::Session)),
        Call::SqlNext { rows } => Some((*rows, Sort::Rows)),
        Call::SqlLoadWrite { load } | Call::SqlLoadFinish { load } => Some((*load, Sort::Load)),
        Call::Close { handle } => Some((*handle, Sort::Any)),
        Call::SqlOpen { .. }
        | Call::FileList { .. }
        | Call::FileRead { .. }
        | Call::Log { .. }
        | Call::Progress { .. }
        | Call::Keep { .. }
        | Call::ReadKept { .. } => None,
    }
}

fn check_sizes(call: &Call, payload: &[u8]) -> Result<(), Refusal> {
    let longest = |what, bytes: usize, limit: usize| {
        if bytes > limit { Err(refusals::too_long(what, bytes, limit)) } else { Ok(()) }
    };
    match call {
        Call::SqlLoadWrite { .. } => return longest("a frame", payload.len(), FRAME_BYTES_MAX),
        Call::Keep { name } => {
            longest("a kept file's name", name.len(), KEPT_NAME_BYTES_MAX)?;
            return longest("a kept file", payload.len(), KEPT_FILE_BYTES_MAX);
        }
        _ if !payload.is_empty() => return Err(refusals::stray_payload()),
        Call::SqlQuery { statement, values, .. } | Call::SqlExecute { statement, values, .. } => {
            longest("a statement", statement.len(), STATEMENT_BYTES_MAX)?;
            longest("the list of values", values.len(), VALUES_MAX)?;
            for value in values {
                longest("a value", value_bytes(value), VALUE_BYTES_MAX)?;
            }
        }
        Call::ReadKept { name, start, after } => {
            longest("a kept file's name", name.len(), KEPT_NAME_BYTES_MAX)?;
            longest("the start of a task's id", start.len(), TASK_BYTES_MAX)?;
            longest("a task's id", after.as_ref().map_or(0, String::len), TASK_BYTES_MAX)?;
        }
        Call::SqlCommit { step: Some(step), .. } => longest("a step's name", step.len(), STEP_BYTES_MAX)?,
        Call::FileList { prefix: path } | Call::FileRead { path, .. } => {
            longest("a path", path.len(), PATH_BYTES_MAX)?;
        }
        _ => {}
    }
    Ok(())
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Null | Value::Boolean(_) | Value::Int64(_) | Value::Float64(_) => 8,
    }
}

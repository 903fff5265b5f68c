//! Runs one statement of a file, with its parameters bound.
//!
//! In: the settings `statement` (path of a `.sql` file of the release), `schema` (path of a JSON
//! Schema for the parameters, optional; `format` is checked), `access` (`read` or `write`, `write` unless said) and
//! `parameters` (an object, optional); the run's arguments come on top of `parameters`.
//! Out: the number of rows read or changed. What changes rows is done once per run, however many
//! attempts it takes; one that finds it done reports no rows.
//! Never: pastes a value into the statement, or runs more than one.
//! Fails: with CD0950 to CD0955, naming file and parameter, and with the warehouse's own failures.
//! Source: `docs/guides/write-a-plugin.md`; JSON Schema 2020-12 and the drafts before it.

mod codes;
mod parameters;
mod schema;
mod statement;

use cofferdam_sdk::{
    Access, Context, Invocation, Level, Outcome, Rows, Task, TaskFailure, arrow::FrameReader, export_task,
};
use serde::Deserialize;

use parameters::Parameters;
use statement::Statement;

/// The task.
pub struct SqlTask;

/// The one step of the task.
const STEP: &str = "statement";

/// How far the statement may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Read,
    #[default]
    Write,
}

impl Task for SqlTask {
    fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
        let path: String = invocation.required_setting("statement")?;
        let mode = invocation.setting::<Mode>("access")?.unwrap_or_default();
        let parameters = Parameters::of(&invocation)?;
        if let Some(schema) = invocation.setting::<String>("schema")? {
            schema::check(&schema, &cx.files.read_text(&schema)?, &parameters)?;
        }
        let statement = Statement::parse(&cx.files.read_text(&path)?)
            .map_err(|problem| TaskFailure::permanent(codes::STATEMENT, format!("{path}:{problem}")))?;
        let values = parameters.values(&path, &statement)?;

        let gateway = invocation.required_gateway()?;
        let named = |failure: cofferdam_sdk::Failure| TaskFailure::from(failure.context(&path));
        let (rows, summary) = match mode {
            Mode::Read => {
                let connection = cx.warehouse.open(gateway, Access::Read)?;
                let result = connection.query(&statement.text, &values).map_err(named)?;
                let rows = count(result).map_err(named)?;
                (rows, format!("{path} read {rows} rows"))
            }
            Mode::Write => {
                let connection = cx.warehouse.open(gateway, Access::Write)?;
                let rows = if statement.changes_rows() {
                    // A later attempt of the same run must not add the same rows again.
                    connection.execute_once(STEP, &statement.text, &values)
                } else {
                    connection.execute(&statement.text, &values)
                };
                let rows = rows.map_err(named)?;
                (rows, format!("{path} changed {rows} rows"))
            }
        };
        cx.telemetry.log(Level::Info, &summary);
        Ok(Outcome { rows_affected: Some(rows), summary })
    }
}

fn count(mut rows: Box<dyn Rows>) -> Result<u64, cofferdam_sdk::Failure> {
    let mut reader = FrameReader::new();
    let mut count = 0;
    while let Some(frame) = rows.next()? {
        count += reader.read(&frame)?.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
    }
    Ok(count)
}

export_task!(SqlTask);

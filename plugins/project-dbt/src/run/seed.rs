//! Loads a seed into its table.
//!
//! In: the CSV file. Out: the table, replaced in one step.
//! Never: writes rows as statements; they go through the bulk load, in frames of at most 1 MiB.
//! Fails: with the seed's name, file and line; the old table stays.
//! Source: `dbt seed`; `wit/warehouse/warehouse.wit`, function `load`.

use cofferdam_sdk::{Failure, Outcome, Relation, TaskFailure, arrow};

use super::Run;
use super::model::count;
use crate::codes;
use crate::seed::{Seed, SeedError};

/// Rows that are made into frames at a time.
const ROWS_PER_BATCH: usize = 2_000;

impl Run<'_> {
    pub(super) fn seed(&self, relation: &Relation) -> Result<Outcome, TaskFailure> {
        let failed = |why: Failure| TaskFailure::from(why).context(&self.who());
        let node = &self.attempt.node;
        let broken = |why: SeedError| {
            let message = format!("seed `{}` ({}:{}): {}", node.name, node.path, why.line, why.message);
            TaskFailure::permanent(codes::SEED, message)
        };
        let bytes = self.cx.files.read(&node.path).map_err(failed)?;
        let seed = Seed::parse(&bytes, node.config.delimiter, &node.config.column_types).map_err(broken)?;
        drop(bytes);
        self.connection.ensure_schema(relation.schema.as_deref().unwrap_or_default()).map_err(failed)?;
        let mut loader = self.connection.load(relation, &seed.columns).map_err(failed)?;
        let mut writer = arrow::FrameWriter::new(arrow::schema(&seed.columns));
        let mut done = 0;
        while done < seed.len() {
            let end = seed.len().min(done + ROWS_PER_BATCH);
            let rows = (done..end).map(|at| seed.row(at)).collect::<Result<Vec<_>, _>>().map_err(broken)?;
            let batch = arrow::batch(&seed.columns, &rows).map_err(failed)?;
            for frame in writer.write(&batch).map_err(failed)? {
                loader.write(&frame).map_err(failed)?;
            }
            done = end;
            self.cx.telemetry.progress(done as u64, seed.len() as u64);
        }
        for frame in writer.finish().map_err(failed)? {
            loader.write(&frame).map_err(failed)?;
        }
        let rows = loader.finish().map_err(failed)?;
        Ok(Outcome { rows_affected: Some(rows), summary: format!("{relation}: seed of {}", count(rows)) })
    }
}

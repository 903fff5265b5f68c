//! Loads a seed into its table.
//!
//! In: the CSV file. Out: the table, with the types dbt gives its columns.
//! Never: writes rows as statements; they go through the bulk load, in frames of at most 1 MiB.
//! Fails: with the seed's name, file and line; the old rows stay.
//! Source: `dbt seed`; `wit/warehouse/warehouse.wit`, functions `load` and `load-into`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_sdk::arrow::arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
};
use cofferdam_sdk::arrow::{self, RecordBatch, arrow_array::ArrayRef};
use cofferdam_sdk::{Column, DataType, Failure, Loader, Outcome, TaskFailure, Value};
use serde_json::Value as Json;

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::codes;
use crate::jinja::World as _;
use crate::jinja::world::{Database as _, RelationKind, RelationName, Response};
use crate::seed::{Seed, SeedError};

/// Rows that are made into frames at a time.
const ROWS_PER_BATCH: usize = 4_000;

impl Run<'_> {
    /// Loads the seed.
    pub(super) fn seed(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        let seed = self.read_seed()?;
        report.made();
        self.ready(around)?;
        let postgres = self.document.shared.target.kind == "postgres";
        self.hooks(around, "pre_hooks", false)?;
        if postgres {
            around.scene.warehouse.wire.begin().map_err(|why| self.sql_failure(around, why))?;
        }
        self.hooks(around, "pre_hooks", true)?;
        let fresh = self.full_refresh();
        let rows = if postgres {
            self.seed_in_place(around, &seed, fresh)?
        } else {
            self.seed_replaced(around, &seed)?
        };
        if postgres {
            self.seed_belongings(around, fresh)?;
        } else {
            self.make_indexes(around, &self.document.node.relation())?;
        }
        self.hooks(around, "post_hooks", true)?;
        around.scene.warehouse.wire.commit().map_err(|why| self.sql_failure(around, why))?;
        self.hooks(around, "post_hooks", false)?;
        let code = if fresh { "CREATE" } else { "INSERT" };
        let message = format!("{code} {rows}");
        let affected = i64::try_from(rows).ok();
        report.message.clone_from(&message);
        report.response =
            Some(Response { message: message.clone(), code: code.to_owned(), rows_affected: affected });
        Ok(self.outcome(Some(rows), &message))
    }

    /// Whether what is there is to be made anew.
    pub(super) fn full_refresh(&self) -> bool {
        let own = self.document.node.setting("full_refresh").and_then(Json::as_bool);
        own.or(self.ask.full_refresh).unwrap_or(false)
    }

    fn read_seed(&self) -> Result<Seed, TaskFailure> {
        let node = &self.document.node;
        let file = &self.document.file;
        let bytes = self.cx.files.read(file).map_err(|why| TaskFailure::from(why).context(&self.who()))?;
        let delimiter = node.setting("delimiter").and_then(Json::as_str).and_then(|text| match text {
            "\\t" => Some('\t'),
            text => text.chars().next(),
        });
        let types: BTreeMap<String, String> = node
            .setting("column_types")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, of)| Some((name.clone(), of.as_str()?.to_owned())))
            .collect();
        Seed::parse(&bytes, delimiter, &types).map_err(|why| self.broken(&why))
    }

    fn broken(&self, why: &SeedError) -> TaskFailure {
        let message = format!(
            "seed `{}` ({}:{}): {}",
            self.document.node.name(),
            self.document.file,
            why.line,
            why.message
        );
        TaskFailure::permanent(codes::SEED, message)
    }

    /// The name of a column in a statement.
    fn seed_column(&self, name: &str) -> String {
        let quote = self.document.node.setting("quote_columns").and_then(Json::as_bool).unwrap_or(true);
        if quote { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
    }

    /// Calls what the project puts in the place of a method of the adapter; false where there is nothing.
    fn instead(
        &self,
        around: &Around<'_>,
        method: &str,
        relation: &RelationName,
    ) -> Result<bool, TaskFailure> {
        let engine = around.scene.engine;
        let Some(found) = engine.library().instead(method) else { return Ok(false) };
        let (package, name) = (&found.package, format!("{}.{}", found.package, found.block.name));
        let relation = [relation.clone().into_value()];
        let done = around.with(|| engine.call(package, &name, &relation, &[], around));
        done.map(|_| true).map_err(|why| self.failure(around, &why))
    }

    /// Empties the table, or makes it, and fills it: grants, views and comments stay where it stays.
    fn seed_in_place(&self, around: &Around<'_>, seed: &Seed, fresh: bool) -> Result<u64, TaskFailure> {
        let warehouse = around.scene.warehouse;
        let wire = &warehouse.wire;
        let failed = |why: Failure| self.sql_failure(around, why);
        let this = around.this();
        let parts = self.document.node.relation();
        let (_, kind) = warehouse.look(&parts.schema, &parts.identifier).map_err(failed)?;
        match kind {
            Some(RelationKind::Table) if !fresh => {
                let relation = RelationName { kind, ..this.clone() };
                if !self.instead(around, "truncate_relation", &relation)? {
                    wire.run(&format!("truncate table {}", this.render()), false).map_err(failed)?;
                }
            }
            Some(RelationKind::View | RelationKind::MaterializedView) if !fresh => {
                let message = format!(
                    "{}: cannot seed to `{}`, it is a view; drop it first",
                    self.who(),
                    this.render()
                );
                return Err(TaskFailure::permanent(codes::SEED, message));
            }
            there => {
                if there.is_some() {
                    let old = RelationName { kind: there, ..this.clone() };
                    if !self.instead(around, "drop_relation", &old)? {
                        warehouse.drop(&old).map_err(|_| self.last_failure(around))?;
                    }
                }
                let columns = seed.columns.iter().zip(&seed.declared).map(|(column, given)| {
                    let of = given.as_deref().unwrap_or_else(|| inferred(&column.data_type));
                    format!("{} {of}", self.seed_column(&column.name))
                });
                let columns = columns.collect::<Vec<_>>().join(", ");
                wire.run(&format!("create table {} ({columns})", this.render()), false).map_err(failed)?;
            }
        }
        let columns = self.carried(seed);
        let relation = around.scene.warehouse.kept(&self.document.node.relation());
        let loader = wire.connection().and_then(|connection| connection.load_into(&relation, &columns));
        self.fill(around, seed, &columns, loader.map_err(failed)?)
    }

    /// The columns as the bulk load carries them: what is declared in words goes as text, which the
    /// warehouse reads by itself.
    fn carried(&self, seed: &Seed) -> Vec<Column> {
        let quote = self.document.node.setting("quote_columns").and_then(Json::as_bool).unwrap_or(true);
        let columns = seed.columns.iter().zip(&seed.declared).map(|(column, given)| {
            // A name that stands in quotes of its own keeps them as the file has them; blanks around one
            // that the statement does not quote are none of it.
            let written = column.name.trim();
            let own = written.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
            let name = match own {
                _ if quote => column.name.clone(),
                Some(name) => name.replace("\"\"", "\""),
                None => written.to_lowercase(),
            };
            let of = match (&column.data_type, given) {
                (of @ DataType::Int64, _) | (of @ (DataType::Float64 | DataType::Boolean), None) => {
                    of.clone()
                }
                _ => DataType::Text,
            };
            Column::new(name, of)
        });
        columns.collect()
    }

    fn fill(
        &self,
        around: &Around<'_>,
        seed: &Seed,
        columns: &[Column],
        mut loader: Box<dyn Loader>,
    ) -> Result<u64, TaskFailure> {
        let failed = |why: Failure| self.sql_failure(around, why);
        let mut writer = arrow::FrameWriter::new(arrow::schema(columns));
        let mut done = 0;
        while done < seed.len() {
            let end = seed.len().min(done + ROWS_PER_BATCH);
            let batch = self.batch(seed, columns, done, end)?;
            for frame in writer.write(&batch).map_err(failed)? {
                loader.write(&frame).map_err(failed)?;
            }
            done = end;
            self.cx.telemetry.progress(done as u64, seed.len() as u64);
        }
        for frame in writer.finish().map_err(failed)? {
            loader.write(&frame).map_err(failed)?;
        }
        loader.finish().map_err(failed)
    }

    fn batch(
        &self,
        seed: &Seed,
        columns: &[Column],
        from: usize,
        to: usize,
    ) -> Result<RecordBatch, TaskFailure> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let cells = (from..to).map(|row| seed.cell(row, at));
            let array: Result<ArrayRef, SeedError> = match column.data_type {
                DataType::Int64 => fill_with(cells, Int64Builder::new(), |builder, cell| match cell {
                    Value::Int64(number) => builder.append_value(number),
                    _ => builder.append_null(),
                }),
                DataType::Float64 => fill_with(cells, Float64Builder::new(), |builder, cell| match cell {
                    Value::Float64(number) => builder.append_value(number),
                    _ => builder.append_null(),
                }),
                DataType::Boolean => fill_with(cells, BooleanBuilder::new(), |builder, cell| match cell {
                    Value::Boolean(truth) => builder.append_value(truth),
                    _ => builder.append_null(),
                }),
                _ => {
                    let mut builder = StringBuilder::new();
                    for row in from..to {
                        builder.append_option(seed.text(row, at));
                    }
                    Ok(Arc::new(builder.finish()))
                }
            };
            arrays.push(array.map_err(|why| self.broken(&why))?);
        }
        RecordBatch::try_new(arrow::schema(columns), arrays)
            .map_err(|why| TaskFailure::permanent(codes::SEED, format!("{}: {why}", self.who())))
    }

    /// Replaces the whole table in one step, in the contract's types.
    fn seed_replaced(&self, around: &Around<'_>, seed: &Seed) -> Result<u64, TaskFailure> {
        let failed = |why: Failure| self.sql_failure(around, why);
        let relation = around.scene.warehouse.kept(&self.document.node.relation());
        let wire = &around.scene.warehouse.wire;
        let mut loader = wire
            .connection()
            .and_then(|connection| connection.load(&relation, &seed.columns))
            .map_err(failed)?;
        let mut writer = arrow::FrameWriter::new(arrow::schema(&seed.columns));
        let mut done = 0;
        while done < seed.len() {
            let end = seed.len().min(done + ROWS_PER_BATCH);
            let rows = (done..end).map(|at| seed.row(at)).collect::<Result<Vec<_>, _>>();
            let rows = rows.map_err(|why| self.broken(&why))?;
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
        loader.finish().map_err(failed)
    }

    /// Grants, comments and indexes, where the node has any.
    fn seed_belongings(&self, around: &Around<'_>, fresh: bool) -> Result<(), TaskFailure> {
        let node = &self.document.node;
        let has = |key: &str| {
            node.setting(key).is_some_and(|told| match told {
                Json::Object(map) => !map.is_empty(),
                Json::Array(list) => !list.is_empty(),
                _ => true,
            })
        };
        if !has("grants") && !has("persist_docs") && !has("indexes") {
            return Ok(());
        }
        let relation = RelationName { kind: Some(RelationKind::Table), ..around.this() }.into_value();
        let model = around.name("model").unwrap_or_default();
        let engine = around.scene.engine;
        let call = |name: &str, arguments: &[minijinja::Value]| {
            let done = around.with(|| engine.call(node.package(), name, arguments, &[], around));
            done.map(drop).map_err(|why| self.failure(around, &why))
        };
        if has("grants") {
            let grants = crate::jinja::from_json(node.setting("grants").unwrap_or(&Json::Null));
            call("apply_grants", &[relation.clone(), grants, minijinja::Value::from(!fresh)])?;
        }
        if has("persist_docs") {
            call("persist_docs", &[relation.clone(), model])?;
        }
        if has("indexes") {
            call("create_indexes", &[relation])?;
        }
        Ok(())
    }
}

/// Fills an array's builder.
fn fill_with<B: arrow::arrow_array::builder::ArrayBuilder>(
    cells: impl Iterator<Item = Result<Value, SeedError>>,
    mut builder: B,
    add: impl Fn(&mut B, Value),
) -> Result<ArrayRef, SeedError> {
    for cell in cells {
        add(&mut builder, cell?);
    }
    Ok(builder.finish())
}

/// The type dbt declares for an inferred one.
fn inferred(of: &DataType) -> &'static str {
    match of {
        DataType::Int64 => "integer",
        DataType::Float64 => "float8",
        DataType::Boolean => "boolean",
        DataType::Date => "date",
        DataType::Timestamp | DataType::TimestampUtc => "timestamp without time zone",
        _ => "text",
    }
}

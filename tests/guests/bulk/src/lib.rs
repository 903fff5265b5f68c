//! A task that reads or loads many rows, to measure the data path: `cargo xtask bench data`.
//!
//! In: entry `read` with a setting `statement`, or entry `load` with settings `schema`, `table` and
//! `rows`. Out: the number of rows that went by.
//! Never: keeps more than one frame.
//! Fails: with the warehouse's failures as they are.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};
use cofferdam_sdk::{
    Access, Column, Context, DataType, Invocation, Outcome, Relation, Task, TaskFailure,
    arrow::{FrameReader, FrameWriter},
    export_task,
};

/// Rows of one frame of the load: just under 1 MiB.
const BATCH_ROWS: u64 = 11_000;

struct Bulk;

impl Task for Bulk {
    fn run(cx: &Context<'_>, invocation: Invocation) -> Result<Outcome, TaskFailure> {
        let gateway = invocation.required_gateway()?;
        let rows = match invocation.entry.as_str() {
            "read" => {
                let statement: String = invocation.required_setting("statement")?;
                read(cx, gateway, &statement)?
            }
            _ => load(cx, gateway, &invocation)?,
        };
        Ok(Outcome { rows_affected: Some(rows), summary: format!("{rows} rows") })
    }
}

/// Pulls every frame and reads it into Arrow columns.
fn read(cx: &Context<'_>, gateway: &str, statement: &str) -> Result<u64, TaskFailure> {
    let connection = cx.warehouse.open(gateway, Access::Read)?;
    let mut rows = connection.query(statement, &[])?;
    let (mut reader, mut count) = (FrameReader::new(), 0);
    while let Some(frame) = rows.next()? {
        count += reader.read(&frame)?.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
    }
    Ok(count)
}

/// Sends the same batch until all rows are sent, and a shorter one at the end.
fn load(cx: &Context<'_>, gateway: &str, invocation: &Invocation) -> Result<u64, TaskFailure> {
    let relation = Relation {
        database: None,
        schema: Some(invocation.required_setting("schema")?),
        name: invocation.required_setting("table")?,
    };
    let rows: u64 = invocation.required_setting("rows")?;
    let connection = cx.warehouse.open(gateway, Access::Write)?;
    let mut loader = connection.load(&relation, &columns())?;
    let mut writer = FrameWriter::new(schema());
    let full = batch(BATCH_ROWS);
    let mut left = rows;
    while left > 0 {
        let of = left.min(BATCH_ROWS);
        let sent = if of == BATCH_ROWS { writer.write(&full)? } else { writer.write(&batch(of))? };
        for frame in sent {
            loader.write(&frame)?;
        }
        left -= of;
    }
    Ok(loader.finish()?)
}

fn columns() -> Vec<Column> {
    let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
    vec![
        column("id", DataType::Int64),
        column("n", DataType::Int64),
        column("x", DataType::Float64),
        column("label", DataType::Text),
        column("at", DataType::TimestampUtc),
        column("price", DataType::Decimal { precision: 12, scale: 2 }),
    ]
}

fn schema() -> SchemaRef {
    let at = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("id", Arrow::Int64, true),
        Field::new("n", Arrow::Int64, true),
        Field::new("x", Arrow::Float64, true),
        Field::new("label", Arrow::Utf8, true),
        Field::new("at", at, true),
        Field::new("price", Arrow::Decimal128(12, 2), true),
    ]))
}

fn batch(rows: u64) -> RecordBatch {
    let ids = || (0..rows).map(|id| i64::try_from(id).unwrap_or(0));
    let price = Decimal128Array::from_iter_values(ids().map(i128::from));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids())),
        Arc::new(Int64Array::from_iter_values(ids().map(|id| id % 1000))),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|id| f64::from(id as u32) * 0.5))),
        Arc::new(StringArray::from_iter_values(ids().map(|id| format!("label-{id:014}")))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(ids().map(|id| 1_700_000_000_000_000 + id))
                .with_timezone("UTC"),
        ),
        Arc::new(price.with_precision_and_scale(12, 2).expect("the shape is valid")),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are the schema's")
}

export_task!(Bulk);

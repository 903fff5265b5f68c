//! Small results as plain tables.

use super::{FrameReader, batch, frames, rows};
use crate::{Column, Failure, Rows, Value, codes};

/// Rows [`read_all`] takes.
const ROWS_MAX: usize = 100_000;
/// Bytes of frames [`read_all`] takes.
const BYTES_MAX: usize = 32 << 20;

/// A result as a whole: its columns and its rows, each as long as there are columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table; for tests.
    pub fn new(columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        Self { columns, rows }
    }

    /// The only value of a result of one row and one column, none where there is no row.
    pub fn scalar(&self) -> Option<&Value> {
        self.rows.first().and_then(|row| row.first())
    }

    /// The position of the column of this name.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// The table as frames, the schema first.
    pub fn frames(&self) -> Result<Vec<Vec<u8>>, Failure> {
        frames(&batch(&self.columns, &self.rows)?)
    }
}

/// All rows of a result: at most 100,000 and 32 MiB of frames, else `Limit`. For more, read
/// frame by frame.
pub fn read_all(mut result: Box<dyn Rows>) -> Result<Table, Failure> {
    let mut table = Table { columns: result.columns().to_vec(), rows: Vec::new() };
    let mut reader = FrameReader::new();
    let mut bytes = 0;
    while let Some(frame) = result.next()? {
        bytes += frame.len();
        for batch in reader.read(&frame)? {
            if batch.num_columns() != table.columns.len() {
                return Err(Failure::invalid(codes::FRAME, "the frames have other columns than the result"));
            }
            if bytes > BYTES_MAX || table.rows.len() + batch.num_rows() > ROWS_MAX {
                return Err(Failure::limit(
                    codes::TOO_LARGE,
                    format!("the result has more than {ROWS_MAX} rows or 32 MiB; read it frame by frame"),
                ));
            }
            table.rows.append(&mut rows(&batch)?);
        }
    }
    Ok(table)
}

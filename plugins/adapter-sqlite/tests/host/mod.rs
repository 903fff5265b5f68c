//! A host of sessions on a real SQLite, as the gateway has it: every statement is read by the
//! grammar the host reads it with, and refused where that fails.

use std::{cell::RefCell, rc::Rc};

use cofferdam_adapter_sqlite::types;
use cofferdam_sdk::{
    Access, Column, DataType, Detail, Failure, Loader, Rows, Session, Sql, Table, Value,
    arrow::{FrameReader, rows},
    testing::MemoryRows,
};
use rusqlite::{Connection, params_from_iter, types::Value as Cell, types::ValueRef};
use sqlparser::{ast::Statement, dialect::SQLiteDialect, parser::Parser};

/// A database with the schemas `main`, `staging` and `marts`, and what was run on it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) connection: Rc<Connection>,
    pub(crate) statements: Rc<RefCell<Vec<String>>>,
    /// The steps that were done once.
    pub(crate) steps: Rc<RefCell<Vec<String>>>,
}

impl Database {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("ATTACH ':memory:' AS staging; ATTACH ':memory:' AS marts;").unwrap();
        Self { connection: Rc::new(connection), statements: Rc::default(), steps: Rc::default() }
    }

    /// Runs statements past the adapter.
    pub(crate) fn setup(&self, batch: &str) -> &Self {
        self.connection.execute_batch(batch).unwrap();
        self
    }

    /// The rows of a query past the adapter, as text: columns by `|`, rows by `;`.
    pub(crate) fn text(&self, query: &str) -> String {
        let mut statement = self.connection.prepare(query).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..width).map(|index| match row.get_ref(index).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => format!("{value:?}"),
                ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
                ValueRef::Blob(value) => format!("x{value:02x?}"),
            });
            Ok(cells.collect::<Vec<_>>().join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    /// Every relation there is, the stages among them.
    pub(crate) fn relations(&self) -> String {
        self.text(
            "SELECT 'main.' || name FROM main.sqlite_schema UNION ALL \
             SELECT 'staging.' || name FROM staging.sqlite_schema UNION ALL \
             SELECT 'marts.' || name FROM marts.sqlite_schema ORDER BY 1",
        )
    }
}

impl Sql for Database {
    fn open(&self, _gateway: &str, _access: Access) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The last owner: what is open is undone, as the host does it.
        if Rc::strong_count(&self.connection) == 1 && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

fn failed(error: &rusqlite::Error) -> Failure {
    let constraint = error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
    let detail = Detail { code: "CD0301".into(), message: error.to_string() };
    if constraint { Failure::Constraint(detail) } else { Failure::Invalid(detail) }
}

fn bind(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Boolean(value) => Cell::Integer((*value).into()),
        Value::Int64(value) => Cell::Integer(*value),
        Value::Float64(value) => Cell::Real(*value),
        Value::Text(value) => Cell::Text(value.clone()),
        Value::Bytes(value) => Cell::Blob(value.clone()),
    }
}

/// The grammar of the host's decision must understand every statement of the adapter.
fn read(statement: &str) -> Result<(), Failure> {
    let refuse = |why: String| Failure::Refused(Detail { code: "CD0220".into(), message: why });
    let parsed = Parser::parse_sql(&SQLiteDialect {}, statement)
        .map_err(|error| refuse(format!("{error}: {statement}")))?;
    match parsed.as_slice() {
        [
            Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::CreateTable(_)
            | Statement::CreateView(_)
            | Statement::CreateIndex(_)
            | Statement::AlterTable(_)
            | Statement::Drop { .. },
        ] => Ok(()),
        other => Err(refuse(format!("not run for guests: {other:?}"))),
    }
}

impl Session for Database {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        read(statement)?;
        self.statements.borrow_mut().push(statement.to_owned());
        let mut prepared = self.connection.prepare(statement).map_err(|error| failed(&error))?;
        let known: Vec<_> = prepared
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), column.decl_type().map(types::data_type)))
            .collect();
        let width = known.len();
        let cells = prepared.query_map(params_from_iter(values.iter().map(bind)), |row| {
            (0..width).map(|index| row.get::<_, Cell>(index)).collect::<Result<Vec<_>, _>>()
        });
        let cells = cells.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| failed(&error))?;
        let columns = known
            .into_iter()
            .enumerate()
            .map(|(index, (name, declared))| {
                // A computed column has the type of its values.
                let real = cells.iter().any(|row| matches!(row[index], Cell::Real(_)));
                let seen = cells.iter().find_map(|row| match row[index] {
                    Cell::Null => None,
                    Cell::Integer(_) if !real => Some(DataType::Int64),
                    Cell::Integer(_) | Cell::Real(_) => Some(DataType::Float64),
                    Cell::Text(_) => Some(DataType::Text),
                    Cell::Blob(_) => Some(DataType::Bytes),
                });
                let vague = |of: &DataType| matches!(of, DataType::Other(_));
                let of = declared.filter(|of| !vague(of)).or(seen).unwrap_or(DataType::Text);
                Column::new(name, of)
            })
            .collect();
        let rows = cells.into_iter().map(|row| row.into_iter().map(cell).collect()).collect();
        Ok(Box::new(MemoryRows::new(Table::new(columns, rows))?))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        read(statement)?;
        self.statements.borrow_mut().push(statement.to_owned());
        let done = self.connection.execute(statement, params_from_iter(values.iter().map(bind)));
        done.map(|rows| rows as u64).map_err(|error| failed(&error))
    }

    fn begin(&self) -> Result<(), Failure> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| failed(&error))
    }

    fn commit(&self) -> Result<(), Failure> {
        self.connection.execute_batch("COMMIT").map_err(|error| failed(&error))
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        // Done by an earlier attempt where the step is known already.
        if self.steps.borrow().iter().any(|known| known == step) {
            self.rollback()?;
            return Ok(false);
        }
        self.commit()?;
        self.steps.borrow_mut().push(step.to_owned());
        Ok(true)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.connection.execute_batch("ROLLBACK").map_err(|error| failed(&error))
    }

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let insert = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.iter().map(quoted).collect::<Vec<_>>().join("."),
            columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", "),
            vec!["?"; columns.len()].join(", ")
        );
        Ok(Box::new(Load { database: self.clone(), insert, reader: FrameReader::new(), rows: 0 }))
    }
}

fn cell(value: Cell) -> Value {
    match value {
        Cell::Null => Value::Null,
        Cell::Integer(value) => Value::Int64(value),
        Cell::Real(value) => Value::Float64(value),
        Cell::Text(value) => Value::Text(value),
        Cell::Blob(value) => Value::Bytes(value),
    }
}

struct Load {
    database: Database,
    insert: String,
    reader: FrameReader,
    rows: u64,
}

impl Loader for Load {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        for batch in self.reader.read(frame)? {
            for row in rows(&batch)? {
                self.rows += self.database.execute(&self.insert, &row)?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        Ok(self.rows)
    }
}

//! Adapters and tasks run natively on a driver of the host: everything but the sandbox and the
//! door. Statements are read as the door reads them; one that cannot be read is refused.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use cofferdam_call as call;
use cofferdam_cap_sql::{CancelToken, Engine, Holder, Opening, RowsId, SessionWall, SqlDriver, SqlSession};
use cofferdam_grants::{Dialect, read_statement};
use cofferdam_sdk::{
    Access, Adapter, Argument, Column, Connection, Context, DataType, Detail, Failure, Invocation, Loader,
    Outcome, Rows, Session, Sql, Task, TaskFailure, Value, Warehouse, testing::MemoryHost,
};
use cofferdam_task_conformance::Conformance;

/// Runs the kit against an adapter on a driver; gives the lines of its report and what came of it.
pub(crate) fn conformance<A: Adapter>(
    driver: Arc<dyn SqlDriver>,
    gateway: &str,
    schema: &str,
) -> (Vec<String>, Result<Outcome, TaskFailure>) {
    cofferdam_sdk::adapter::forget_appends();
    let host = MemoryHost::new();
    let warehouse = Direct::<A> { sessions: Sessions { driver }, adapter: std::marker::PhantomData };
    let cx = Context { files: &host, warehouse: &warehouse, telemetry: &host };
    let invocation = Invocation {
        task: "conformance".into(),
        entry: "all".into(),
        gateway: Some(gateway.into()),
        settings: vec![Argument::new("schema", &schema).unwrap()],
        ..Invocation::default()
    };
    let done = Conformance::run(&cx, invocation);
    (host.log_lines().into_iter().map(|(_, line)| line).collect(), done)
}

struct Direct<A> {
    sessions: Sessions,
    adapter: std::marker::PhantomData<A>,
}

impl<A: Adapter> Warehouse for Direct<A> {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure> {
        Ok(Box::new(A::open(&self.sessions, gateway, access)?))
    }
}

/// Sessions of one driver.
#[derive(Clone)]
struct Sessions {
    driver: Arc<dyn SqlDriver>,
}

impl Sql for Sessions {
    fn open(&self, _gateway: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        let access = match access {
            Access::Read => call::Access::Read,
            Access::Write => call::Access::Write,
            Access::Admin => call::Access::Admin,
        };
        let opening = Opening {
            access,
            wall: SessionWall::everything(),
            cancel: &CancelToken::default(),
            holder: Holder::operator(),
        };
        let session = self.driver.open(opening).map_err(failure)?;
        let dialect = match self.driver.engine() {
            Engine::Sqlite => Dialect::Sqlite,
            Engine::Postgres => Dialect::Postgres,
            Engine::Mysql => Dialect::Mysql,
        };
        let schema = self.driver.default_schema().to_owned();
        Ok(Box::new(Open { inner: Rc::new(RefCell::new(session)), access, dialect, schema }))
    }
}

struct Open {
    inner: Rc<RefCell<Box<dyn SqlSession>>>,
    access: call::Access,
    dialect: Dialect,
    schema: String,
}

impl Open {
    /// What the door does before it asks the driver.
    fn read(&self, statement: &str) -> Result<(), Failure> {
        let reading = read_statement(statement, self.dialect, &self.schema);
        let refuse = |code: &str, message: String| {
            Err(Failure::Refused(Detail {
                code: code.to_owned(),
                message: format!("{message}: {statement}"),
            }))
        };
        if let Some(problem) = reading.problem {
            return refuse(&problem.code().to_string(), problem.to_string());
        }
        let reads = reading.kind.is_none_or(|kind| kind.is_read());
        if self.access == call::Access::Read && !reads {
            return refuse("CD0224", "a session that reads does not write".to_owned());
        }
        Ok(())
    }
}

impl Session for Open {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.read(statement)?;
        let (rows, columns) = self.inner.borrow_mut().query(statement, &bind(values)).map_err(failure)?;
        let columns = columns.into_iter().map(column).collect();
        Ok(Box::new(OpenRows { inner: Rc::clone(&self.inner), rows, columns }))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.read(statement)?;
        self.inner.borrow_mut().execute(statement, &bind(values)).map_err(failure)
    }

    fn begin(&self) -> Result<(), Failure> {
        self.inner.borrow_mut().begin().map_err(failure)
    }

    fn commit(&self) -> Result<(), Failure> {
        self.inner.borrow_mut().commit().map_err(failure)
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        self.inner.borrow_mut().commit_once(step).map_err(failure)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.inner.borrow_mut().rollback().map_err(failure)
    }

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let columns: Vec<_> = columns.iter().map(theirs).collect();
        self.inner.borrow_mut().load(table, &columns).map_err(failure)?;
        Ok(Box::new(OpenLoad { inner: Rc::clone(&self.inner), open: true }))
    }
}

struct OpenRows {
    inner: Rc<RefCell<Box<dyn SqlSession>>>,
    rows: RowsId,
    columns: Vec<Column>,
}

impl Rows for OpenRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut frame = Vec::new();
        let rows = self.inner.borrow_mut().next_frame(self.rows, &mut frame).map_err(failure)?;
        Ok(rows.map(|_| frame))
    }
}

impl Drop for OpenRows {
    fn drop(&mut self) {
        self.inner.borrow_mut().close_rows(self.rows);
    }
}

struct OpenLoad {
    inner: Rc<RefCell<Box<dyn SqlSession>>>,
    open: bool,
}

impl Loader for OpenLoad {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        self.inner.borrow_mut().load_write(frame).map_err(failure)
    }

    fn finish(mut self: Box<Self>) -> Result<u64, Failure> {
        self.open = false;
        self.inner.borrow_mut().load_finish().map_err(failure)
    }
}

impl Drop for OpenLoad {
    fn drop(&mut self) {
        if self.open {
            self.inner.borrow_mut().load_abandon();
        }
    }
}

fn failure(refusal: call::Refusal) -> Failure {
    let detail = Detail { code: refusal.code.to_string(), message: refusal.message };
    match refusal.kind {
        call::FailureKind::Refused => Failure::Refused(detail),
        call::FailureKind::Invalid => Failure::Invalid(detail),
        call::FailureKind::Constraint => Failure::Constraint(detail),
        call::FailureKind::Permission => Failure::Permission(detail),
        call::FailureKind::Transient => Failure::Transient(detail),
        call::FailureKind::Unavailable => Failure::Unavailable(detail),
        call::FailureKind::Limit => Failure::Limit(detail),
        call::FailureKind::Cancelled => Failure::Cancelled(detail),
    }
}

fn bind(values: &[Value]) -> Vec<call::Value> {
    let one = |value: &Value| match value {
        Value::Null => call::Value::Null,
        Value::Boolean(value) => call::Value::Boolean(*value),
        Value::Int64(value) => call::Value::Int64(*value),
        Value::Float64(value) => call::Value::Float64(*value),
        Value::Text(value) => call::Value::Text(value.clone()),
        Value::Bytes(value) => call::Value::Bytes(value.clone()),
    };
    values.iter().map(one).collect()
}

fn column(of: call::Column) -> Column {
    let data_type = match of.data_type {
        call::DataType::Boolean => DataType::Boolean,
        call::DataType::Int64 => DataType::Int64,
        call::DataType::Float64 => DataType::Float64,
        call::DataType::Decimal { precision, scale } => DataType::Decimal { precision, scale },
        call::DataType::Text => DataType::Text,
        call::DataType::Bytes => DataType::Bytes,
        call::DataType::Date => DataType::Date,
        call::DataType::Time => DataType::Time,
        call::DataType::Timestamp => DataType::Timestamp,
        call::DataType::TimestampUtc => DataType::TimestampUtc,
        call::DataType::Json => DataType::Json,
        call::DataType::Other(name) => DataType::Other(name),
    };
    Column { name: of.name, data_type, nullable: of.nullable }
}

fn theirs(of: &Column) -> call::Column {
    let data_type = match &of.data_type {
        DataType::Boolean => call::DataType::Boolean,
        DataType::Int64 => call::DataType::Int64,
        DataType::Float64 => call::DataType::Float64,
        DataType::Decimal { precision, scale } => {
            call::DataType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Text => call::DataType::Text,
        DataType::Bytes => call::DataType::Bytes,
        DataType::Date => call::DataType::Date,
        DataType::Time => call::DataType::Time,
        DataType::Timestamp => call::DataType::Timestamp,
        DataType::TimestampUtc => call::DataType::TimestampUtc,
        DataType::Json => call::DataType::Json,
        DataType::Other(name) => call::DataType::Other(name.clone()),
    };
    call::Column { name: of.name.clone(), data_type, nullable: of.nullable }
}

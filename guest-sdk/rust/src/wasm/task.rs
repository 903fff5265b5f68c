//! A task as a component: a warehouse, files and telemetry come in, the task goes out.

use std::marker::PhantomData;

use super::{
    bindings::task::{cofferdam::warehouse::warehouse, exports::cofferdam::task::task as t},
    convert::{copies, list, warehouse_types},
    host::Host,
};
use crate::{
    Access, Argument, Column, ColumnDeclaration, Connection, Context, DataType, Dialect, Failure,
    FailureKind, Invocation, Loader, MergeStrategy, Outcome, Relation, RelationInfo, Rows, Snapshot, Task,
    TaskFailure, Value, ValueRange, Warehouse,
};

warehouse_types!(super::bindings::task::cofferdam::warehouse::warehouse);

impl Warehouse for Host {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure> {
        Ok(Box::new(HostConnection(warehouse::open(gateway, access.into())?)))
    }
}

struct HostConnection(warehouse::Connection);

impl Connection for HostConnection {
    fn dialect(&self) -> Dialect {
        self.0.dialect().into()
    }

    fn render(&self, relation: &Relation) -> String {
        self.0.render(&relation.clone().into())
    }

    fn render_type(&self, data_type: &DataType) -> String {
        self.0.render_type(&data_type.clone().into())
    }

    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        let rows = self.0.query(statement, &copies(values))?;
        Ok(Box::new(WarehouseRows { columns: list(rows.columns()), rows }))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        Ok(self.0.execute(statement, &copies(values))?)
    }

    fn execute_once(&self, step: &str, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        Ok(self.0.execute_once(step, statement, &copies(values))?)
    }

    fn begin(&self) -> Result<(), Failure> {
        Ok(self.0.begin()?)
    }

    fn commit(&self) -> Result<(), Failure> {
        Ok(self.0.commit()?)
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        Ok(self.0.commit_once(step)?)
    }

    fn rollback(&self) -> Result<(), Failure> {
        Ok(self.0.rollback()?)
    }

    fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        Ok(self.0.ensure_schema(schema)?)
    }

    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        Ok(list(self.0.list_relations(schema)?))
    }

    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure> {
        Ok(self.0.find(&relation.clone().into())?.map(Into::into))
    }

    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        Ok(list(self.0.describe(&relation.clone().into())?))
    }

    fn column_types(&self, relation: &Relation) -> Result<Vec<ColumnDeclaration>, Failure> {
        Ok(list(self.0.column_types(&relation.clone().into())?))
    }

    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure> {
        Ok(self.0.create_table_as(&relation.clone().into(), select)?)
    }

    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure> {
        Ok(self.0.create_table(&relation.clone().into(), &copies(columns))?)
    }

    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure> {
        Ok(self.0.create_view(&relation.clone().into(), select)?)
    }

    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
        Ok(self.0.insert(&relation.clone().into(), select, &strategy.clone().into())?)
    }

    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure> {
        Ok(self.0.replace_range(&relation.clone().into(), select, &within.clone().into())?)
    }

    fn snapshot(&self, relation: &Relation, select: &str, how: &Snapshot) -> Result<u64, Failure> {
        Ok(self.0.snapshot(&relation.clone().into(), select, &how.clone().into())?)
    }

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        Ok(self.0.rename(&relation.clone().into(), name)?)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        Ok(self.0.drop_relation(&relation.clone().into())?)
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        Ok(Box::new(WarehouseLoader(self.0.load(&relation.clone().into(), &copies(columns))?)))
    }

    fn load_into(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        Ok(Box::new(WarehouseLoader(self.0.load_into(&relation.clone().into(), &copies(columns))?)))
    }
}

struct WarehouseRows {
    columns: Vec<Column>,
    rows: warehouse::Rows,
}

impl Rows for WarehouseRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.rows.next()?)
    }
}

struct WarehouseLoader(warehouse::Loader);

impl Loader for WarehouseLoader {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        Ok(self.0.write(frame)?)
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        Ok(self.0.finish()?)
    }
}

/// A task as a component.
pub struct TaskGuest<T>(PhantomData<T>);

impl<T: Task> t::Guest for TaskGuest<T> {
    fn run(invocation: t::Invocation) -> Result<t::Outcome, t::TaskFailure> {
        let invocation = Invocation {
            task: invocation.task,
            entry: invocation.entry,
            gateway: invocation.gateway,
            run: invocation.run,
            attempt: invocation.attempt,
            environment: invocation.environment,
            started_at: invocation.started_at,
            settings: list(invocation.settings),
            arguments: list(invocation.arguments),
        };
        let cx = Context { files: &Host, warehouse: &Host, telemetry: &Host };
        match T::run(&cx, invocation) {
            Ok(Outcome { rows_affected, summary }) => Ok(t::Outcome { rows_affected, summary }),
            Err(TaskFailure { kind, code, message }) => {
                let kind = match kind {
                    FailureKind::Transient => t::FailureKind::Transient,
                    FailureKind::Permanent => t::FailureKind::Permanent,
                    FailureKind::CheckFailed => t::FailureKind::CheckFailed,
                    FailureKind::Cancelled => t::FailureKind::Cancelled,
                };
                Err(t::TaskFailure { kind, code, message })
            }
        }
    }
}

impl From<t::Argument> for Argument {
    fn from(argument: t::Argument) -> Self {
        Self { name: argument.name, json: argument.json }
    }
}

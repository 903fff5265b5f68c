//! The traits of the SDK as exports of a component.

use std::{cell::RefCell, marker::PhantomData};

use super::{
    bindings::{
        adapter::exports::cofferdam::warehouse::warehouse as w,
        project::exports::cofferdam::task::project as p,
        shared::cofferdam::types::{data as d, failures as f},
        task::exports::cofferdam::task::task as t,
    },
    convert::list,
    imports::Host,
};
use crate::{
    Adapter, Argument, Connection, Context, Failure, FailureKind, Invocation, Loader, Outcome, Project,
    ProjectConfig, ProjectContext, Rows, Task, TaskFailure, codes,
};

/// An adapter as a component.
pub struct AdapterGuest<A>(PhantomData<A>);

impl<A: Adapter> w::Guest for AdapterGuest<A> {
    type Connection = GuestConnection;
    type Loader = GuestLoader;
    type Rows = GuestRows;

    fn open(gateway: String, mode: d::Access) -> Result<w::Connection, f::Failure> {
        let connection = A::open(&Host, &gateway, mode.into())?;
        Ok(w::Connection::new(GuestConnection(Box::new(connection))))
    }
}

/// A connection of the adapter, held by the host.
pub struct GuestConnection(Box<dyn Connection>);

impl w::GuestConnection for GuestConnection {
    fn dialect(&self) -> w::Dialect {
        self.0.dialect().into()
    }

    fn render(&self, relation: d::Relation) -> String {
        self.0.render(&relation.into())
    }

    fn render_type(&self, data_type: d::DataType) -> String {
        self.0.render_type(&data_type.into())
    }

    fn query(&self, statement: String, values: Vec<d::Value>) -> Result<w::Rows, f::Failure> {
        let rows = self.0.query(&statement, &list(values))?;
        Ok(w::Rows::new(GuestRows(RefCell::new(rows))))
    }

    fn execute(&self, statement: String, values: Vec<d::Value>) -> Result<u64, f::Failure> {
        Ok(self.0.execute(&statement, &list(values))?)
    }

    fn ensure_schema(&self, schema: String) -> Result<(), f::Failure> {
        Ok(self.0.ensure_schema(&schema)?)
    }

    fn list_relations(&self, schema: String) -> Result<Vec<w::RelationInfo>, f::Failure> {
        Ok(list(self.0.list_relations(&schema)?))
    }

    fn find(&self, relation: d::Relation) -> Result<Option<w::RelationInfo>, f::Failure> {
        Ok(self.0.find(&relation.into())?.map(Into::into))
    }

    fn describe(&self, relation: d::Relation) -> Result<Vec<d::Column>, f::Failure> {
        Ok(list(self.0.describe(&relation.into())?))
    }

    fn create_table_as(&self, relation: d::Relation, select: String) -> Result<u64, f::Failure> {
        Ok(self.0.create_table_as(&relation.into(), &select)?)
    }

    fn create_table(&self, relation: d::Relation, columns: Vec<d::Column>) -> Result<(), f::Failure> {
        Ok(self.0.create_table(&relation.into(), &list(columns))?)
    }

    fn create_view(&self, relation: d::Relation, select: String) -> Result<(), f::Failure> {
        Ok(self.0.create_view(&relation.into(), &select)?)
    }

    fn insert(
        &self,
        relation: d::Relation,
        select: String,
        strategy: w::MergeStrategy,
    ) -> Result<u64, f::Failure> {
        Ok(self.0.insert(&relation.into(), &select, &strategy.into())?)
    }

    fn replace_range(
        &self,
        relation: d::Relation,
        select: String,
        within: w::ValueRange,
    ) -> Result<u64, f::Failure> {
        Ok(self.0.replace_range(&relation.into(), &select, &within.into())?)
    }

    fn rename(&self, relation: d::Relation, name: String) -> Result<(), f::Failure> {
        Ok(self.0.rename(&relation.into(), &name)?)
    }

    fn drop_relation(&self, relation: d::Relation) -> Result<(), f::Failure> {
        Ok(self.0.drop_relation(&relation.into())?)
    }

    fn load(&self, relation: d::Relation, columns: Vec<d::Column>) -> Result<w::Loader, f::Failure> {
        let loader = self.0.load(&relation.into(), &list(columns))?;
        Ok(w::Loader::new(GuestLoader(RefCell::new(Some(loader)))))
    }
}

/// Rows of the adapter, held by the host.
pub struct GuestRows(RefCell<Box<dyn Rows>>);

impl w::GuestRows for GuestRows {
    fn columns(&self) -> Vec<d::Column> {
        list(self.0.borrow().columns().to_vec())
    }

    fn next(&self) -> Result<Option<Vec<u8>>, f::Failure> {
        Ok(self.0.borrow_mut().next()?)
    }
}

/// A load of the adapter, held by the host; empty once it is finished.
pub struct GuestLoader(RefCell<Option<Box<dyn Loader>>>);

impl w::GuestLoader for GuestLoader {
    fn write(&self, frame: Vec<u8>) -> Result<(), f::Failure> {
        match self.0.borrow_mut().as_mut() {
            Some(loader) => Ok(loader.write(&frame)?),
            None => Err(ended()),
        }
    }

    fn finish(&self) -> Result<u64, f::Failure> {
        match self.0.borrow_mut().take() {
            Some(loader) => Ok(loader.finish()?),
            None => Err(ended()),
        }
    }
}

fn ended() -> f::Failure {
    Failure::invalid(codes::FRAME, "the load was ended before").into()
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

impl From<p::Argument> for Argument {
    fn from(argument: p::Argument) -> Self {
        Self { name: argument.name, json: argument.json }
    }
}

impl From<Argument> for p::Argument {
    fn from(argument: Argument) -> Self {
        Self { name: argument.name, json: argument.json }
    }
}

/// A project loader as a component.
pub struct ProjectGuest<P>(PhantomData<P>);

impl<P: Project> p::Guest for ProjectGuest<P> {
    fn describe(config: p::ProjectConfig) -> Result<Vec<p::TaskSpec>, Vec<p::Problem>> {
        let config = ProjectConfig { root: config.root, gateway: config.gateway, vars: list(config.vars) };
        let specs = P::describe(&ProjectContext { files: &Host, telemetry: &Host }, config);
        let specs = specs.map_err(|problems| {
            let turned = problems.into_iter();
            turned
                .map(|of| p::Problem { path: of.path, line: of.line, message: of.message })
                .collect::<Vec<_>>()
        })?;
        let turned = specs.into_iter().map(|of| p::TaskSpec {
            id: of.id,
            entry: of.entry,
            needs: of.needs,
            path: of.path,
            tags: of.tags,
            settings: list(of.settings),
            sql: of
                .sql
                .into_iter()
                .map(|of| p::SqlRequest {
                    gateway: of.gateway,
                    mode: of.mode,
                    reads: of.reads,
                    writes: of.writes,
                })
                .collect(),
        });
        Ok(turned.collect())
    }
}

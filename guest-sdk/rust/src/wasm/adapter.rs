//! An adapter as a component: SQL sessions come in, a warehouse goes out.

use std::{cell::RefCell, marker::PhantomData};

use super::{
    bindings::{
        adapter::{cofferdam::capability::sql, exports::cofferdam::warehouse::warehouse as w},
        shared::cofferdam::types::{data as d, failures as f},
    },
    convert::{copies, list, warehouse_types},
    host::Host,
};
use crate::{Access, Adapter, Column, Connection, Failure, Loader, Rows, Session, Sql, Value, codes};

warehouse_types!(super::bindings::adapter::exports::cofferdam::warehouse::warehouse);

impl Sql for Host {
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(HostSession(sql::open(gateway, access.into())?)))
    }
}

struct HostSession(sql::Session);

impl Session for HostSession {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        let rows = self.0.query(statement, &copies(values))?;
        Ok(Box::new(HostRows { columns: list(rows.columns()), rows }))
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        Ok(self.0.execute(statement, &copies(values))?)
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

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let target = sql::LoadTarget { table: table.to_vec(), columns: copies(columns) };
        Ok(Box::new(HostLoader(self.0.load(&target)?)))
    }
}

struct HostRows {
    columns: Vec<Column>,
    rows: sql::Rows,
}

impl Rows for HostRows {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.rows.next()?)
    }
}

struct HostLoader(sql::Loader);

impl Loader for HostLoader {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        Ok(self.0.write(frame)?)
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        Ok(self.0.finish()?)
    }
}

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

    fn execute_once(
        &self,
        step: String,
        statement: String,
        values: Vec<d::Value>,
    ) -> Result<u64, f::Failure> {
        Ok(self.0.execute_once(&step, &statement, &list(values))?)
    }

    fn begin(&self) -> Result<(), f::Failure> {
        Ok(self.0.begin()?)
    }

    fn commit(&self) -> Result<(), f::Failure> {
        Ok(self.0.commit()?)
    }

    fn commit_once(&self, step: String) -> Result<bool, f::Failure> {
        Ok(self.0.commit_once(&step)?)
    }

    fn rollback(&self) -> Result<(), f::Failure> {
        Ok(self.0.rollback()?)
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

    fn column_types(&self, relation: d::Relation) -> Result<Vec<w::ColumnDeclaration>, f::Failure> {
        Ok(list(self.0.column_types(&relation.into())?))
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

    fn snapshot(
        &self,
        relation: d::Relation,
        select: String,
        how: w::SnapshotSpec,
    ) -> Result<u64, f::Failure> {
        Ok(self.0.snapshot(&relation.into(), &select, &how.into())?)
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

    fn load_into(&self, relation: d::Relation, columns: Vec<d::Column>) -> Result<w::Loader, f::Failure> {
        let loader = self.0.load_into(&relation.into(), &list(columns))?;
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

//! The host's imports as the traits of the SDK.

use super::{
    bindings::{
        adapter::cofferdam::capability::sql,
        shared::cofferdam::capability::{release_files, telemetry},
        task::cofferdam::warehouse::warehouse,
    },
    convert::{copies, list},
};
use crate::{
    Access, Column, Connection, DataType, Dialect, Failure, FileInfo, Files, Level, Loader, MergeStrategy,
    Relation, RelationInfo, Rows, Session, Sql, Telemetry, Value, ValueRange, Warehouse,
};

/// Bytes asked for at a time.
const PIECE_BYTES: u32 = 1 << 20;

/// The host.
pub(super) struct Host;

impl Files for Host {
    fn list(&self, prefix: &str) -> Result<Vec<FileInfo>, Failure> {
        let files = release_files::list_files(prefix)?;
        Ok(files.into_iter().map(|file| FileInfo { path: file.path, size: file.size }).collect())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut whole = release_files::read(path, 0, PIECE_BYTES)?;
        let mut last = whole.len();
        // A short piece is the last one; a full one may have something behind it.
        while last == PIECE_BYTES as usize {
            let mut piece = release_files::read(path, whole.len() as u64, PIECE_BYTES)?;
            last = piece.len();
            whole.append(&mut piece);
        }
        Ok(whole)
    }
}

impl Telemetry for Host {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => telemetry::Level::Debug,
            Level::Info => telemetry::Level::Info,
            Level::Warn => telemetry::Level::Warn,
            Level::Error => telemetry::Level::Error,
        };
        telemetry::log(level, message);
    }

    fn progress(&self, done: u64, total: u64) {
        telemetry::progress(done, total);
    }
}

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

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        Ok(self.0.rename(&relation.clone().into(), name)?)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        Ok(self.0.drop_relation(&relation.clone().into())?)
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        Ok(Box::new(WarehouseLoader(self.0.load(&relation.clone().into(), &copies(columns))?)))
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

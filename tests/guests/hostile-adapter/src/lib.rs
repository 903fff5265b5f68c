//! An adapter that misbehaves on purpose, one way per statement it is asked to execute.
//! `tests/tests/hostile.rs` claims each.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, unused_imports))]

wit_bindgen::generate!({
    world: "cofferdam:worlds/adapter@0.1.0",
    path: ["../../../wit/types", "../../../wit/capability", "../../../wit/warehouse", "../../../wit/task", "../../../wit/worlds"],
    generate_all,
});

use cofferdam::types::{
    data::{Access, Column, DataType, Relation, Value},
    failures::{Detail, Failure},
};
use exports::cofferdam::warehouse::warehouse as api;

/// The ways, by the statement a task executes.
pub const WAYS: &[&str] =
    &["trap-in-a-destructor", "trap", "spin", "huge-rows", "lying-frame", "foreign-message"];

struct Hostile;

impl api::Guest for Hostile {
    type Connection = Connection;
    type Rows = Rows;
    type Loader = Loader;

    fn open(_: String, _: Access) -> Result<api::Connection, Failure> {
        Ok(api::Connection::new(Connection { trap_on_drop: false.into() }))
    }
}

/// A connection that connects to nothing.
pub struct Connection {
    trap_on_drop: std::cell::Cell<bool>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        assert!(!self.trap_on_drop.get(), "a destructor that traps");
    }
}

fn no<T>() -> Result<T, Failure> {
    Err(Failure::Invalid(Detail { code: "HOSTILE".to_owned(), message: "not here".to_owned() }))
}

impl api::GuestConnection for Connection {
    fn dialect(&self) -> api::Dialect {
        api::Dialect {
            name: "hostile".to_owned(),
            quote: "\"".to_owned(),
            default_schema: String::new(),
            transactional_ddl: false,
        }
    }

    fn execute(&self, statement: String, _: Vec<Value>) -> Result<u64, Failure> {
        match statement.as_str() {
            "trap-in-a-destructor" => {
                self.trap_on_drop.set(true);
                Ok(0)
            }
            "trap" => panic!("on purpose"),
            "spin" => loop {
                std::hint::black_box(());
            },
            "foreign-message" => Err(Failure::Transient(Detail {
                code: "\u{1b}[2J".repeat(10_000),
                message: "x".repeat(4 << 20),
            })),
            _ => no(),
        }
    }

    fn query(&self, statement: String, _: Vec<Value>) -> Result<api::Rows, Failure> {
        match statement.as_str() {
            "huge-rows" => Ok(api::Rows::new(Rows { bytes: 32 << 20 })),
            "lying-frame" => Ok(api::Rows::new(Rows { bytes: 64 })),
            _ => no(),
        }
    }

    fn execute_once(&self, _: String, _: String, _: Vec<Value>) -> Result<u64, Failure> {
        no()
    }

    fn begin(&self) -> Result<(), Failure> {
        no()
    }

    fn commit(&self) -> Result<(), Failure> {
        no()
    }

    fn commit_once(&self, _: String) -> Result<bool, Failure> {
        no()
    }

    fn rollback(&self) -> Result<(), Failure> {
        no()
    }

    fn column_types(&self, _: Relation) -> Result<Vec<api::ColumnDeclaration>, Failure> {
        no()
    }

    fn render(&self, relation: Relation) -> String {
        relation.name
    }

    fn render_type(&self, _: DataType) -> String {
        "X".to_owned()
    }

    fn ensure_schema(&self, _: String) -> Result<(), Failure> {
        no()
    }

    fn list_relations(&self, _: String) -> Result<Vec<api::RelationInfo>, Failure> {
        no()
    }

    fn find(&self, _: Relation) -> Result<Option<api::RelationInfo>, Failure> {
        no()
    }

    fn describe(&self, _: Relation) -> Result<Vec<Column>, Failure> {
        no()
    }

    fn create_table_as(&self, _: Relation, _: String) -> Result<u64, Failure> {
        no()
    }

    fn create_table(&self, _: Relation, _: Vec<Column>) -> Result<(), Failure> {
        no()
    }

    fn create_view(&self, _: Relation, _: String) -> Result<(), Failure> {
        no()
    }

    fn insert(&self, _: Relation, _: String, _: api::MergeStrategy) -> Result<u64, Failure> {
        no()
    }

    fn replace_range(&self, _: Relation, _: String, _: api::ValueRange) -> Result<u64, Failure> {
        no()
    }

    fn snapshot(&self, _: Relation, _: String, _: api::SnapshotSpec) -> Result<u64, Failure> {
        no()
    }

    fn rename(&self, _: Relation, _: String) -> Result<(), Failure> {
        no()
    }

    fn drop_relation(&self, _: Relation) -> Result<(), Failure> {
        no()
    }

    fn load(&self, _: Relation, _: Vec<Column>) -> Result<api::Loader, Failure> {
        no()
    }

    fn load_into(&self, _: Relation, _: Vec<Column>) -> Result<api::Loader, Failure> {
        no()
    }
}

/// Rows that are not there.
pub struct Rows {
    bytes: usize,
}

impl api::GuestRows for Rows {
    fn columns(&self) -> Vec<Column> {
        Vec::new()
    }

    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(Some(vec![0xff; self.bytes]))
    }
}

/// A load that loads nothing.
pub struct Loader;

impl api::GuestLoader for Loader {
    fn write(&self, _: Vec<u8>) -> Result<(), Failure> {
        no()
    }

    fn finish(&self) -> Result<u64, Failure> {
        no()
    }
}

// Natively there is nothing to export to: only the names of the ways are read.
#[cfg(target_arch = "wasm32")]
export!(Hostile);

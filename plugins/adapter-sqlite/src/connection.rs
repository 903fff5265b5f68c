//! One connection: the contract's calls, each handed to the module that does it.

use std::rc::Rc;

use cofferdam_sdk::{
    Column, Connection, DataType, Dialect, Failure, Loader, MergeStrategy, Relation, RelationInfo, Rows,
    Session, Value, ValueRange,
};

use crate::{
    catalog, insert, load,
    names::{DEFAULT_SCHEMA, Place, quote},
    replace, types,
};

/// A connection to a SQLite gateway.
pub struct SqliteConnection {
    session: Rc<dyn Session>,
}

impl SqliteConnection {
    pub(crate) fn new(session: Box<dyn Session>) -> Self {
        Self { session: Rc::from(session) }
    }

    fn session(&self) -> &dyn Session {
        self.session.as_ref()
    }
}

impl Connection for SqliteConnection {
    fn dialect(&self) -> Dialect {
        Dialect {
            name: "sqlite".into(),
            quote: "\"".into(),
            default_schema: DEFAULT_SCHEMA.into(),
            transactional_ddl: true,
        }
    }

    fn render(&self, relation: &Relation) -> String {
        let schema = relation.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        format!("{}.{}", quote(schema), quote(&relation.name))
    }

    fn render_type(&self, data_type: &DataType) -> String {
        types::declared(data_type)
    }

    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.session.query(statement, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.session.execute(statement, values)
    }

    fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        catalog::check_schema(self.session(), schema)
    }

    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        catalog::check_schema(self.session(), schema)?;
        catalog::list(self.session(), schema)
    }

    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure> {
        catalog::find(self.session(), &Place::of(relation)?)
    }

    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        catalog::describe(self.session(), &Place::of(relation)?)
    }

    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure> {
        replace::table_as(self.session(), &Place::of(relation)?, select)
    }

    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure> {
        replace::empty_table(self.session(), &Place::of(relation)?, columns)
    }

    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure> {
        replace::view(self.session(), &Place::of(relation)?, select)
    }

    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
        insert::insert(self.session(), &Place::of(relation)?, select, strategy)
    }

    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure> {
        insert::replace_range(self.session(), &Place::of(relation)?, select, within)
    }

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        replace::rename(self.session(), &Place::of(relation)?, name)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        replace::drop_any(self.session(), &Place::of(relation)?)
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        load::start(&self.session, Place::of(relation)?, columns)
    }
}

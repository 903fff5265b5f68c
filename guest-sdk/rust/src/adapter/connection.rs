//! A connection to any warehouse whose [`Engine`] is known: the contract's calls, each handed to
//! the step that does it.

use std::{cell::OnceCell, rc::Rc};

use super::{
    Engine, Place, create, drop_any, in_transaction, inner, insert, joined::Joined, load, once, snapshot,
    staged,
};
use crate::{
    Column, ColumnDeclaration, Connection, DataType, Dialect, Failure, Loader, MergeStrategy, Relation,
    RelationInfo, Rows, Session, Snapshot, Value, ValueRange,
};

/// A connection of an adapter.
pub struct SqlConnection {
    engine: Rc<dyn Engine>,
    session: Rc<Joined>,
    default_schema: OnceCell<String>,
    ask_schema: Box<AskSchema>,
}

/// Asks a session for the schema that is meant where none is named.
type AskSchema = dyn Fn(&dyn Session) -> Result<String, Failure>;

impl SqlConnection {
    /// A connection that speaks as the engine does, over a session of the host. `default_schema`
    /// is the one meant where none is named.
    pub fn new(
        engine: impl Engine + 'static,
        session: Box<dyn Session>,
        default_schema: impl Into<String>,
    ) -> Self {
        let schema = default_schema.into();
        Self::asking(engine, session, move |_| Ok(schema.clone()))
    }

    /// As [`SqlConnection::new`]; the warehouse is asked for the schema when it is first needed.
    pub fn asking(
        engine: impl Engine + 'static,
        session: Box<dyn Session>,
        ask_schema: impl Fn(&dyn Session) -> Result<String, Failure> + 'static,
    ) -> Self {
        Self {
            engine: Rc::new(engine),
            session: Rc::new(Joined::over(session)),
            default_schema: OnceCell::new(),
            ask_schema: Box::new(ask_schema),
        }
    }

    fn default_schema(&self) -> Result<&str, Failure> {
        if let Some(known) = self.default_schema.get() {
            return Ok(known);
        }
        let asked = (self.ask_schema)(self.session())?;
        Ok(self.default_schema.get_or_init(|| asked))
    }

    fn session(&self) -> &dyn Session {
        self.session.as_ref()
    }

    fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    fn place(&self, relation: &Relation) -> Result<Place, Failure> {
        let schema = match &relation.schema {
            Some(schema) => schema,
            None => self.default_schema()?,
        };
        Place::of(relation, schema, self.engine.naming())
    }
}

impl Connection for SqlConnection {
    fn dialect(&self) -> Dialect {
        let naming = self.engine.naming();
        Dialect {
            name: naming.dialect.into(),
            quote: naming.mark.into(),
            default_schema: self.default_schema().unwrap_or_default().to_owned(),
            transactional_ddl: self.engine.transactional_ddl(),
        }
    }

    fn render(&self, relation: &Relation) -> String {
        let schema = match &relation.schema {
            Some(schema) => schema,
            None => self.default_schema().unwrap_or_default(),
        };
        let naming = self.engine.naming();
        format!("{}.{}", naming.quote(schema), naming.quote(&relation.name))
    }

    fn render_type(&self, data_type: &DataType) -> String {
        self.engine.type_name(data_type)
    }

    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.session.query(statement, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.session.execute(statement, values)
    }

    fn execute_once(&self, step: &str, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        once::execute_once(self.session(), step, statement, values)
    }

    fn begin(&self) -> Result<(), Failure> {
        self.session.hold()
    }

    fn commit(&self) -> Result<(), Failure> {
        self.session.release(|session| session.commit())
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        let step = once::task_step(step);
        self.session.release(|session| session.commit_once(&step))
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.session.undo()
    }

    fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        self.engine.ensure_schema(self.session(), schema)
    }

    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        self.engine.list(self.session(), schema)
    }

    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure> {
        self.engine.find(self.session(), &self.place(relation)?)
    }

    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        let columns = self.engine.columns(self.session(), &self.place(relation)?, true)?;
        let turned = columns.into_iter().map(|column| Column {
            data_type: self.engine.data_type(&column.declared),
            name: column.name,
            nullable: column.nullable,
        });
        Ok(turned.collect())
    }

    fn column_types(&self, relation: &Relation) -> Result<Vec<ColumnDeclaration>, Failure> {
        let columns = self.engine.columns(self.session(), &self.place(relation)?, true)?;
        let declared = columns.into_iter().map(|column| ColumnDeclaration {
            name: column.name,
            declared: column.declared,
            nullable: column.nullable,
        });
        Ok(declared.collect())
    }

    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure> {
        let (place, select) = (self.place(relation)?, inner(select));
        if self.engine.transactional_ddl() && self.engine.find(self.session(), &place)?.is_none() {
            // Nobody reads what is not there yet: no stage is needed.
            return in_transaction(self.session(), || self.engine.make(self.session(), &place, &select));
        }
        // The select may read what it replaces, so its rows wait beside it.
        staged::replaced(self.engine(), self.session(), &place, |stage| {
            self.engine.make(self.session(), stage, &select)
        })
    }

    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure> {
        let columns = self.engine.declare(columns);
        staged::replaced(self.engine(), self.session(), &self.place(relation)?, |stage| {
            create(self.session(), stage, &columns)
        })
    }

    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure> {
        self.engine.view(self.session(), &self.place(relation)?, &inner(select))
    }

    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
        insert::insert(self.engine(), self.session(), &self.place(relation)?, select, strategy)
    }

    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure> {
        insert::replace_range(self.engine(), self.session(), &self.place(relation)?, select, within)
    }

    fn snapshot(&self, relation: &Relation, select: &str, how: &Snapshot) -> Result<u64, Failure> {
        snapshot::snapshot(self.engine(), self.session(), &self.place(relation)?, select, how)
    }

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        let place = self.place(relation)?;
        let to = self.place(&Relation { name: name.to_owned(), ..relation.clone() })?;
        let there = self.engine.find(self.session(), &place)?;
        let there = there.ok_or_else(|| super::no_relation(&place))?;
        self.engine.rename(self.session(), &place, &to, there.kind)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        drop_any(self.engine(), self.session(), &self.place(relation)?)
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let session: Rc<dyn Session> = Rc::<Joined>::clone(&self.session);
        load::load(Rc::clone(&self.engine), session, self.place(relation)?, columns)
    }

    fn load_into(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        let place = self.place(relation)?;
        self.session.load(&[place.schema, place.name], columns)
    }
}

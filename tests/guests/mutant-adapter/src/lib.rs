//! The SQLite adapter with one mistake, chosen by the gateway's name: what the conformance kit
//! must catch. `tests/tests/conformance.rs` claims each.

use cofferdam_adapter_sqlite::Sqlite;
use cofferdam_sdk::{
    Access, Adapter, Column, ColumnDeclaration, Connection, DataType, Dialect, Failure, Loader,
    MergeStrategy, Relation, RelationInfo, Rows, Snapshot, Sql, Value, ValueRange, adapter::SqlConnection,
};

/// One way to be wrong, by the gateway's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// `wrong-type`: whole numbers are made as text.
    WrongType,
    /// `lost-null`: text that is NULL becomes empty in a table made of a select.
    LostNull,
    /// `drop-first`: a table is dropped before the one in its place is made.
    DropFirst,
    /// `deaf`: a failed statement is reported as done.
    Deaf,
    /// `append-twice`: appended rows come in twice.
    AppendTwice,
    /// `early-load`: a load empties its table at the start.
    EarlyLoad,
    /// `careless-quotes`: a name can leave its quotes.
    CarelessQuotes,
    /// `forgetful`: a snapshot never ends a row.
    Forgetful,
}

impl Mistake {
    /// Every mistake, with the gateway's name that chooses it.
    pub const ALL: [(&'static str, Self); 8] = [
        ("wrong-type", Self::WrongType),
        ("lost-null", Self::LostNull),
        ("drop-first", Self::DropFirst),
        ("deaf", Self::Deaf),
        ("append-twice", Self::AppendTwice),
        ("early-load", Self::EarlyLoad),
        ("careless-quotes", Self::CarelessQuotes),
        ("forgetful", Self::Forgetful),
    ];

    /// The mistake a gateway's name chooses; none for any other name.
    pub fn of(gateway: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == gateway).map(|(_, mistake)| *mistake)
    }
}

/// A connection that makes a mistake.
pub struct Mutant {
    inner: SqlConnection,
    mistake: Option<Mistake>,
}

impl Mutant {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn columns(&self, columns: &[Column]) -> Vec<Column> {
        let turn = |column: &Column| {
            let mut column = column.clone();
            if self.has(Mistake::WrongType) && column.data_type == DataType::Int64 {
                column.data_type = DataType::Text;
            }
            column
        };
        columns.iter().map(turn).collect()
    }
}

/// The mutant.
pub struct Mutants;

cofferdam_sdk::export_adapter!(Mutants);

impl Adapter for Mutants {
    type Connection = Mutant;

    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<Mutant, Failure> {
        Ok(Mutant { inner: Sqlite::open(sql, gateway, access)?, mistake: Mistake::of(gateway) })
    }
}

impl Connection for Mutant {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    fn render(&self, relation: &Relation) -> String {
        if self.has(Mistake::CarelessQuotes) {
            return format!("\"{}\".\"{}\"", relation.schema.as_deref().unwrap_or("main"), relation.name);
        }
        self.inner.render(relation)
    }

    fn render_type(&self, data_type: &DataType) -> String {
        self.inner.render_type(data_type)
    }

    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.inner.query(statement, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        let done = self.inner.execute(statement, values);
        if self.has(Mistake::Deaf) { Ok(done.unwrap_or(0)) } else { done }
    }

    fn execute_once(&self, step: &str, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.inner.execute_once(step, statement, values)
    }

    fn begin(&self) -> Result<(), Failure> {
        self.inner.begin()
    }

    fn commit(&self) -> Result<(), Failure> {
        self.inner.commit()
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        self.inner.commit_once(step)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.inner.rollback()
    }

    fn column_types(&self, relation: &Relation) -> Result<Vec<ColumnDeclaration>, Failure> {
        self.inner.column_types(relation)
    }

    fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        self.inner.ensure_schema(schema)
    }

    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        self.inner.list_relations(schema)
    }

    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure> {
        self.inner.find(relation)
    }

    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        self.inner.describe(relation)
    }

    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure> {
        if self.has(Mistake::DropFirst) {
            self.inner.drop_relation(relation)?;
        }
        let rows = self.inner.create_table_as(relation, select)?;
        if self.has(Mistake::LostNull) {
            for column in self.inner.describe(relation)? {
                if column.data_type == DataType::Text {
                    let (table, name) = (self.inner.render(relation), column.name.replace('"', "\"\""));
                    let fill = format!("UPDATE {table} SET \"{name}\" = '' WHERE \"{name}\" IS NULL");
                    self.inner.execute(&fill, &[])?;
                }
            }
        }
        Ok(rows)
    }

    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure> {
        self.inner.create_table(relation, &self.columns(columns))
    }

    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure> {
        self.inner.create_view(relation, select)
    }

    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
        let rows = self.inner.insert(relation, select, strategy)?;
        if self.has(Mistake::AppendTwice) && *strategy == MergeStrategy::Append {
            self.inner.insert(relation, select, strategy)?;
        }
        Ok(rows)
    }

    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure> {
        self.inner.replace_range(relation, select, within)
    }

    fn snapshot(&self, relation: &Relation, select: &str, how: &Snapshot) -> Result<u64, Failure> {
        let rows = self.inner.snapshot(relation, select, how)?;
        if self.has(Mistake::Forgetful) {
            let (table, end) = (self.inner.render(relation), &how.names.valid_to);
            self.inner.execute(&format!("UPDATE {table} SET \"{end}\" = NULL"), &[])?;
        }
        Ok(rows)
    }

    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure> {
        self.inner.rename(relation, name)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure> {
        self.inner.drop_relation(relation)
    }

    fn load_into(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        self.inner.load_into(relation, columns)
    }

    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        if self.has(Mistake::EarlyLoad) {
            self.inner.create_table(relation, columns)?;
        }
        self.inner.load(relation, columns)
    }
}

//! What the shared steps need to know of MySQL and MariaDB.

use cofferdam_sdk::{
    DataType, Failure, RelationInfo, RelationKind, Session,
    adapter::{Declared, Engine, Naming, Place},
};

use crate::{catalog, replace, types};

/// MySQL counts 64 characters; counted as bytes a name is never too long.
pub(crate) static NAMING: Naming = Naming { dialect: "mysql", warehouse: "MySQL", mark: '`', bytes_max: 64 };

/// MySQL, for the steps adapters share.
pub(crate) struct MysqlEngine;

impl Engine for MysqlEngine {
    fn naming(&self) -> &'static Naming {
        &NAMING
    }

    // `CREATE`, `ALTER`, `RENAME` and `DROP` end the transaction they stand in.
    fn transactional_ddl(&self) -> bool {
        false
    }

    fn type_name(&self, data_type: &DataType) -> String {
        types::declared(data_type)
    }

    fn data_type(&self, declared: &str) -> DataType {
        types::data_type(declared)
    }

    // `TIMESTAMP` ends in 2038; a history should not.
    fn moment_type(&self) -> String {
        types::declared(&DataType::Timestamp)
    }

    fn ensure_schema(&self, session: &dyn Session, schema: &str) -> Result<(), Failure> {
        if catalog::has_schema(session, schema)? {
            return Ok(());
        }
        session.execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", NAMING.quote(schema)), &[]).map(drop)
    }

    fn list(&self, session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        catalog::list(session, schema)
    }

    fn find(&self, session: &dyn Session, place: &Place) -> Result<Option<RelationInfo>, Failure> {
        catalog::find(session, place)
    }

    fn columns(
        &self,
        session: &dyn Session,
        place: &Place,
        computed: bool,
    ) -> Result<Vec<Declared>, Failure> {
        catalog::columns(session, place, computed)
    }

    fn put(&self, session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
        replace::put(session, stage, place)
    }

    fn view(&self, session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
        replace::view(session, place, select)
    }

    // `RENAME TABLE` renames views too.
    fn rename(
        &self,
        session: &dyn Session,
        place: &Place,
        to: &Place,
        _kind: RelationKind,
    ) -> Result<(), Failure> {
        session.execute(&format!("RENAME TABLE {} TO {}", place.quoted(), to.quoted()), &[]).map(drop)
    }

    fn update_from(&self, old: &str, new: &str, set: &[(String, String)], on: &str) -> String {
        let (o, n) = (NAMING.quote("old"), NAMING.quote("new"));
        let set = set.iter().map(|(column, value)| format!("{o}.{} = {value}", NAMING.quote(column)));
        let set = set.collect::<Vec<_>>().join(", ");
        format!("UPDATE {old} AS {o} JOIN {new} AS {n} ON {on} SET {set}")
    }

    fn differ(&self, one: &str, other: &str) -> String {
        format!("NOT ({one} <=> {other})")
    }

    fn joined(&self, parts: &[String]) -> String {
        let parts = parts.iter().map(|part| format!("coalesce(CAST({part} AS CHAR), '')"));
        format!("md5(concat({}))", parts.collect::<Vec<_>>().join(", '|', "))
    }

    // MariaDB takes no zone in the text of a moment; the session's zone is UTC.
    fn moment(&self, text: &str, _zoned: bool) -> String {
        text.to_owned()
    }
}

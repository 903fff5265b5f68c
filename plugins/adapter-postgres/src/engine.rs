//! What the shared steps need to know of PostgreSQL.

use cofferdam_sdk::{
    DataType, Failure, RelationInfo, RelationKind, Session,
    adapter::{Declared, Engine, Naming, Place},
};

use crate::{catalog, replace, types};

/// PostgreSQL cuts longer names off and says nothing.
pub(crate) static NAMING: Naming =
    Naming { dialect: "postgres", warehouse: "PostgreSQL", mark: '"', bytes_max: 63 };

/// PostgreSQL, for the steps adapters share.
pub(crate) struct PostgresEngine;

impl Engine for PostgresEngine {
    fn naming(&self) -> &'static Naming {
        &NAMING
    }

    fn type_name(&self, data_type: &DataType) -> String {
        types::declared(data_type)
    }

    fn data_type(&self, declared: &str) -> DataType {
        types::data_type(declared)
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

    // `ALTER TABLE` renames views too.
    fn rename(
        &self,
        session: &dyn Session,
        place: &Place,
        to: &Place,
        _kind: RelationKind,
    ) -> Result<(), Failure> {
        let rename = format!("ALTER TABLE {} RENAME TO {}", place.quoted(), NAMING.quote(&to.name));
        session.execute(&rename, &[]).map(drop)
    }

    fn joined(&self, parts: &[String]) -> String {
        let parts = parts.iter().map(|part| format!("coalesce(CAST({part} AS text), '')"));
        format!("md5({})", parts.collect::<Vec<_>>().join(" || '|' || "))
    }
}

//! What the shared steps need to know of SQLite.

use cofferdam_sdk::{
    DataType, Failure, RelationInfo, RelationKind, Session,
    adapter::{Declared, Engine, Naming, Place},
};

use crate::{catalog, names::NAMING, replace, types};

/// SQLite, for the steps adapters share.
pub(crate) struct SqliteEngine;

impl Engine for SqliteEngine {
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
        catalog::check_schema(session, schema)
    }

    fn list(&self, session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
        catalog::check_schema(session, schema)?;
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

    fn make(&self, session: &dyn Session, place: &Place, select: &str) -> Result<u64, Failure> {
        replace::make(session, place, select)
    }

    fn put(&self, session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
        replace::put(session, stage, place)
    }

    fn view(&self, session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
        replace::view(session, place, select)
    }

    fn rename(
        &self,
        session: &dyn Session,
        place: &Place,
        to: &Place,
        kind: RelationKind,
    ) -> Result<(), Failure> {
        replace::rename(session, place, to, kind)
    }

    // A stage keeps the affinity alone, which is all that values compare by.
    fn stage_type(&self, declared: &str) -> String {
        types::Affinity::of(declared).declared().to_owned()
    }
}

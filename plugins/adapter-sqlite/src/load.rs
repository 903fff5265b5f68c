//! Bulk loads: rows come into a stage and take the table's place at the end, in one transaction.

use std::rc::Rc;

use cofferdam_sdk::{Column, Failure, Loader, Session};

use crate::{
    names::Place,
    replace::{create, definitions, put},
};

/// Starts a load. The transaction stays open until the load is finished or dropped.
pub(crate) fn start(
    session: &Rc<dyn Session>,
    place: Place,
    columns: &[Column],
) -> Result<Box<dyn Loader>, Failure> {
    session.begin()?;
    // From here on dropping the load rolls back.
    let mut load =
        StagedLoad { session: Rc::clone(session), stage: place.stage(), place, inner: None, open: true };
    create(session.as_ref(), &load.stage, &definitions(columns))?;
    let table = [load.stage.schema.clone(), load.stage.name.clone()];
    load.inner = Some(session.load(&table, columns)?);
    Ok(Box::new(load))
}

struct StagedLoad {
    session: Rc<dyn Session>,
    place: Place,
    stage: Place,
    inner: Option<Box<dyn Loader>>,
    open: bool,
}

impl Loader for StagedLoad {
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure> {
        match &mut self.inner {
            Some(inner) => inner.write(frame),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<u64, Failure> {
        let rows = match self.inner.take() {
            Some(inner) => inner.finish()?,
            None => 0,
        };
        put(self.session.as_ref(), &self.stage, &self.place)?;
        self.session.commit()?;
        self.open = false;
        Ok(rows)
    }
}

impl Drop for StagedLoad {
    fn drop(&mut self) {
        // The host's load ends before its transaction does.
        self.inner = None;
        if self.open {
            let _ = self.session.rollback();
        }
    }
}

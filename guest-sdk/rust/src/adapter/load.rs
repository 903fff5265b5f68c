//! Bulk loads: rows come into a stage and take the table's place at the end.

use std::rc::Rc;

use super::{Engine, Place, create, drop_any};
use crate::{Column, Failure, Loader, Session};

/// Starts a load. Where the engine makes tables inside a transaction, one stays open until the
/// load is finished or dropped.
pub(super) fn load(
    engine: Rc<dyn Engine>,
    session: Rc<dyn Session>,
    place: Place,
    columns: &[Column],
) -> Result<Box<dyn Loader>, Failure> {
    if engine.transactional_ddl() {
        session.begin()?;
    }
    // From here on dropping the load leaves the table as it was.
    let stage = place.stage();
    let mut load = StagedLoad { engine, session, stage, place, inner: None, open: true };
    drop_any(load.engine.as_ref(), load.session.as_ref(), &load.stage)?;
    create(load.session.as_ref(), &load.stage, &load.engine.declare(columns))?;
    let table = [load.stage.schema.clone(), load.stage.name.clone()];
    load.inner = Some(load.session.load(&table, columns)?);
    Ok(Box::new(load))
}

struct StagedLoad {
    engine: Rc<dyn Engine>,
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
        self.engine.put(self.session.as_ref(), &self.stage, &self.place)?;
        if self.engine.transactional_ddl() {
            self.session.commit()?;
        }
        self.open = false;
        Ok(rows)
    }
}

impl Drop for StagedLoad {
    fn drop(&mut self) {
        // The host's load ends before its transaction does.
        self.inner = None;
        if !self.open {
            return;
        }
        // Nobody hears of a failure here; what is left goes with the next change.
        let _ = if self.engine.transactional_ddl() {
            self.session.rollback()
        } else {
            drop_any(self.engine.as_ref(), self.session.as_ref(), &self.stage)
        };
    }
}

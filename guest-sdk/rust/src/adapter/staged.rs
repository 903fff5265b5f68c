//! Work that happens as a whole, with rows that wait beside their target.

use super::{Engine, Place, drop_any};
use crate::{Failure, Session};

/// Does something in a transaction: all of it, or nothing.
pub fn in_transaction<T>(
    session: &dyn Session,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    session.begin()?;
    let done = work().and_then(|done| session.commit().map(|()| done));
    if done.is_err() {
        // The first failure says why. Where the engine has rolled back by itself, this one fails.
        let _ = session.rollback();
    }
    done
}

/// What becomes of a stage at the end of the work.
pub(super) enum End {
    /// It is dropped.
    Drop,
    /// It takes the target's place.
    Put,
}

/// Makes a stage, works with it, and ends it: all in one transaction where the engine can. Where
/// it cannot, the work alone is one, and the stage is dropped whatever comes of it.
pub(super) fn staged<T>(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    make: impl FnOnce(&Place) -> Result<(), Failure>,
    work: impl FnOnce(&Place) -> Result<(T, End), Failure>,
) -> Result<T, Failure> {
    let stage = place.stage();
    let finish = |end: End| match end {
        End::Drop => session.execute(&format!("DROP TABLE {}", stage.quoted()), &[]).map(drop),
        End::Put => engine.put(session, &stage, place),
    };
    if engine.transactional_ddl() {
        return in_transaction(session, || {
            drop_any(engine, session, &stage)?;
            make(&stage)?;
            let (done, end) = work(&stage)?;
            finish(end).map(|()| done)
        });
    }
    drop_any(engine, session, &stage)?;
    let done = make(&stage)
        .and_then(|()| in_transaction(session, || work(&stage)))
        .and_then(|(done, end)| finish(end).map(|()| done));
    if done.is_err() {
        // The first failure says why; what is left goes with the next change.
        let _ = drop_any(engine, session, &stage);
    }
    done
}

/// Puts a table that `make` fills in the place of a relation; gives what `make` gave.
pub(super) fn replaced<T>(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    make: impl FnOnce(&Place) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stage = place.stage();
    if engine.transactional_ddl() {
        return in_transaction(session, || {
            drop_any(engine, session, &stage)?;
            let made = make(&stage)?;
            engine.put(session, &stage, place).map(|()| made)
        });
    }
    drop_any(engine, session, &stage)?;
    let done = make(&stage).and_then(|made| engine.put(session, &stage, place).map(|()| made));
    if done.is_err() {
        let _ = drop_any(engine, session, &stage);
    }
    done
}

//! Connections that are kept: few, clean, and of today's credential.
//!
//! In: a way to connect, and keys. Out: connections, lent until dropped.
//! Never: lends one connection twice at once, one that was not cleaned, or one that another
//! credential opened; never closes or opens one while it holds its lock.
//! Fails: with what connecting fails with; with the reason of a cancel while it waits; with
//! `CD0328` where nothing comes free in time.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`.

mod shelf;

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cofferdam_call::{Access, Refusal};

use self::shelf::{Shelf, Taken};
use crate::{cancel::CancelToken, driver::PoolState, refusals, remote::Credential, settings::Key};

/// How often a waiter looks whether it was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long somebody waits for a connection to come free.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// A connection that was idle for longer is cleaned, and so tried, once more before it is lent.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// A connection that was idle for longer is closed instead.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How connections of one gateway are made and cleaned.
pub trait Connect: Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;
    /// Connects and logs in, unless the attempt is cancelled first.
    fn connect(
        &self,
        access: Access,
        credential: &Credential,
        cancel: &CancelToken,
    ) -> Result<Self::Connection, Refusal>;
    /// Makes a connection clean for the next tenant; false where it is not, and is to be closed.
    /// Takes bounded time.
    fn reset(&self, connection: &mut Self::Connection) -> bool;
}

/// The connections of one gateway.
pub struct Pool<C: Connect> {
    connector: C,
    limit: usize,
    wait_max: Duration,
    shelves: Mutex<[Shelf<C::Connection>; 3]>,
    changed: Condvar,
}

impl<C: Connect> Pool<C> {
    /// A pool of at most `limit` connections for each mode, idle ones included.
    pub fn new(connector: C, limit: usize) -> Arc<Self> {
        Self::waiting(connector, limit, WAIT_MAX)
    }

    fn waiting(connector: C, limit: usize, wait_max: Duration) -> Arc<Self> {
        let limit = limit.max(1);
        let shelves = Mutex::new(std::array::from_fn(|_| Shelf::new(limit)));
        Arc::new(Self { connector, limit, wait_max, shelves, changed: Condvar::new() })
    }

    /// The way to connect.
    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// Lends a connection that `key` opened: one that was kept, or a new one. Waits for its turn
    /// where all are lent. The first key of a higher generation drains the connections of the
    /// lower ones: idle ones are closed at once, lent ones when they come back.
    pub fn lend(
        self: &Arc<Self>,
        access: Access,
        key: &Key,
        cancel: &CancelToken,
    ) -> Result<Lent<C>, Refusal> {
        let until = Instant::now() + self.wait_max;
        let mut place = Place { pool: self, access, ticket: None };
        let mut shelves = self.lock();
        loop {
            cancel.check()?;
            let shelf = &mut shelves[slot(access)];
            let ticket = *place.ticket.get_or_insert_with(|| shelf.queue());
            let mut closed = Vec::new();
            let taken = shelf.take(ticket, key.generation, &mut closed);
            if !closed.is_empty() || !matches!(taken, Taken::Wait) {
                drop(shelves);
                drop(closed);
                if !matches!(taken, Taken::Wait) {
                    place.ticket = None;
                    // Whoever stands behind may find room too.
                    self.changed.notify_all();
                }
                match taken {
                    Taken::Idle(connection, since) => {
                        return self.fresh(access, key, connection, since, cancel);
                    }
                    Taken::Room => return self.open(access, key, cancel),
                    Taken::Wait => shelves = self.lock(),
                }
            }
            if Instant::now() >= until {
                return Err(refusals::crowded(format!(
                    "all {} connections of the gateway's mode `{access}` are in use, and none came free",
                    self.limit
                )));
            }
            let waited = self.changed.wait_timeout(shelves, LOOK_EVERY);
            shelves = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What is held, for the modes that hold something.
    pub fn states(&self) -> Vec<PoolState> {
        let shelves = self.lock();
        let states = [Access::Read, Access::Write, Access::Admin].into_iter().zip(shelves.iter());
        states
            .filter(|(_, shelf)| shelf.newest() > 0 || shelf.in_use() > 0)
            .map(|(access, shelf)| PoolState {
                access,
                generation: shelf.newest(),
                in_use: shelf.in_use(),
                idle: shelf.idle(),
                limit: self.limit,
            })
            .collect()
    }

    /// A connection that was kept, tried where it lay for long.
    fn fresh(
        self: &Arc<Self>,
        access: Access,
        key: &Key,
        connection: C::Connection,
        since: Instant,
        cancel: &CancelToken,
    ) -> Result<Lent<C>, Refusal> {
        let mut lent = self.lent(access, key, Some(connection));
        let idle = since.elapsed();
        let connection = lent.connection.as_mut().expect("it was just put there");
        if idle < TRUSTED_FOR || (idle < IDLE_MAX && self.connector.reset(connection)) {
            return Ok(lent);
        }
        lent.connection = None;
        lent.connection = Some(self.connector.connect(access, &key.credential, cancel)?);
        Ok(lent)
    }

    fn open(self: &Arc<Self>, access: Access, key: &Key, cancel: &CancelToken) -> Result<Lent<C>, Refusal> {
        // Gives its place back where connecting fails.
        let mut lent = self.lent(access, key, None);
        lent.connection = Some(self.connector.connect(access, &key.credential, cancel)?);
        Ok(lent)
    }

    fn lent(self: &Arc<Self>, access: Access, key: &Key, connection: Option<C::Connection>) -> Lent<C> {
        Lent { pool: Arc::clone(self), access, generation: key.generation, connection }
    }

    fn give_back(&self, access: Access, generation: u64, connection: Option<C::Connection>) {
        let wanted = connection.filter(|_| self.lock()[slot(access)].keeps(generation));
        // Cleaning asks the server: not under the lock.
        let clean = wanted.and_then(|mut c| self.connector.reset(&mut c).then_some(c));
        let closed = self.lock()[slot(access)].give(generation, clean);
        self.changed.notify_all();
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, [Shelf<C::Connection>; 3]> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot(access: Access) -> usize {
    match access {
        Access::Read => 0,
        Access::Write => 1,
        Access::Admin => 2,
    }
}

/// A place in the queue, left when dropped.
struct Place<'p, C: Connect> {
    pool: &'p Pool<C>,
    access: Access,
    ticket: Option<u64>,
}

impl<C: Connect> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.pool.lock()[slot(self.access)].leave(ticket);
            self.pool.changed.notify_all();
        }
    }
}

/// A connection, given back when dropped.
pub struct Lent<C: Connect> {
    pool: Arc<Pool<C>>,
    access: Access,
    generation: u64,
    connection: Option<C::Connection>,
}

impl<C: Connect> Lent<C> {
    /// Closes the connection instead of giving it back: nothing is known of its state.
    pub fn discard(mut self) {
        drop(self.connection.take());
    }

    /// The pool it came from.
    pub fn pool(&self) -> Arc<Pool<C>> {
        Arc::clone(&self.pool)
    }

    /// The way it was connected.
    pub fn connector(&self) -> &C {
        &self.pool.connector
    }
}

impl<C: Connect> Deref for Lent<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        self.connection.as_ref().expect("it is there until it is dropped")
    }
}

impl<C: Connect> DerefMut for Lent<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        self.connection.as_mut().expect("it is there until it is dropped")
    }
}

impl<C: Connect> Drop for Lent<C> {
    fn drop(&mut self) {
        self.pool.give_back(self.access, self.generation, self.connection.take());
    }
}

#[cfg(test)]
mod tests;

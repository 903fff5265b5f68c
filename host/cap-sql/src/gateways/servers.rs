//! Drivers of warehouse servers, one for each attempt over a pool that all share.

use std::sync::Arc;

use cofferdam_call::{Access, Refusal};

use crate::{
    driver::SqlDriver,
    mysql::Mysql,
    pool::Pool,
    postgres::{Postgres, PostgresConnect},
    refusals,
    settings::{Key, Keys, ServerSettings},
};

/// The connections of one gateway.
pub(super) trait ServerPool: Send + Sync {
    /// A driver that logs in with these keys.
    fn driver(&self, keys: Arc<dyn Keys>) -> Arc<dyn SqlDriver>;
}

impl ServerPool for Mysql {
    fn driver(&self, keys: Arc<dyn Keys>) -> Arc<dyn SqlDriver> {
        Arc::new(self.with_keys(keys))
    }
}

impl ServerPool for PostgresPool {
    fn driver(&self, keys: Arc<dyn Keys>) -> Arc<dyn SqlDriver> {
        Arc::new(Postgres::new(Arc::clone(&self.0), keys))
    }
}

struct PostgresPool(Arc<Pool<PostgresConnect>>);

/// A pool that holds nothing yet.
pub(super) fn pool(server: Server, settings: ServerSettings) -> Arc<dyn ServerPool> {
    match server {
        Server::Mysql => Arc::new(Mysql::new(settings, Arc::new(NoKeys))),
        Server::Postgres => {
            let connections = settings.connections;
            Arc::new(PostgresPool(Pool::new(PostgresConnect::new(settings), connections)))
        }
    }
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// PostgreSQL's protocol.
    Postgres,
    /// MySQL's and MariaDB's.
    Mysql,
}

/// Nobody's keys: a pool opens connections for attempts alone.
struct NoKeys;

impl Keys for NoKeys {
    fn key(&self, access: Access) -> Result<Key, Refusal> {
        Err(refusals::no_credential(format!("there is no credential for `{access}`")))
    }

    fn modes(&self) -> Vec<Access> {
        Vec::new()
    }
}

//! Drivers of warehouse servers, one for each attempt over a pool that all share.

use std::sync::Arc;

use cofferdam_call::{Access, Refusal};

use crate::{
    driver::{Engine, SqlDriver},
    mysql::Mysql,
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

/// A pool that holds nothing yet.
pub(super) fn pool(engine: Engine, settings: ServerSettings) -> Result<Arc<dyn ServerPool>, String> {
    match engine {
        Engine::Mysql => Ok(Arc::new(Mysql::new(settings, Arc::new(NoKeys)))),
        _ => Err(format!("engine `{engine}` is not part of this executor")),
    }
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

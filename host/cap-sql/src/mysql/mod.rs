//! MySQL and MariaDB, over their wire protocol.
//!
//! In: gateway settings, keys, statements the broker has decided on. Out: sessions.
//! Never: sends a guest's text other than as one prepared statement; sends a credential to a
//! server that did not prove who it is; reads a file because a server asks for it.
//! Fails: with a [`Refusal`] for the guest; see `docs/adr/0016-mysql-driver.md`.
//! Source: `docs/adr/0016-mysql-driver.md`; MariaDB, "Client/Server Protocol".

mod connect;
mod connection;
mod decode;
mod encode;
mod errors;
mod fence;
mod handshake;
mod loading;
mod preflight;
mod read;
mod rows;
mod session;
mod sort;
mod stop;
mod wire;

use std::{sync::Arc, time::Duration};

use cofferdam_call::{Access, Refusal};

use self::connect::Connector;
use crate::{
    cancel::CancelToken,
    driver::{Engine, Finding, Opening, PoolState, SqlDriver, SqlSession},
    net::Wait,
    pool::{Connect as _, Pool},
    settings::{Keys, ServerSettings},
};

/// How long connecting may take, and every question of ours on the way.
const CONNECT: Duration = Duration::from_secs(15);

/// One gateway to MySQL or MariaDB.
pub struct Mysql {
    pool: Arc<Pool<Connector>>,
    keys: Arc<dyn Keys>,
}

impl Mysql {
    /// A gateway; nothing is dialled yet.
    pub fn new(settings: ServerSettings, keys: Arc<dyn Keys>) -> Self {
        let connections = settings.connections;
        Self { pool: Pool::new(Connector::new(settings), connections), keys }
    }

    /// The same gateway and its connections, with other credentials.
    #[must_use]
    pub fn with_keys(&self, keys: Arc<dyn Keys>) -> Self {
        Self { pool: Arc::clone(&self.pool), keys }
    }

    fn sweep_mode(&self, access: Access) -> Result<Vec<String>, Refusal> {
        let connector = self.pool.connector();
        let tag = &connector.settings.owner_tag;
        if tag.is_empty() {
            return Ok(Vec::new());
        }
        let forever = CancelToken::default();
        let mut held = connector.connect(access, &self.keys.key(access)?.credential, &forever)?;
        // The tag is hexadecimal digits.
        let marked = format!("/* cofferdam/{tag}/");
        let question = format!(
            "SELECT id, SUBSTRING(info, {}, 36) FROM information_schema.processlist \
             WHERE id <> CONNECTION_ID() AND info LIKE '{marked}%'",
            marked.len() + 1
        );
        let wait = Wait::at_most(&forever, CONNECT);
        let mut swept = Vec::new();
        for row in held.client.ask(&question, &wait).map_err(errors::of)? {
            let [Some(id), Some(dispatch)] = row.as_slice() else { continue };
            let Ok(id) = id.parse::<u64>() else { continue };
            let gone = stop::end(&mut held.client, id, &wait)?;
            let how = if gone { "is ended" } else { "does not end; have an administrator look at it" };
            swept.push(format!("a statement of dispatch {dispatch}, left by an earlier process, {how}"));
        }
        Ok(swept)
    }
}

impl SqlDriver for Mysql {
    fn engine(&self) -> Engine {
        Engine::Mysql
    }

    fn default_schema(&self) -> &str {
        &self.pool.connector().settings.database
    }

    fn open(&self, opening: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal> {
        Ok(Box::new(session::Session::open(&self.pool, self.keys.key(opening.access)?, opening)?))
    }

    fn inspect(&self, access: Access) -> Vec<Finding> {
        let found =
            self.keys.key(access).and_then(|key| self.pool.connector().inspect(access, &key.credential));
        found.unwrap_or_else(|refusal| vec![Finding::wrong(refusal.to_string())])
    }

    fn pools(&self) -> Vec<PoolState> {
        self.pool.states()
    }

    fn sweep(&self) -> Result<Vec<String>, Refusal> {
        let mut swept = Vec::new();
        for access in self.keys.modes() {
            swept.extend(self.sweep_mode(access)?);
        }
        Ok(swept)
    }
}

/// What the server's list of connections shows.
fn program_name(settings: &ServerSettings) -> String {
    format!("cofferdam/{}", settings.owner_tag)
}

//! PostgreSQL: our own blocking sessions on the protocol's building blocks.
//!
//! In: settings, keys, and statements the broker has decided on. Out: rows as frames, counts.
//! Never: gives a guest's text to the simple query protocol; goes on where the login, the role or
//! the encoding is not as it has to be.
//! Fails: with `CD0301` to `CD0334`.
//! Source: `docs/adr/0015-postgresql-driver.md`.

mod conn;
mod decode;
mod encode;
mod errors;
mod fence;
mod load;
mod login;
mod numeric;
mod params;
mod preflight;
mod rows;
mod running;
mod session;
mod statement;
mod stop;
mod types;
mod wire;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cofferdam_call::{Access, Refusal};
use cofferdam_ids::DispatchId;

use self::{conn::Conn, session::Session};
use crate::{
    cancel::CancelToken,
    driver::{Engine, Finding, Opening, PoolState, SqlDriver, SqlSession},
    net::{Dialer, Wait},
    pool::{Connect, Pool},
    refusals,
    remote::Credential,
    settings::{Keys, ServerSettings},
};

/// Opens and cleans connections of one gateway.
pub struct PostgresConnect {
    settings: ServerSettings,
    dialer: Dialer,
    /// Whether the fence's table was seen.
    fence_seen: AtomicBool,
}

impl PostgresConnect {
    /// Connects to nothing yet.
    pub fn new(settings: ServerSettings) -> Self {
        let (address, tls) = (settings.address.clone(), settings.tls.clone());
        let dialer = Dialer::new(address, tls, settings.allow.plaintext, Some(b"postgresql"));
        Self { settings, dialer, fence_seen: AtomicBool::new(false) }
    }

    fn connect_unchecked(
        &self,
        access: Access,
        credential: &Credential,
        cancel: &CancelToken,
    ) -> Result<Conn, Refusal> {
        login::connect(&self.settings, &self.dialer, access, credential, cancel)
    }
}

impl Connect for PostgresConnect {
    type Connection = Conn;

    fn connect(
        &self,
        access: Access,
        credential: &Credential,
        cancel: &CancelToken,
    ) -> Result<Conn, Refusal> {
        let mut conn = self.connect_unchecked(access, credential, cancel)?;
        preflight::check(&mut conn, &self.settings, cancel)?;
        Ok(conn)
    }

    fn reset(&self, conn: &mut Conn) -> bool {
        stop::clean(conn)
    }
}

/// One PostgreSQL gateway, as one attempt or all of them see it.
pub struct Postgres {
    pool: Arc<Pool<PostgresConnect>>,
    keys: Arc<dyn Keys>,
}

impl Postgres {
    /// A gateway over a pool that may be shared, with the credentials that hold now.
    pub fn new(pool: Arc<Pool<PostgresConnect>>, keys: Arc<dyn Keys>) -> Self {
        Self { pool, keys }
    }
}

impl SqlDriver for Postgres {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn default_schema(&self) -> &str {
        &self.pool.connector().settings.schema
    }

    fn open(&self, opening: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal> {
        let key = self.keys.key(opening.access)?;
        let lent = self.pool.lend(opening.access, &key, opening.cancel)?;
        Ok(Box::new(Session::start(lent, key, &opening)?))
    }

    fn inspect(&self, access: Access) -> Vec<Finding> {
        let bad = |refusal: Refusal| vec![Finding::wrong(refusal.message)];
        let connector = self.pool.connector();
        let cancel = CancelToken::default();
        let connected = self
            .keys
            .key(access)
            .and_then(|key| connector.connect_unchecked(access, &key.credential, &cancel));
        match connected {
            Ok(mut conn) => preflight::inspect(&mut conn, &connector.settings, access),
            Err(refusal) => bad(refusal),
        }
    }

    fn pools(&self) -> Vec<PoolState> {
        self.pool.states()
    }

    fn sweep(&self) -> Result<Vec<String>, Refusal> {
        let connector = self.pool.connector();
        let cancel = CancelToken::default();
        let mut ended = Vec::new();
        for access in self.keys.modes() {
            let key = self.keys.key(access)?;
            let mut conn = connector.connect(access, &key.credential, &cancel)?;
            ended.extend(stop::sweep(&mut conn, &connector.settings.owner_tag, &cancel)?);
        }
        Ok(ended)
    }
}

impl PostgresConnect {
    fn fence_was_seen(&self) -> bool {
        self.fence_seen.load(Ordering::Relaxed)
    }

    fn see_fence(&self) {
        self.fence_seen.store(true, Ordering::Relaxed);
    }

    /// How long a statement is waited for: the server's own time-out comes first.
    fn wait<'c>(&self, cancel: &'c CancelToken) -> Wait<'c> {
        Wait::at_most(cancel, self.settings.statement_timeout + GRACE)
    }
}

/// A server that does not even stop its own statement in this time is not waited for.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// The name a session has in the warehouse: whose it is, and for which order.
fn application_name(owner_tag: &str, dispatch: Option<&DispatchId>) -> String {
    match dispatch {
        Some(dispatch) => format!("cofferdam/{owner_tag}/{}", dispatch.as_str()),
        None => format!("cofferdam/{owner_tag}/-"),
    }
}

/// A name as an identifier.
fn quoted(name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > 255 || name.contains('\0') {
        return Err(refusals::invalid("a name is 1 to 255 bytes long, without NUL"));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

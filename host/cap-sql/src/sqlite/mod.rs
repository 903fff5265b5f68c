//! SQLite, linked into the broker. A schema is a file of its own, attached beside the main file.

mod actor;
mod errors;
mod fence;
mod inspection;
mod loading;
mod one;
mod query;
mod session;
mod setup;
mod wall;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use cofferdam_call::{Access, Refusal};
use cofferdam_vault::{SecretRef, Vault};
use rusqlite::Connection;

use crate::{
    driver::{Engine, Finding, Opening, SqlDriver, SqlSession},
    refusals,
    turn::WriteTurn,
};

/// Schemas beside `main`: as many as SQLite attaches to one connection.
pub const SCHEMAS_MAX: usize = 10;

/// Where the main file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an absolute path.
    Known(PathBuf),
    /// At the path kept behind a reference; looked up when the gateway is first used. Relative
    /// paths start at `base`.
    Referenced {
        /// The reference.
        reference: SecretRef,
        /// An absolute folder.
        base: PathBuf,
    },
}

/// The settings of a SQLite gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// The main file, e.g. `warehouse.db`; schema `raw` is in `warehouse.raw.db` beside it. Files that are
    /// missing are created, and so is their folder (mode 0700).
    pub place: Place,
    /// Schemas beside `main`, at most [`SCHEMAS_MAX`].
    pub schemas: Vec<String>,
}

/// One SQLite gateway.
pub struct Sqlite {
    settings: SqliteSettings,
    vault: Vault,
    turn: Arc<WriteTurn>,
    ready: Mutex<Option<Ready>>,
}

/// Files that are there and in WAL mode.
struct Ready {
    files: Arc<setup::Files>,
    /// Kept open: whenever the last connection of a file closes, SQLite copies its log back and
    /// deletes it, which costs every attempt several syncs.
    _keeper: Connection,
}

impl Sqlite {
    /// A gateway; nothing is opened yet. Fails with a sentence where a schema's name is not one.
    pub fn new(settings: SqliteSettings, vault: Vault) -> Result<Self, String> {
        if settings.schemas.len() > SCHEMAS_MAX {
            return Err(format!("a SQLite gateway has at most {SCHEMAS_MAX} schemas"));
        }
        for (n, schema) in settings.schemas.iter().enumerate() {
            let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let starts = schema.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            if !starts || schema.len() > 63 || !schema.bytes().all(valid) {
                return Err(format!(
                    "`{}` is not a schema's name: 1 to 63 ASCII letters, digits and `_`, no digit first",
                    schema.escape_debug()
                ));
            }
            if ["main", "temp"].iter().any(|taken| taken.eq_ignore_ascii_case(schema)) {
                return Err(format!("`{schema}` is SQLite's own schema and not to be listed"));
            }
            if settings.schemas[..n].iter().any(|other| other.eq_ignore_ascii_case(schema)) {
                return Err(format!("schema `{schema}` is there twice"));
            }
        }
        Ok(Self { settings, vault, turn: Arc::default(), ready: Mutex::new(None) })
    }

    fn files(&self) -> Result<Arc<setup::Files>, Refusal> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*ready {
            return Ok(Arc::clone(&ready.files));
        }
        let files = Arc::new(setup::Files::new(self.path()?, &self.settings.schemas)?);
        let keeper = setup::create(&files).map_err(|_| setup::cannot_open())?;
        *ready = Some(Ready { files: Arc::clone(&files), _keeper: keeper });
        Ok(files)
    }

    fn path(&self) -> Result<PathBuf, Refusal> {
        match &self.settings.place {
            Place::Known(path) => Ok(path.clone()),
            Place::Referenced { reference, base } => {
                let unset =
                    |_| refusals::unavailable("the gateway's settings name a secret that is not there");
                let secret = self.vault.resolve(reference).map_err(unset)?;
                let path = secret.expose(|bytes| std::str::from_utf8(bytes).map(PathBuf::from));
                let path = path.map_err(|_| refusals::unavailable("the gateway's path is not text"))?;
                Ok(base.join(path))
            }
        }
    }
}

impl SqlDriver for Sqlite {
    fn inspect(&self, access: Access) -> Vec<Finding> {
        match self.files() {
            Ok(files) => inspection::inspect(&files, access),
            Err(refusal) => vec![Finding::wrong(refusal.message)],
        }
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn default_schema(&self) -> &str {
        "main"
    }

    fn open(&self, opening: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal> {
        opening.cancel.check()?;
        let files = self.files()?;
        let session = session::Session::start(&files, opening, Arc::clone(&self.turn))?;
        Ok(Box::new(session))
    }
}

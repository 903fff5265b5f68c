//! The store: one SQLite file, one writer, several readers, and the blobs beside it.
//!
//! In: commands and questions. Out: answers that are durable when they are given.
//! Never: holds a warehouse credential, a row, a log or an error text.
//! Fails: with a `Problem` towards callers, with `StartError` when it is opened.
//! Source: `docs/adr/0008-scheduler-store-single-writer.md`.

mod blobs;
mod clients;
mod command;
mod flush;
mod load;
pub(crate) mod read;
mod release_cache;
mod words;
mod writer;

use std::{path::Path, sync::Arc, time::Duration};

use cofferdam_ids::Timestamp;
use sqlx::{
    ConnectOptions, SqlSafeStr as _, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use blobs::Blobs;
pub(crate) use clients::{Caller, check_secret, check_token, random_text};
pub use clients::{ClientKind, ClientView, NewClient};
pub use clients::{
    create as create_client, forget_keys as forget_client_keys, list as list_clients, revoke as revoke_client,
};
pub(crate) use command::{Command, Order, PollFacts, RunMeta, Start};
pub(crate) use load::release as load_release;
pub(crate) use read::{EnrolledKey, Keys};
pub(crate) use writer::{Signals, WriterHandle};

use crate::{StartError, limits::READERS_MAX};

/// The tables, step by step: number, name, statements. A step that was shipped stays as it is.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "first", include_str!("../../migrations/0001_first.sql")),
    (2, "changes of tasks", include_str!("../../migrations/0002_changes_of_tasks.sql")),
];

/// An open store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: WriterHandle,
    pub(crate) blobs: Blobs,
    pub(crate) releases: release_cache::ReleaseCache,
    pub(crate) signals: Arc<Signals>,
}

impl Store {
    /// Opens or makes the store of a folder, and starts its writer.
    pub(crate) async fn open(data: &Path, lease_term: Duration) -> Result<Self, StartError> {
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Store {
            path: data.to_owned(),
            source,
        };
        let connection = open_database(data).await?;
        let blobs = Blobs::open(&data.join("blobs")).map_err(|e| broken(e.into()))?;
        let options = options(data).read_only(true);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            // A file of this machine does not go away as a server does.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|e| broken(e.into()))?;
        let signals = Arc::new(Signals::default());
        let releases = release_cache::ReleaseCache::default();
        let writer = writer::start(connection, releases.clone(), Arc::clone(&signals), lease_term)
            .await
            .map_err(|e| broken(e.into()))?;
        Ok(Self { readers, writer, blobs, releases, signals })
    }

    /// Lets the writer end its last batch.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Opens or makes the database of a folder and brings its tables up to date.
pub(crate) async fn open_database(data: &Path) -> Result<SqliteConnection, StartError> {
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Store {
        path: data.to_owned(),
        source,
    };
    crate::files::private_folder(data).map_err(|e| broken(e.into()))?;
    let mut connection = options(data).connect().await.map_err(|e| broken(e.into()))?;
    migrator().run(&mut connection).await.map_err(|e| broken(e.into()))?;
    Ok(connection)
}

/// Written out here: the macro that reads the folder would build SQLite a second time, for itself.
fn migrator() -> Migrator {
    let step = |(number, name, text): (i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(step).into())
}

fn options(data: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(data.join("scheduler.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode, FULL is what makes a commit durable when it returns.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

/// The database's clock.
pub(crate) async fn database_time(connection: &mut SqliteConnection) -> Result<Timestamp, sqlx::Error> {
    let millis: i64 = sqlx::query_scalar("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")
        .fetch_one(connection)
        .await?;
    Ok(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_the_folder_is_taken() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let named =
            |(number, name, _): &(i64, &str, &str)| format!("{number:04}_{}.sql", name.replace(' ', "_"));
        assert_eq!(MIGRATIONS.iter().map(named).collect::<Vec<_>>(), files);
    }
}

//! Opens SQLite's files the same way every time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cofferdam_call::{Access, COLUMNS_MAX, Refusal, STATEMENT_BYTES_MAX};
use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::fence;
use crate::refusals;

/// How long the engine waits for writers of other processes.
const BUSY: Duration = Duration::from_secs(5);
/// Bytes of one row or value inside the engine.
const ROW_BYTES_MAX: i32 = 64 << 20;
/// Steps of one compiled statement.
const PROGRAM_STEPS_MAX: i32 = 1_000_000;

/// The files of one gateway.
pub(super) struct Files {
    main: PathBuf,
    /// Schema and file.
    schemas: Vec<(String, String)>,
}

impl Files {
    /// The main file and, beside it, one per schema: `warehouse.db`, `warehouse.raw.db`.
    pub(super) fn new(main: PathBuf, schemas: &[String]) -> Result<Self, Refusal> {
        let beside = |schema: &String| {
            let extension = main.extension().map_or("db", |e| e.to_str().unwrap_or("db"));
            let path = main.with_extension(format!("{schema}.{extension}"));
            let path = path.into_os_string().into_string().map_err(|_| cannot_open())?;
            Ok((schema.clone(), path))
        };
        let schemas = schemas.iter().map(beside).collect::<Result<_, Refusal>>()?;
        Ok(Self { main, schemas })
    }
}

impl Files {
    /// Every schema and its file.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Path)> {
        let schemas = self.schemas.iter().map(|(schema, path)| (schema.as_str(), Path::new(path)));
        std::iter::once(("main", self.main.as_path())).chain(schemas)
    }
}

/// Host paths are not for guests.
pub(super) fn cannot_open() -> Refusal {
    refusals::unavailable("the warehouse's files cannot be opened")
}

/// Creates what is missing and turns on WAL mode, which lasts in the files.
pub(super) fn create(files: &Files) -> rusqlite::Result<Connection> {
    if let Some(folder) = files.main.parent() {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Where this fails, opening the files says so.
        let _ = builder.recursive(true).create(folder);
    }
    for (_, path) in files.all() {
        // A file that is made here is its owner's alone; one that is there keeps its rights.
        let mut file = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        let _ = file.write(true).create_new(true).open(path);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(files, flags)?;
    let schemas = files.schemas.iter().map(|(schema, _)| schema.as_str());
    for schema in std::iter::once("main").chain(schemas) {
        connection.pragma_update(Some(schema), "journal_mode", "WAL")?;
    }
    // Made here, so that no guest can make something else in its place.
    connection.execute_batch(fence::CREATE)?;
    Ok(connection)
}

/// A connection for one session, without its wall.
pub(super) fn connect(files: &Files, access: Access) -> rusqlite::Result<Connection> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write | Access::Admin => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let connection = open(files, flags)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, bounded(files.schemas.len())),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, bounded(STATEMENT_BYTES_MAX)),
        (Limit::SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX),
        (Limit::SQLITE_LIMIT_COLUMN, bounded(COLUMNS_MAX)),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, bounded(COLUMNS_MAX)),
        (Limit::SQLITE_LIMIT_VDBE_OP, PROGRAM_STEPS_MAX),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(connection)
}

fn bounded(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn open(files: &Files, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(&files.main, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    for (schema, path) in &files.schemas {
        // The name is one of ASCII letters, digits and `_`: checked when the settings were read.
        connection.execute(&format!("ATTACH DATABASE ?1 AS \"{schema}\""), [path])?;
    }
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        // "x" is a name, never a text: the broker reads statements that way.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

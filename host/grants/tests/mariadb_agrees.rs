//! What the reader finds in a statement is what MariaDB locks when it runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use cases::{
    SCHEMA,
    agree::{agree, allowed, named},
    changed::changed,
};
use cofferdam_grants::{Dialect, Reading, StatementKind};
use cofferdam_servers::MariaDb;

const TABLES: [&str; 9] = ["a", "b", "c", "d", "e", "orders", "secret", "x", "recent"];
const LOCKED: &str = "select concat('LOCK|', table_schema, '|', table_name, '|', lock_mode) from \
    information_schema.metadata_lock_info where thread_id = connection_id() and lock_type = 'Table metadata lock'";

fn made() -> String {
    let mut sql = "install soname 'metadata_lock_info'; ".to_owned();
    for schema in ["raw", "RAW", "marts"] {
        let _ = write!(sql, "create database {schema}; ");
        for table in TABLES {
            let _ = write!(
                sql,
                "create table {schema}.{table} (id int primary key, x int, y int, z int, v int, n int, i int, g int, \
                 p int, q int, d text); "
            );
        }
    }
    sql + "create table raw.`оrders` (x int); create table RAW.Orders (id int); create table raw.`1a` (x int); \
           create table marts.Recent (x int); create table marts.`dual` (x int); create table marts.`raw.secret` (x int)"
}

/// Runs each statement in a transaction of its own; gives what each of them locked.
fn locked(server: &MariaDb, statements: &[&str]) -> BTreeMap<usize, Vec<String>> {
    let mut script = format!("use {SCHEMA};\nset max_statement_time = 5;\n");
    for (at, sql) in statements.iter().enumerate() {
        let _ = writeln!(script, "begin;\n{sql}\n;\nselect '@@{at}';\n{LOCKED};\nrollback;");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let done = Command::new("mariadb")
        .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names", "--force", "--comments"])
        .args(["--default-character-set=utf8mb4", "--binary-mode"])
        .arg(format!("--socket={}", server.socket().display()))
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut now = None;
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        if let Some(at) = line.strip_prefix("@@") {
            now = at.parse().ok();
        } else if let (Some(lock), Some(at)) = (line.strip_prefix("LOCK|"), now) {
            found.entry(at).or_default().push(lock.to_owned());
        }
    }
    found
}

/// Whether the server locked what the reader does not name, or names only as read.
fn missed(sql: &str, reading: &Reading, lock: &str) -> bool {
    let parts: Vec<_> = lock.split('|').collect();
    let (writes, reads) = named(reading, parts[0], parts[1]);
    // An UPDATE of several tables locks those it only reads as if it wrote them.
    let several = reading.kind == Some(StatementKind::Update) && sql.to_lowercase().contains("join");
    let changes = !several && parts[2].contains("WRITE") || parts[2].contains("EXCLUSIVE");
    !(writes || (reads && !changes))
}

fn compare(statements: Vec<(String, Reading)>, least: usize) {
    let server = MariaDb::start();
    server.sql(&made());
    // What changes shapes commits by itself, and its locks are gone before they can be seen.
    let rows = |reading: &Reading| {
        use StatementKind as Kind;
        matches!(reading.kind, Some(Kind::Select | Kind::Insert | Kind::Update | Kind::Delete))
    };
    let statements: Vec<_> = statements.into_iter().filter(|(_, reading)| rows(reading)).collect();
    let texts: Vec<_> = statements.iter().map(|(sql, _)| sql.as_str()).collect();
    agree(&statements, &locked(&server, &texts), least, missed);
}

#[test]
fn the_server_uses_no_relation_the_reader_misses() {
    compare(allowed(Dialect::Mysql), 20);
}

#[test]
fn reader_and_server_agree_on_changed_statements() {
    compare(changed(Dialect::Mysql, 3_000), 300);
}

#[test]
fn a_rename_without_a_database_goes_to_the_session_s() {
    let server = MariaDb::start();
    server.sql("create database marts; create database raw; create table raw.a (x int)");
    server.sql("use marts; alter table raw.a rename to b");
    assert_eq!(
        server.sql("select table_schema from information_schema.tables where table_name = 'b'"),
        "marts"
    );
}

//! What the reader finds in a statement is what PostgreSQL locks when it runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use cases::{
    SCHEMA,
    agree::{agree, allowed, named},
    changed::changed,
};
use cofferdam_grants::{Dialect, Reading, StatementKind};
use cofferdam_servers::{DATABASE, Postgres};

/// Relations of other schemas that the cases name, with every column they use.
const MADE: &str = r#"
create function pg_temp.make(schema_name text, table_name text) returns void language plpgsql as $$ begin
  execute format('create table %I.%I (id int primary key, x int, y int, z int, v int, n int, i int, g int, p int, q int,
    o int, f int, gone boolean, name text)', schema_name, table_name); end $$;
create schema raw; create schema "Stg"; create schema stage; create schema other; create schema "Odd";
create schema marts; create role reporting;
select pg_temp.make(s, t) from unnest(array['raw', 'marts']) s, unnest(array['a', 'b', 'c', 'd', 'e', 'f', 'orders', 'secret']) t;
select pg_temp.make('Stg', 'Items'), pg_temp.make('marts', 'x'), pg_temp.make('marts', 'recent'), pg_temp.make('raw', 'оrders');
select pg_temp.make('raw', repeat('a', 63));
create sequence marts.ids; create sequence raw.ids; create sequence other.ids; create sequence marts.other;
create sequence "Odd".ids; create materialized view marts.m as select * from raw.a; create view marts.v as select * from raw.a;
create index orders_id on marts.orders (n);
"#;

const LOCKED: &str = "select c.relnamespace::regnamespace || '|' || c.relname || '|' || l.mode from pg_locks l \
    join pg_class c on c.oid = l.relation where l.pid = pg_backend_pid() and c.relkind in ('r', 'v', 'm', 'S', 'p') \
    and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)";

/// Runs each statement in a transaction of its own; gives what was locked by those that ran.
fn locked(server: &Postgres, statements: &[&str]) -> BTreeMap<usize, Vec<String>> {
    let mut script = format!("set search_path = {SCHEMA}, pg_temp;\nset statement_timeout = '5s';\n");
    for (at, sql) in statements.iter().enumerate() {
        let _ =
            writeln!(script, "\\o /dev/null\nbegin;\n{sql}\n;\n\\o\nselect '@{at}';\n{LOCKED};\nrollback;");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let psql = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("psql"))
        .find(|file| file.exists())
        .expect("psql is on the search path");
    let done = Command::new(psql)
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-U",
            "postgres",
            "-d",
            DATABASE,
            "-p",
            &server.port().to_string(),
            "-h",
        ])
        .arg(server.socket_folder())
        .arg("-f")
        .arg(&file)
        .output()
        .unwrap();
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut now = None;
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        if let Some(at) = line.strip_prefix('@') {
            now = at.parse().ok();
            found.insert(now.unwrap(), Vec::new());
        } else if let Some(locks) = now.and_then(|at| found.get_mut(&at)) {
            locks.push(line.to_owned());
        }
    }
    found
}

/// Whether the server locked what the reader does not name, or names only as read.
///
/// Two things are as the guide says: an index stands for its table when it is dropped, and a
/// materialized view is computed with its owner's rights.
fn missed(sql: &str, reading: &Reading, lock: &str) -> bool {
    if reading.kind == Some(StatementKind::Refresh) || sql.contains("index") {
        return false;
    }
    let parts: Vec<_> = lock.split('|').collect();
    let schema = parts[0].trim_matches('"');
    let schema = if schema.starts_with("pg_temp") { "pg_temp" } else { schema };
    let (writes, reads) = named(reading, schema, parts[1]);
    let changes = ["RowExclusiveLock", "AccessExclusiveLock"].contains(&parts[2]);
    !(writes || (reads && !changes))
}

fn compare(statements: &[(String, Reading)], least: usize) {
    let server = Postgres::start();
    server.psql(MADE);
    let texts: Vec<_> = statements.iter().map(|(sql, _)| sql.as_str()).collect();
    agree(statements, &locked(&server, &texts), least, missed);
}

#[test]
fn the_server_uses_no_relation_the_reader_misses() {
    compare(&allowed(Dialect::Postgres), 60);
}

#[test]
fn reader_and_server_agree_on_changed_statements() {
    compare(&changed(Dialect::Postgres, 3_000), 150);
}

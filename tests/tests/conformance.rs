//! Every adapter passes the conformance kit on its real engine, and every mutant of one is caught.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod direct;

use std::{sync::Arc, time::Duration};

use cofferdam_adapter_mysql::Mysql;
use cofferdam_adapter_postgres::Postgres;
use cofferdam_adapter_sqlite::Sqlite;
use cofferdam_cap_sql::{
    Address, Allowances, Credential, OneKey, Place, Pool, PostgresConnect, ServerSettings, SqlDriver,
    SqliteSettings, TlsMode, TlsSettings,
};
use cofferdam_guest_mutant_adapter::{Mistake, Mutants};
use cofferdam_sdk::Adapter;
use cofferdam_tests::{House, ProjectFiles, Task};
use cofferdam_vault::{Secret, Vault};

/// A SQLite gateway with the schema `lab`, in a folder that goes with it.
fn sqlite() -> (tempfile::TempDir, Arc<dyn SqlDriver>) {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        SqliteSettings { place: Place::Known(folder.path().join("wh.db")), schemas: vec!["lab".to_owned()] };
    let driver = cofferdam_cap_sql::Sqlite::new(settings, Vault::default()).unwrap();
    (folder, Arc::new(driver))
}

/// A server on this machine.
fn settings(port: u16, ca: std::path::PathBuf, database: &str) -> ServerSettings {
    ServerSettings {
        address: Address::Tcp { host: "localhost".to_owned(), port },
        database: database.to_owned(),
        schema: "lab".to_owned(),
        tls: TlsSettings { mode: TlsMode::VerifyFull, ca: Some(ca) },
        allow: Allowances::default(),
        connections: 4,
        statement_timeout: Duration::from_secs(60),
        lock_timeout: Duration::from_secs(5),
        zone_of_server: false,
        owner_tag: "0123abcd".to_owned(),
        fence_schema: "cofferdam".to_owned(),
    }
}

/// One credential for both modes, so that it is the session that holds a reader back.
fn key(password: String) -> Arc<OneKey> {
    let password = Some(Secret::new(password.into_bytes()));
    Arc::new(OneKey::new(Credential { user: "writer".to_owned(), password }))
}

fn postgres() -> (cofferdam_servers::Postgres, Arc<dyn SqlDriver>) {
    let server = cofferdam_servers::Postgres::start();
    server.psql(
        "CREATE SCHEMA lab AUTHORIZATION writer; CREATE SCHEMA IF NOT EXISTS cofferdam AUTHORIZATION writer",
    );
    let settings = settings(server.port(), server.ca_file(), cofferdam_servers::DATABASE);
    let pool = Pool::new(PostgresConnect::new(settings), 4);
    let key = key(cofferdam_servers::Postgres::password("writer"));
    (server, Arc::new(cofferdam_cap_sql::Postgres::new(pool, key)))
}

fn mariadb() -> (cofferdam_servers::MariaDb, Arc<dyn SqlDriver>) {
    let server = cofferdam_servers::MariaDb::start();
    server.sql(
        "CREATE DATABASE lab; CREATE DATABASE IF NOT EXISTS cofferdam; GRANT ALL ON lab.* TO writer; \
         GRANT ALL ON cofferdam.* TO writer",
    );
    let settings = settings(server.port(), server.ca_file(), "lab");
    let key = key(cofferdam_servers::MariaDb::password("writer"));
    (server, Arc::new(cofferdam_cap_sql::Mysql::new(settings, key)))
}

/// The kit's summary, and the lines that are more than `ok`.
fn told<A: Adapter>(driver: Arc<dyn SqlDriver>) -> String {
    let (lines, done) = direct::conformance::<A>(driver, "wh", "lab");
    let mut told: Vec<_> = lines.into_iter().filter(|line| !line.starts_with("ok ")).collect();
    if let Err(failure) = done
        && failure.code != "CD0984"
    {
        told.push(failure.to_string());
    }
    told.join("\n")
}

#[test]
fn the_sqlite_adapter_conforms() {
    let (_folder, driver) = sqlite();
    insta::assert_snapshot!(told::<Sqlite>(driver), @"
    not applicable  types/not-a-number: SQLite keeps NULL instead
    not applicable  types/decimals-of-38-digits: SQLite keeps numbers in 64 bits
    not applicable  types/decimals-of-65-digits: SQLite keeps numbers in 64 bits
    not applicable  types/arrays: SQLite has no arrays
    not applicable  types/a-table-made-of-a-select-keeps-its-decimals: SQLite declares the columns of a select by their affinity
    sqlite: 58 ok, 0 failed, 5 not applicable
    ");
}

#[test]
fn the_postgresql_adapter_conforms() {
    let (_server, driver) = postgres();
    insta::assert_snapshot!(told::<Postgres>(driver), @"postgres: 63 ok, 0 failed, 0 not applicable");
}

#[test]
fn the_mysql_adapter_conforms_on_mariadb() {
    let (_server, driver) = mariadb();
    insta::assert_snapshot!(told::<Mysql>(driver), @"
    not applicable  types/infinities: MySQL refuses them
    not applicable  types/not-a-number: MySQL refuses it
    not applicable  types/arrays: MySQL has no arrays
    mysql: 60 ok, 0 failed, 3 not applicable
    ");
}

/// The kit as a task of a release.
fn kit() -> Task {
    let mut kit = Task::sql("conformance", "");
    kit.plugin = "task-conformance".to_owned();
    kit.entry = "all".to_owned();
    kit.settings = vec![("schema".to_owned(), "\"allowed\"".to_owned())];
    (kit.wall_ms, kit.mem_bytes) = (60_000, 64 << 20);
    kit
}

/// The kit run by the real programs under a grant for one schema.
fn through_the_executor(adapter: &str, gateway: Option<String>) -> String {
    let mut project = ProjectFiles::of(vec![kit()]);
    project.adapter = Some(adapter.to_owned());
    project.gateway = gateway;
    let mut house = House::of(&project);
    house.set("WH_READER", &cofferdam_servers::Postgres::password("reader"));
    house.set("WH_WRITER", &cofferdam_servers::Postgres::password("writer"));
    house.up(&[]);
    house.release().success();
    let run = house.run_all();
    let log = house.log(&run, "conformance");
    let told: Vec<_> =
        log.lines().filter(|line| line.contains("FAILED") || line.contains(" failed, ")).collect();
    let state = &House::task(&run, "conformance")["state"];
    assert_eq!(state, "succeeded", "{}\n{log}", told.join("\n"));
    let summary = told.last().copied().unwrap_or_default();
    summary
        .split_once(&format!("{}:", adapter.trim_start_matches("adapter-")))
        .unwrap_or_default()
        .1
        .trim()
        .to_owned()
}

#[test]
fn a_mutant_is_caught_in_its_sandbox() {
    let mut kit = kit();
    kit.gateway = "lost-null".to_owned();
    let mut project = ProjectFiles::of(vec![kit]);
    project.adapter = Some("mutant-adapter".to_owned());
    project.gateway_name = Some("lost-null".to_owned());
    let mut house = House::of(&project);
    house.up(&[]);
    house.release().success();
    let run = house.run_all();
    let log = house.log(&run, "conformance");
    let task = House::task(&run, "conformance");
    assert_eq!(task["state"], "failed", "{task}");
    assert!(log.lines().any(|line| line.contains("FAILED") && line.contains("types/text")), "{log}");
    assert!(log.contains("CD0984"), "{log}");
}

fn server(engine: &str, port: u16, ca: &std::path::Path, place: &str) -> Option<String> {
    Some(format!(
        "engine = \"{engine}\"\nhost = \"127.0.0.1\"\nport = {port}\n{place}\nca = \"file://{}\"\n\
         [gateways.wh.read]\nuser = \"reader\"\npassword = \"env://WH_READER\"\n\
         [gateways.wh.write]\nuser = \"writer\"\npassword = \"env://WH_WRITER\"\n",
        ca.display()
    ))
}

#[test]
fn the_sqlite_adapter_conforms_in_its_sandbox() {
    insta::assert_snapshot!(through_the_executor("adapter-sqlite", None), @"58 ok, 0 failed, 5 not applicable");
}

#[test]
fn the_postgresql_adapter_conforms_in_its_sandbox() {
    let it = cofferdam_servers::Postgres::start();
    it.psql(
        "CREATE SCHEMA allowed AUTHORIZATION writer; CREATE SCHEMA IF NOT EXISTS cofferdam AUTHORIZATION writer; \
         GRANT USAGE ON SCHEMA allowed TO reader; \
         ALTER DEFAULT PRIVILEGES FOR ROLE writer IN SCHEMA allowed GRANT SELECT ON TABLES TO reader",
    );
    let gateway = server("postgres", it.port(), &it.ca_file(), "database = \"shop\"\nschema = \"allowed\"");
    insta::assert_snapshot!(through_the_executor("adapter-postgres", gateway), @"63 ok, 0 failed, 0 not applicable");
}

#[test]
fn the_mysql_adapter_conforms_in_its_sandbox() {
    let it = cofferdam_servers::MariaDb::start();
    it.sql(
        "CREATE DATABASE allowed; CREATE DATABASE IF NOT EXISTS cofferdam; GRANT ALL ON allowed.* TO writer; \
         GRANT ALL ON cofferdam.* TO writer; GRANT SELECT ON allowed.* TO reader",
    );
    let gateway = server("mysql", it.port(), &it.ca_file(), "database = \"allowed\"");
    insta::assert_snapshot!(through_the_executor("adapter-mysql", gateway), @"60 ok, 0 failed, 3 not applicable");
}

/// Each mistake, and the checks that must fail for it.
const CAUGHT: [(Mistake, &[&str]); 8] = [
    (Mistake::WrongType, &["catalog/columns-are-described-in-their-order"]),
    (Mistake::LostNull, &["types/text"]),
    (
        Mistake::DropFirst,
        &["swap/a-failing-select-leaves-the-old-table", "swap/a-reader-never-misses-the-table"],
    ),
    (Mistake::Deaf, &["errors/a-wrong-statement-is-invalid", "errors/a-failed-statement-changes-nothing"]),
    (Mistake::AppendTwice, &["insert/an-append-adds-each-row-once"]),
    (Mistake::EarlyLoad, &["load/an-abandoned-load-leaves-nothing"]),
    (Mistake::CarelessQuotes, &["names/names-cannot-leave-their-quotes"]),
    (Mistake::Forgetful, &["history/changes-are-seen-by-comparing"]),
];

#[test]
fn every_mutant_is_caught_by_the_check_that_is_meant_for_it() {
    let mut missed = Vec::new();
    for (gateway, mistake) in Mistake::ALL {
        let (_folder, driver) = sqlite();
        let (lines, done) = direct::conformance::<Mutants>(driver, gateway, "lab");
        let (_, checks) = CAUGHT.iter().find(|(of, _)| *of == mistake).unwrap();
        for check in *checks {
            if !lines.iter().any(|line| line.starts_with("FAILED") && line.contains(check)) {
                missed.push(format!("{gateway}: {check}: {done:?}"));
            }
        }
        assert_eq!(done.map_err(|failure| failure.code), Err("CD0984".to_owned()), "{gateway}");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

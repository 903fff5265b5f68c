//! A warehouse under test, and what tests ask of a run on it.

#![allow(dead_code, reason = "shared by tests that each use a part")]

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use cofferdam_servers::{MariaDb, Postgres};
use cofferdam_tests::{House, ProjectFiles};
use rusqlite::Connection;
use serde_json::Value;

/// How long a run may take in which something is stopped, dies or sleeps.
const WITHIN: Duration = Duration::from_secs(90);

/// A warehouse under test.
pub(crate) enum Warehouse {
    Sqlite,
    Postgres(Box<Postgres>),
    MariaDb(Box<MariaDb>),
}

impl Warehouse {
    pub(crate) fn postgres() -> Self {
        let server = Postgres::start();
        server.psql(
            "CREATE SCHEMA allowed AUTHORIZATION writer; CREATE SCHEMA cofferdam AUTHORIZATION writer; \
             GRANT USAGE ON SCHEMA allowed TO reader; \
             ALTER DEFAULT PRIVILEGES FOR ROLE writer IN SCHEMA allowed GRANT SELECT ON TABLES TO reader",
        );
        Self::Postgres(Box::new(server))
    }

    pub(crate) fn mariadb() -> Self {
        let server = MariaDb::start();
        server.sql(
            "CREATE DATABASE allowed; CREATE DATABASE IF NOT EXISTS cofferdam; GRANT ALL ON allowed.* TO writer; \
             GRANT ALL ON cofferdam.* TO writer; GRANT SELECT ON allowed.* TO reader",
        );
        Self::MariaDb(Box::new(server))
    }

    /// Sets a project up to work on it.
    pub(crate) fn of(&self, mut project: ProjectFiles) -> ProjectFiles {
        let people = "[gateways.wh.read]\nuser = \"reader\"\npassword = \"env://WH_READER\"\n\
             [gateways.wh.write]\nuser = \"writer\"\npassword = \"env://WH_WRITER\"\n";
        match self {
            Self::Sqlite => {}
            Self::Postgres(server) => {
                project.adapter = Some("adapter-postgres".to_owned());
                project.gateway = Some(format!(
                    "engine = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"shop\"\nschema = \"allowed\"\n\
                     ca = \"file://{}\"\n{people}",
                    server.port(),
                    server.ca_file().display()
                ));
            }
            Self::MariaDb(server) => {
                project.adapter = Some("adapter-mysql".to_owned());
                project.gateway = Some(format!(
                    "engine = \"mysql\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"allowed\"\n\
                     ca = \"file://{}\"\n{people}",
                    server.port(),
                    server.ca_file().display()
                ));
            }
        }
        project
    }

    pub(crate) fn house(&self, project: ProjectFiles) -> House {
        self.house_of(&self.of(project))
    }

    /// A house with a project that is set up for it already.
    pub(crate) fn house_of(&self, project: &ProjectFiles) -> House {
        let mut house = House::of(project);
        house.set("WH_READER", &Postgres::password("reader"));
        house.set("WH_WRITER", &Postgres::password("writer"));
        house
    }

    /// One number, asked for behind the host's back.
    pub(crate) fn number(&self, house: &House, sql: &str) -> i64 {
        match self {
            Self::Sqlite => {
                let folder = house.path().join(".cofferdam/warehouse");
                let connection = Connection::open(folder.join("warehouse.db")).unwrap();
                let attach = format!("ATTACH '{}' AS allowed", folder.join("warehouse.allowed.db").display());
                connection.execute_batch(&attach).unwrap();
                connection.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Self::Postgres(server) => server.psql(sql).parse().unwrap(),
            Self::MariaDb(server) => server.sql(sql).trim().parse().unwrap(),
        }
    }

    /// A statement that adds one row, slowly.
    pub(crate) fn slow_append(&self) -> &'static str {
        match self {
            Self::Sqlite => {
                "INSERT INTO allowed.done WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000000) \
                 SELECT 1 FROM c WHERE i = 3000000"
            }
            Self::Postgres(_) => {
                "INSERT INTO allowed.done SELECT 1 FROM generate_series(1, 6000000) AS g(i) HAVING count(*) > 0"
            }
            Self::MariaDb(_) => {
                "INSERT INTO allowed.done SELECT 1 FROM allowed.seq_1_to_7000 AS a \
                 CROSS JOIN allowed.seq_1_to_7000 AS b HAVING count(*) > 0"
            }
        }
    }
}

pub(crate) fn state_of(house: &House, run: &str, task: &str) -> Value {
    let answer = house.cofferdam(&["get", "run", run, "--json"]);
    if answer.ok { House::task(&answer.json(), task).clone() } else { Value::Null }
}

pub(crate) fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let asked = Instant::now();
    while !until() {
        assert!(asked.elapsed() < WITHIN, "it did not come to that: {what}");
        sleep(Duration::from_millis(50));
    }
}

pub(crate) fn started(house: &House) -> String {
    house.cofferdam(&["run", "all", "--no-wait", "--json"]).success().json()["run"]
        .as_str()
        .unwrap()
        .to_owned()
}

//! Proof on a real server that the comparison sees what it shall see.

use std::collections::BTreeSet;

use super::*;

/// Two databases that were filled alike.
struct Twins {
    server: Server,
}

const SHOP: &str = "CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY, label varchar(5), x numeric(8,2)); \
    INSERT INTO a.t VALUES (1, '', 0.10), (2, NULL, 0.20), (3, 'c', NULL); \
    CREATE INDEX one ON a.t (label); COMMENT ON COLUMN a.t.label IS 'what it is called'; \
    CREATE VIEW a.v AS SELECT id FROM a.t; GRANT SELECT ON a.t TO reader";

impl Twins {
    fn start() -> Self {
        let twins = Self { server: Server::start().unwrap() };
        for database in ["theirs", "ours"] {
            twins.server.psql(&format!("CREATE DATABASE {database}")).unwrap();
            twins.run(database, SHOP);
        }
        twins
    }

    fn run(&self, database: &str, sql: &str) {
        step::capture("psql", self.server.client_of(database).args(["-c", sql])).unwrap();
    }

    fn differences(&self, ignored: &[&str]) -> Vec<String> {
        let asked = Parity {
            project: PathBuf::new(),
            select: vec![],
            exclude: vec![],
            vars: None,
            target_schema: String::new(),
            threads: 1,
            steps: vec![],
            ignore_column: vec![],
            find_volatile: false,
            before: None,
            no_build: true,
            all: false,
        };
        let here = Path::new("");
        let both = Both { asked: &asked, project: here, place: here, server: &self.server };
        let ignored: BTreeSet<String> = ignored.iter().map(|i| (*i).to_owned()).collect();
        let mut stage = Stage::default();
        let (theirs, ours) = (|| self.server.client_of("theirs"), || self.server.client_of("ours"));
        both.relations(&theirs, &ours, &ignored, &mut stage).unwrap();
        let lines = stage
            .differences
            .into_iter()
            .flat_map(|(name, found)| found.into_iter().map(move |line| format!("{name}: {line}")));
        lines.chain(stage.others).collect()
    }

    /// Changes our side, compares, and changes it back.
    fn changed(&self, change: &str, back: &str) -> Vec<String> {
        self.run("ours", change);
        let found = self.differences(&[]);
        self.run("ours", back);
        found
    }
}

#[test]
fn equal_databases_are_equal_and_every_change_is_found() {
    let twins = Twins::start();
    assert_eq!(twins.differences(&[]), Vec::<String>::new());

    let null =
        twins.changed("UPDATE a.t SET label = NULL WHERE id = 1", "UPDATE a.t SET label = '' WHERE id = 1");
    assert_eq!(
        null,
        [
            "a.t: values differ in: label",
            "a.t: only dbt-core: (1,\"\",0.10)",
            "a.t: only Cofferdam: (1,,0.10)"
        ]
    );
    let row = twins.changed("INSERT INTO a.t VALUES (4)", "DELETE FROM a.t WHERE id = 4");
    assert_eq!(
        row,
        [
            "a.t: values differ in: id, label, x",
            "a.t: 3 rows and not 4",
            "a.t: only Cofferdam: (4,,)",
            "a.v: values differ in: id",
            "a.v: 3 rows and not 4",
            "a.v: only Cofferdam: (4)"
        ]
    );
    let kind = twins
        .changed("ALTER TABLE a.t ALTER x TYPE numeric(9,2)", "ALTER TABLE a.t ALTER x TYPE numeric(8,2)");
    assert_eq!(kind, ["a.t: type of x: \"numeric(8,2)\" and not \"numeric(9,2)\""]);
    let comment = twins
        .changed("COMMENT ON COLUMN a.t.label IS NULL", "COMMENT ON COLUMN a.t.label IS 'what it is called'");
    assert_eq!(comment, ["a.t: comment of label: Some(\"what it is called\") and not None"]);
    let grant = twins.changed("REVOKE SELECT ON a.t FROM reader", "GRANT SELECT ON a.t TO reader");
    assert_eq!(grant, ["a.t: grants: [\"reader: SELECT\"] and not []"]);
    let other = twins.changed(
        "DROP VIEW a.v; CREATE TABLE a.v AS SELECT id FROM a.t; CREATE SCHEMA b",
        "DROP TABLE a.v; CREATE VIEW a.v AS SELECT id FROM a.t; DROP SCHEMA b",
    );
    assert_eq!(other, ["a.v: kind: \"view\" and not \"table\"", "schema b: too many"]);
    let missing = twins.changed("DROP VIEW a.v", "CREATE VIEW a.v AS SELECT id FROM a.t");
    assert_eq!(missing, ["a.v: not there"]);
    let index = twins.changed("DROP INDEX a.one", "CREATE INDEX another_name ON a.t (label)");
    assert!(index[0].starts_with("a.t: indexes: "), "{index:?}");
    // Names of indexes are made up anew each time: nothing differs now.
    assert_eq!(twins.differences(&[]), Vec::<String>::new());

    twins.run("ours", "UPDATE a.t SET x = 7 WHERE id = 2");
    assert_eq!(twins.differences(&["t.x"]), Vec::<String>::new());
    assert_eq!(twins.differences(&["v.x"]).len(), 3);
}

//! The SQLite driver on real files.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arrow_array::{Array, RecordBatch, cast::AsArray, types};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use cofferdam_call::{Access, Column, DataType, FRAME_BYTES_MAX, FailureKind, Refusal, Value};
use cofferdam_cap_sql::{
    CancelToken, Holder, Opening, Place, RowsId, SessionWall, SqlDriver, SqlSession, Sqlite, SqliteSettings,
};
use cofferdam_ids::Code;
use cofferdam_vault::Vault;

struct House {
    folder: tempfile::TempDir,
    driver: Arc<Sqlite>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = SqliteSettings {
            place: Place::Known(folder.path().join("wh.db")),
            schemas: vec!["raw".to_owned(), "marts".to_owned()],
        };
        let driver = Arc::new(Sqlite::new(settings, Vault::default()).unwrap());
        Self { folder, driver }
    }

    fn open(&self, access: Access) -> Box<dyn SqlSession> {
        self.driver
            .open(Opening {
                access,
                wall: SessionWall::everything(),
                cancel: &CancelToken::default(),
                holder: Holder::operator(),
            })
            .unwrap()
    }

    /// A session that reads `raw` and `marts`, and writes `marts`.
    fn walled(&self, access: Access) -> Box<dyn SqlSession> {
        let wall = SessionWall {
            reads: Arc::new(|schema, name| schema != "main" && name != "secret"),
            writes: Arc::new(|schema, _| schema == "marts"),
        };
        self.driver
            .open(Opening { access, wall, cancel: &CancelToken::default(), holder: Holder::operator() })
            .unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn run(session: &mut Box<dyn SqlSession>, text: &str) -> u64 {
    session.execute(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn frames(session: &mut Box<dyn SqlSession>, rows: RowsId) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        let mut frame = Vec::new();
        match session.next_frame(rows, &mut frame).unwrap() {
            Some(_) => frames.push(frame),
            None => return frames,
        }
    }
}

fn batches(frames: &[Vec<u8>]) -> Vec<RecordBatch> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    for frame in frames {
        assert!(frame.len() <= FRAME_BYTES_MAX, "{} bytes", frame.len());
        let mut buffer = Buffer::from(frame.as_slice());
        while !buffer.is_empty() {
            batches.extend(decoder.decode(&mut buffer).unwrap());
        }
    }
    decoder.finish().unwrap();
    batches
}

fn query(session: &mut Box<dyn SqlSession>, text: &str) -> (Vec<DataType>, Vec<RecordBatch>) {
    let (rows, columns) = session.query(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"));
    let frames = frames(session, rows);
    session.close_rows(rows);
    (columns.into_iter().map(|c| c.data_type).collect(), batches(&frames))
}

fn number(session: &mut Box<dyn SqlSession>, text: &str) -> i64 {
    query(session, text).1[0].column(0).as_primitive::<types::Int64Type>().value(0)
}

fn refused(session: &mut Box<dyn SqlSession>, text: &str) -> u16 {
    session.execute(text, &[]).expect_err(text).code.0
}

#[test]
fn what_is_missing_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let folder = house.file("new/warehouse");
    let settings = SqliteSettings { place: Place::Known(folder.join("wh.db")), schemas: vec![] };
    let driver = Sqlite::new(settings, Vault::default()).unwrap();
    driver
        .open(Opening {
            access: Access::Read,
            wall: SessionWall::everything(),
            cancel: &CancelToken::default(),
            holder: Holder::operator(),
        })
        .unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("wh.db"))), (0o700, 0o600));
}

#[test]
fn a_schema_is_a_file_of_its_own() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE raw.orders (id INTEGER)");
    assert_eq!(run(&mut session, "INSERT INTO raw.orders VALUES (1), (2)"), 2);
    assert_eq!(run(&mut session, "CREATE TABLE marts.copy AS SELECT * FROM raw.orders"), 0);
    assert_eq!(number(&mut session, "SELECT count(*) FROM marts.copy"), 2);
    drop(session);
    for name in ["wh.db", "wh.raw.db", "wh.marts.db"] {
        assert!(house.file(name).exists(), "{name}");
    }
}

#[test]
fn values_of_every_type_come_back_as_arrow() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(
        &mut session,
        "CREATE TABLE t (b BOOLEAN, i INTEGER, f REAL, s VARCHAR(10), x BLOB, d DATE, c TIME, t TIMESTAMP, \
         j JSON, n DECIMAL(10,2))",
    );
    run(
        &mut session,
        "INSERT INTO t VALUES (1, -5, 2.5, 'ä', x'00ff', '2026-11-21', '06:30:00', '2026-11-21 06:30:00', \
         '{}', 1.25), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    let (found, batches) = query(&mut session, "SELECT * FROM t");
    assert_eq!(
        found,
        [
            DataType::Boolean,
            DataType::Int64,
            DataType::Float64,
            DataType::Text,
            DataType::Bytes,
            DataType::Date,
            DataType::Time,
            DataType::Timestamp,
            DataType::Json,
            DataType::Float64
        ]
    );
    let batch = &batches[0];
    assert!(batch.column(0).as_boolean().value(0));
    assert_eq!(batch.column(1).as_primitive::<types::Int64Type>().value(0), -5);
    assert_eq!(batch.column(3).as_string::<i32>().value(0), "ä");
    assert_eq!(batch.column(4).as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(batch.column(5).as_primitive::<types::Date32Type>().value(0), 20_778);
    assert!((0..10).all(|n| batch.column(n).is_null(1)));
}

#[test]
fn an_expression_is_of_the_type_of_its_values() {
    let house = House::new();
    let mut session = house.open(Access::Read);
    let found =
        query(&mut session, "SELECT 1, 1.5, 'a', x'00', NULL UNION ALL SELECT 2, 2, 'b', x'01', NULL").0;
    let expected = [DataType::Int64, DataType::Float64, DataType::Text, DataType::Bytes, DataType::Text];
    assert_eq!(found, expected);
    let error = session.query("SELECT 1 AS n UNION ALL SELECT 'a'", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CD0311: column `n` mixes values of several types; CAST it in the statement"
    );
    let (found, batches) = query(&mut session, "SELECT 1 AS n WHERE 0");
    assert_eq!((found.as_slice(), batches.len()), (&[DataType::Text][..], 0));
}

#[test]
fn a_declared_type_the_values_do_not_have_gives_way() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE t (d DATE)");
    run(&mut session, "INSERT INTO t VALUES ('yesterday')");
    assert_eq!(query(&mut session, "SELECT d FROM t").0, [DataType::Text]);
}

#[test]
fn a_later_value_of_another_type_asks_for_a_cast() {
    let house = House::new();
    let mut session = house.open(Access::Read);
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) \
                SELECT CASE WHEN i = 300000 THEN 'odd' ELSE i END AS v FROM n";
    let (rows, _) = session.query(text, &[]).unwrap();
    let error = loop {
        match session.next_frame(rows, &mut Vec::new()) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the odd value came through"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        error.to_string(),
        "CD0311: column `v` is int64, but a later row holds text; CAST it in the statement"
    );
}

#[test]
fn a_big_result_comes_in_frames_and_other_statements_run_between_them() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) \
                SELECT i, 'row ' || i AS name FROM n";
    let (rows, _) = session.query(text, &[]).unwrap();
    let mut got = Vec::new();
    for _ in 0..3 {
        let mut frame = Vec::new();
        session.next_frame(rows, &mut frame).unwrap();
        got.push(frame);
    }
    run(&mut session, "CREATE TABLE marts.beside (x)");
    let (other, _) = session.query("SELECT 7", &[]).unwrap();
    got.extend(frames(&mut session, rows));
    assert_eq!(batches(&frames(&mut session, other))[0].num_rows(), 1);
    let batches = batches(&got);
    assert!(batches.len() > 5);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 400_000);
    let last = batches.last().unwrap();
    assert_eq!(last.column(1).as_string::<i32>().value(last.num_rows() - 1), "row 400000");
}

#[test]
fn rows_left_unread_are_kept_within_a_limit() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) \
                SELECT zeroblob(500000) FROM n";
    let (rows, _) = session.query(text, &[]).unwrap();
    run(&mut session, "CREATE TABLE marts.t (x)");
    let error = session.next_frame(rows, &mut Vec::new()).unwrap_err();
    assert_eq!((error.kind, error.code), (FailureKind::Limit, Code(315)));
}

#[test]
fn a_value_and_a_row_too_big_for_a_frame_are_refused() {
    let house = House::new();
    let mut session = house.open(Access::Read);
    for text in ["SELECT zeroblob(1048577)", "SELECT zeroblob(600000), zeroblob(600000)"] {
        let error = session.query(text, &[]).unwrap_err();
        assert_eq!((error.kind, error.code), (FailureKind::Limit, Code(307)), "{text}");
    }
    assert!(session.query("SELECT zeroblob(1000000)", &[]).is_ok());
}

#[test]
fn values_are_bound_and_counted() {
    let house = House::new();
    let mut session = house.open(Access::Read);
    let values = [Value::Text("it's".to_owned()), Value::Int64(2), Value::Boolean(true), Value::Null];
    let (rows, _) = session.query("SELECT ?1, ?, ?, ?", &values).unwrap();
    let batch = &batches(&frames(&mut session, rows))[0];
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "it's");
    assert_eq!(
        session.query("SELECT ?", &[]).unwrap_err().to_string(),
        "CD0301: the statement takes 1 values; 0 were given"
    );
}

#[test]
fn errors_are_cases_a_guest_can_branch_on() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT NOT NULL)");
    let mut failure = |text: &str| {
        let error = session.execute(text, &[]).unwrap_err();
        (error.kind, error.code.0)
    };
    assert_eq!(failure("INSERT INTO nowhere VALUES (1)"), (FailureKind::Invalid, 301));
    assert_eq!(failure("INSERT INTO t VALUES (1, NULL)"), (FailureKind::Constraint, 302));
    assert_eq!(failure("SELECT 1"), (FailureKind::Invalid, 309));
    assert_eq!(failure("DELETE FROM t; DROP TABLE t"), (FailureKind::Invalid, 309));
    assert_eq!(failure("SELEC"), (FailureKind::Invalid, 301));
    let mut reader = house.open(Access::Read);
    let error = reader.execute("INSERT INTO t VALUES (1, 'a')", &[]).unwrap_err();
    assert_eq!((error.kind, error.code.0), (FailureKind::Refused, 304), "the wall comes first");
    let error = session.query("SELECT\n  nope FROM t", &[]).unwrap_err();
    assert_eq!(error.to_string(), "CD0301: no such column: nope (line 2, column 3)");
}

#[test]
fn a_transaction_is_undone_with_its_session_and_lasts_when_committed() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE t (x)");
    session.begin().unwrap();
    assert_eq!(session.begin().unwrap_err().code, Code(310));
    run(&mut session, "INSERT INTO t VALUES (1)");
    drop(session);
    let mut session = house.open(Access::Write);
    assert_eq!(number(&mut session, "SELECT count(*) FROM t"), 0);
    session.begin().unwrap();
    run(&mut session, "INSERT INTO t VALUES (1)");
    run(&mut session, "CREATE TABLE marts.u (x)");
    session.commit().unwrap();
    assert_eq!(session.commit().unwrap_err().code, Code(310));
    session.begin().unwrap();
    run(&mut session, "DROP TABLE t");
    session.rollback().unwrap();
    drop(session);
    let mut reader = house.open(Access::Read);
    assert_eq!(number(&mut reader, "SELECT count(*) FROM t"), 1);
}

/// Things of others: readable and not, in every schema.
fn of_others(house: &House) {
    let mut owner = house.open(Access::Write);
    for text in [
        "CREATE TABLE secret (x)",
        "INSERT INTO secret VALUES (1)",
        "CREATE TABLE raw.orders (id INTEGER PRIMARY KEY AUTOINCREMENT, n)",
        "INSERT INTO raw.orders (n) VALUES (1)",
        "CREATE INDEX raw.by_n ON orders (n)",
        "CREATE TABLE raw.secret (x)",
        "CREATE VIEW marts.peek AS SELECT 1 AS x",
    ] {
        run(&mut owner, text);
    }
}

#[test]
fn the_engine_refuses_what_is_outside_of_the_wall() {
    let house = House::new();
    of_others(&house);
    let mut session = house.walled(Access::Write);
    for text in [
        "INSERT INTO raw.orders (n) VALUES (1)",
        "UPDATE raw.orders SET n = 2",
        "DELETE FROM raw.orders",
        "DROP TABLE raw.orders",
        "ALTER TABLE raw.orders RENAME TO gone",
        "ALTER TABLE raw.orders ADD COLUMN m",
        "CREATE TABLE raw.more (x)",
        "CREATE TABLE more (x)",
        "CREATE INDEX raw.i ON orders (n)",
        "CREATE VIEW raw.v AS SELECT 1",
        "CREATE TEMP TABLE t (x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE marts.v USING fts5(x)",
        "INSERT INTO marts.copy SELECT * FROM secret",
        "INSERT INTO marts.copy SELECT * FROM main.secret AS s",
        "REPLACE INTO marts.copy SELECT * FROM raw.secret -- all",
        "INSERT INTO marts.copy SELECT x FROM secret",
        "INSERT INTO marts.copy VALUES ((SELECT x FROM secret))",
        "CREATE TABLE marts.c AS SELECT * FROM raw.secret",
        "INSERT INTO marts.sqlite_master VALUES (1, 2, 3, 4, 5)",
        "DELETE FROM marts.sqlite_master",
        "UPDATE raw.sqlite_sequence SET seq = 0",
        "DELETE FROM raw.sqlite_sequence",
        "ATTACH DATABASE ':memory:' AS more",
        "DETACH DATABASE raw",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "VACUUM",
        "ANALYZE",
        "REINDEX",
    ] {
        if text.contains("marts.copy") {
            let _ = session.execute("CREATE TABLE IF NOT EXISTS marts.copy (x)", &[]);
        }
        let code = refused(&mut session, text);
        assert!(matches!(code, 304 | 301), "{text}: CD{code:04}");
        if !text.contains("fts5") && !text.contains("marts.sqlite_master") {
            assert_eq!(code, 304, "{text}");
        }
    }
}

#[test]
fn the_engine_refuses_to_read_what_is_outside_of_the_wall() {
    let house = House::new();
    of_others(&house);
    let mut session = house.walled(Access::Write);
    for text in [
        "SELECT * FROM secret",
        "SELECT x FROM main.secret",
        "SELECT count(*) FROM secret",
        "SELECT count(*) FROM main.secret",
        "SELECT (SELECT x FROM raw.secret)",
        "WITH s AS (SELECT * FROM raw.secret) SELECT count(*) FROM s",
        "SELECT load_extension('x')",
        "PRAGMA database_list",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA raw.user_version",
    ] {
        let code = session.query(text, &[]).expect_err(text).code.0;
        assert!(code == 304 || (code == 301 && text.contains("load_extension")), "{text}: CD{code:04}");
    }
}

#[test]
fn the_engine_lets_through_what_is_inside_of_the_wall() {
    let house = House::new();
    run(&mut house.open(Access::Write), "CREATE TABLE raw.orders (id INTEGER PRIMARY KEY, n TEXT)");
    let mut session = house.walled(Access::Write);
    for text in [
        "CREATE TABLE marts.a (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT UNIQUE)",
        "CREATE TABLE marts.same (id INTEGER PRIMARY KEY, n TEXT)",
        "INSERT INTO marts.same SELECT * FROM raw.orders",
        "INSERT INTO marts.a (n) SELECT n FROM raw.orders",
        "INSERT INTO marts.a SELECT * FROM raw.orders",
        "INSERT INTO marts.a SELECT * FROM raw.orders -- all of it",
        "INSERT INTO marts.a VALUES (8, 'select')",
        "CREATE INDEX marts.i ON a (n)",
        "INSERT INTO marts.a (n) VALUES ('x') ON CONFLICT (n) DO UPDATE SET n = excluded.n",
        "UPDATE marts.a SET n = n || id",
        "CREATE VIEW marts.v AS SELECT * FROM a",
        "ALTER TABLE marts.a RENAME TO b",
        "DROP VIEW marts.v",
        "ALTER TABLE marts.b ADD COLUMN m",
        "CREATE TABLE marts.c AS WITH o AS (SELECT * FROM raw.orders) SELECT count(*) AS n FROM o",
        "DELETE FROM marts.b",
        "DROP TABLE marts.b",
        "DROP TABLE IF EXISTS marts.b",
    ] {
        run(&mut session, text);
    }
    for text in [
        "WITH o AS (SELECT 1 AS x) SELECT count(*) FROM o",
        "SELECT count(*) FROM raw.orders",
        "SELECT name FROM raw.sqlite_schema",
        "SELECT name FROM marts.sqlite_master WHERE type = 'table'",
        "SELECT name, type FROM pragma_table_xinfo('c', 'marts')",
        "PRAGMA marts.table_xinfo('c')",
        "SELECT key FROM json_each('[1]')",
    ] {
        query(&mut session, text);
    }
}

#[test]
fn a_view_shows_only_what_its_reader_may_read() {
    let house = House::new();
    let mut owner = house.open(Access::Write);
    run(&mut owner, "CREATE TABLE raw.secret (x)");
    run(&mut owner, "INSERT INTO raw.secret VALUES (1)");
    // A view of an attached file may name that file's tables only.
    run(&mut owner, "CREATE VIEW raw.peek AS SELECT x FROM secret");
    let mut session = house.walled(Access::Read);
    assert_eq!(session.query("SELECT * FROM raw.peek", &[]).unwrap_err().code, Code(304));
}

#[test]
fn the_paths_of_the_files_are_not_shown() {
    let house = House::new();
    let mut session = house.walled(Access::Read);
    let (_, batches) = query(&mut session, "SELECT name, file FROM pragma_database_list ORDER BY seq");
    let names = batches[0].column(0).as_string::<i32>();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), ["main", "raw", "marts"]);
    assert_eq!(batches[0].column(1).null_count(), 3);
    // No folder can be made where a file is, whoever runs the test.
    std::fs::write(house.file("canary"), "").unwrap();
    let place = Place::Known(house.file("canary").join("wh.db"));
    let nowhere = SqliteSettings { place, schemas: vec![] };
    let driver = Sqlite::new(nowhere, Vault::default()).unwrap();
    let error = driver
        .open(Opening {
            access: Access::Read,
            wall: SessionWall::everything(),
            cancel: &CancelToken::default(),
            holder: Holder::operator(),
        })
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "CD0306: the warehouse's files cannot be opened");
}

#[test]
fn a_cancel_stops_a_statement_that_runs_and_every_later_one() {
    let house = House::new();
    let cancel = CancelToken::default();
    let mut session = house
        .driver
        .open(Opening {
            access: Access::Write,
            wall: SessionWall::everything(),
            cancel: &cancel,
            holder: Holder::operator(),
        })
        .unwrap();
    run(&mut session, "CREATE TABLE t (x)");
    session.begin().unwrap();
    let canceller = cancel.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        canceller.cancel(Refusal::new(FailureKind::Cancelled, Code(411), "stopped"));
    });
    let begun = Instant::now();
    let endless =
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let error = session.execute(endless, &[]).unwrap_err();
    assert_eq!(error.kind, FailureKind::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(10));
    stopper.join().unwrap();
    assert_eq!(session.execute("INSERT INTO t VALUES (1)", &[]).unwrap_err().code, Code(411));
    drop(session);
    assert_eq!(number(&mut house.open(Access::Read), "SELECT count(*) FROM t"), 0);
}

#[test]
fn a_deadline_stops_a_statement_by_itself() {
    let house = House::new();
    let why = Refusal::new(FailureKind::Cancelled, Code(410), "time is over");
    let cancel = CancelToken::new(Some((Instant::now() + Duration::from_millis(150), why)));
    let mut session = house
        .driver
        .open(Opening {
            access: Access::Read,
            wall: SessionWall::everything(),
            cancel: &cancel,
            holder: Holder::operator(),
        })
        .unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(session.query(endless, &[]).unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(session.query("SELECT 1", &[]).unwrap_err().code, Code(410));
}

#[test]
fn writers_queue_and_none_is_told_to_come_back() {
    let house = House::new();
    run(&mut house.open(Access::Write), "CREATE TABLE marts.t (x)");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut session = house.open(Access::Write);
                for n in 0..10 {
                    if n % 2 == 0 {
                        run(&mut session, "INSERT INTO marts.t VALUES (1)");
                    } else {
                        session.begin().unwrap();
                        run(&mut session, "INSERT INTO marts.t VALUES (2)");
                        session.commit().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(number(&mut house.open(Access::Read), "SELECT count(*) FROM marts.t"), 60);
}

#[test]
fn one_who_waits_for_the_turn_to_write_can_be_cancelled() {
    let house = House::new();
    let mut holder = house.open(Access::Write);
    holder.begin().unwrap();
    let cancel = CancelToken::default();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut session = house
                .driver
                .open(Opening {
                    access: Access::Write,
                    wall: SessionWall::everything(),
                    cancel: &cancel,
                    holder: Holder::operator(),
                })
                .unwrap();
            assert_eq!(session.begin().unwrap_err().code, Code(412));
            done.store(true, Ordering::SeqCst);
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!done.load(Ordering::SeqCst));
        cancel.cancel(Refusal::new(FailureKind::Cancelled, Code(412), "lease lost"));
    });
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.to_owned(), data_type, nullable: true }
}

/// Rows of one gateway, as frames another load takes.
fn some_frames(session: &mut Box<dyn SqlSession>, text: &str) -> (Vec<Column>, Vec<Vec<u8>>) {
    let (rows, columns) = session.query(text, &[]).unwrap();
    let frames = frames(session, rows);
    session.close_rows(rows);
    (columns, frames)
}

#[test]
fn what_was_read_can_be_loaded() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE marts.t (i INTEGER, d DATE, s TEXT)");
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                SELECT i, CAST('2026-01-01' AS TEXT) AS d, 'row ' || i AS s FROM n";
    let (columns, frames) = some_frames(&mut session, text);
    let table = ["marts".to_owned(), "t".to_owned()];
    session.load(&table, &columns).unwrap();
    assert_eq!(session.execute("DELETE FROM marts.t", &[]).unwrap_err().code, Code(310));
    for frame in &frames {
        session.load_write(frame).unwrap();
    }
    assert_eq!(session.load_finish().unwrap(), 100_000);
    assert_eq!(number(&mut session, "SELECT count(*) FROM marts.t WHERE s = 'row ' || i"), 100_000);
    assert_eq!(session.load_finish().unwrap_err().code, Code(310));
}

#[test]
fn a_load_left_or_broken_leaves_nothing_and_the_transaction_open() {
    let house = House::new();
    let mut session = house.open(Access::Write);
    run(&mut session, "CREATE TABLE marts.t (i INTEGER CHECK (i < 3))");
    let table = ["marts".to_owned(), "t".to_owned()];
    let good = some_frames(&mut session, "SELECT 1 AS i UNION ALL SELECT 2").1;
    let bad = some_frames(&mut session, "SELECT 2 AS i UNION ALL SELECT 3").1;
    let columns = [column("i", DataType::Int64)];
    session.begin().unwrap();
    run(&mut session, "INSERT INTO marts.t VALUES (0)");

    session.load(&table, &columns).unwrap();
    session.load_write(&good.concat()).unwrap();
    session.load_abandon();

    session.load(&table, &columns).unwrap();
    let error = session.load_write(&bad.concat()).unwrap_err();
    assert_eq!((error.kind, error.code.0), (FailureKind::Constraint, 302));
    assert_eq!(session.load_write(&good.concat()).unwrap_err().code, Code(310));

    session.commit().unwrap();
    assert_eq!(number(&mut session, "SELECT count(*) FROM marts.t"), 1);
}

#[test]
fn a_load_outside_of_the_wall_is_refused_by_the_engine() {
    let house = House::new();
    run(&mut house.open(Access::Write), "CREATE TABLE raw.t (i INTEGER)");
    let mut session = house.walled(Access::Write);
    let columns = [column("i", DataType::Int64)];
    let error = session.load(&["raw".to_owned(), "t".to_owned()], &columns).unwrap_err();
    assert_eq!((error.kind, error.code.0), (FailureKind::Refused, 304));
    run(&mut session, "CREATE TABLE marts.t (i INTEGER)");
    assert!(session.load(&["marts".to_owned(), "t".to_owned()], &columns).is_ok(), "the turn was given back");
}

#[test]
fn a_gateway_s_path_may_be_kept_behind_a_reference() {
    struct Fixed(String);
    impl cofferdam_vault::Environment for Fixed {
        fn get(&self, name: &str) -> Option<Vec<u8>> {
            (name == "WAREHOUSE_FILE").then(|| self.0.clone().into_bytes())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::new(Arc::new(Fixed("wh.db".to_owned())));
    let text = "[gateways.wh]\nengine = \"sqlite\"\npath = \"env://WAREHOUSE_FILE\"\n";
    let gateways = cofferdam_cap_sql::Gateways::parse("gateways.toml", text, folder.path(), &vault).unwrap();
    let driver = gateways.get(&cofferdam_ids::GatewayName::new("wh").unwrap()).unwrap();
    driver
        .open(Opening {
            access: Access::Read,
            wall: SessionWall::everything(),
            cancel: &CancelToken::default(),
            holder: Holder::operator(),
        })
        .unwrap();
    assert!(folder.path().join("wh.db").exists());
}

//! Statements and their rows.

use cofferdam_call::{Access, FailureKind, Value};
use cofferdam_ids::Code;

use crate::house::{batches, frames, gateway, one, query, reader, refused, run, try_open, writer};

#[test]
fn rows_written_are_read_back() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE orders (id INT PRIMARY KEY, name VARCHAR(20))");
    assert_eq!(run(&mut session, "INSERT INTO orders VALUES (1, 'ä'), (2, NULL)"), 2);
    assert_eq!(
        run(&mut session, "UPDATE orders SET name = 'ä' WHERE id = 1"),
        1,
        "rows found, not rows changed"
    );
    assert_eq!(one(&mut session, "SELECT name FROM orders ORDER BY id"), "ä\nNULL");
    assert_eq!(one(&mut reader(), "SELECT COUNT(*) FROM shop.orders"), "2");
    assert_eq!(query(&mut session, "SELECT id FROM orders WHERE FALSE").1.len(), 0);
}

#[test]
fn values_are_bound_and_never_read_as_sql() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE bound (a TEXT, b BIGINT, c DOUBLE, d BLOB, e BOOLEAN, f TEXT)");
    let text = "'; DROP TABLE bound; -- \\' \u{1f980}";
    let values = [
        Value::Text(text.to_owned()),
        Value::Int64(i64::MIN),
        Value::Float64(-0.5),
        Value::Bytes(vec![0, 255]),
        Value::Boolean(true),
        Value::Null,
    ];
    assert_eq!(session.execute("INSERT INTO bound VALUES (?, ?, ?, ?, ?, ?)", &values), Ok(1));
    let (rows, _) = session
        .query("SELECT b FROM bound WHERE a = ? AND f <=> ?", &[values[0].clone(), Value::Null])
        .unwrap();
    let all = frames(&mut session, rows).unwrap();
    assert_eq!(batches(&all).iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 1);
    assert_eq!(one(&mut session, "SELECT a FROM bound"), text);
    assert_eq!(one(&mut session, "SELECT d FROM bound"), "[00, ff]");
    let wrong = session.execute("INSERT INTO bound (a) VALUES (?)", &[]).unwrap_err();
    assert_eq!(wrong.to_string(), "CD0301: the statement takes 1 values; 0 were given");
    let infinite = session.execute("INSERT INTO bound (c) VALUES (?)", &[Value::Float64(f64::INFINITY)]);
    assert_eq!(infinite.unwrap_err().code, Code(311));
}

#[test]
fn several_statements_and_what_is_not_lent_are_refused() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE lent (a INT)");
    for text in [
        "INSERT INTO lent VALUES (1); INSERT INTO lent VALUES (2)",
        "INSERT INTO lent VALUES (1); DROP TABLE lent",
        "SET @a = 1",
        "SET SESSION sql_mode = ''",
        "COMMIT",
        "BEGIN",
        "LOCK TABLES lent WRITE",
        "CALL nothing()",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE lent",
        "/*! INSERT INTO lent VALUES (1) */",
        "SELECT 1 INTO @a",
        "",
    ] {
        refused(&mut session, text);
    }
    for text in ["SELECT 1; SELECT 2", "INSERT INTO lent VALUES (1)", "DO 1", "SELECT 1 INTO @a"] {
        assert!(session.query(text, &[]).is_err(), "{text}");
    }
    assert_eq!(refused(&mut session, "SELECT 1").to_string(), "CD0309: the statement returns rows: query it");
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM lent"), "0");
    assert_eq!(one(&mut session, "SELECT 1;"), "1", "one statement may end with a semicolon");
}

#[test]
fn a_session_that_reads_changes_nothing_whatever_its_user_may() {
    let driver = gateway("writer");
    let mut session = try_open(&driver, Access::Read).unwrap();
    run(&mut writer(), "CREATE TABLE calm (a INT)");
    for text in
        ["INSERT INTO calm VALUES (1)", "DROP TABLE calm", "CREATE TABLE other (a INT)", "TRUNCATE calm"]
    {
        let refusal = refused(&mut session, text);
        assert_eq!((refusal.kind, refusal.code), (FailureKind::Permission, Code(303)), "{text}");
    }
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM calm"), "0");
}

#[test]
fn rows_stay_readable_while_other_statements_run() {
    let mut session = writer();
    let (first, _) = session.query("SELECT seq FROM seq_1_to_50000", &[]).unwrap();
    let (second, _) = session.query("SELECT seq FROM seq_1_to_3", &[]).unwrap();
    run(&mut session, "CREATE TABLE meanwhile (a INT)");
    let count =
        |frames: &[Vec<u8>]| batches(frames).iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>();
    let second = frames(&mut session, second).unwrap();
    assert_eq!(count(&second), 3);
    let first = frames(&mut session, first).unwrap();
    assert_eq!(count(&first), 50_000);
}

#[test]
fn more_rows_than_are_kept_are_refused_and_the_transaction_stays() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE still (a INT)");
    session.begin().unwrap();
    run(&mut session, "INSERT INTO still VALUES (1)");
    let (many, _) = session.query("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000000", &[]).unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM still"), "1");
    assert_eq!(session.next_frame(many, &mut Vec::new()).unwrap_err().code, Code(315));
    let (many, _) = session.query("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000000", &[]).unwrap();
    assert!(session.next_frame(many, &mut Vec::new()).unwrap().is_some());
    session.close_rows(many);
    session.commit().unwrap();
    assert_eq!(one(&mut reader(), "SELECT COUNT(*) FROM still"), "1");
}

#[test]
fn a_row_no_frame_holds_is_refused_and_the_session_goes_on() {
    let mut session = writer();
    for bytes in [1_100_000, 3_000_000] {
        let refusal =
            crate::house::try_query(&mut session, &format!("SELECT REPEAT('x', {bytes})")).unwrap_err();
        assert_eq!(refusal.code, Code(307), "{refusal}");
        assert_eq!(one(&mut session, "SELECT 1"), "1");
    }
}

#[test]
fn common_table_expressions_read_and_feed_what_changes() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE fed AS WITH x AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT a FROM x");
    run(&mut session, "INSERT INTO fed WITH x AS (SELECT 3 AS a) SELECT a FROM x");
    assert_eq!(one(&mut session, "WITH x AS (SELECT a FROM fed) SELECT SUM(a) FROM x"), "6");
    assert_eq!(refused(&mut session, "WITH x AS (SELECT 1) SELECT * FROM x").code, Code(309));
    // The role of the session has no rights to hand out.
    assert_eq!(refused(&mut session, "GRANT SELECT ON shop.fed TO reader").code, Code(303));
}

#[test]
fn rows_a_change_gives_are_read_inside_a_transaction() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE given (a INT AUTO_INCREMENT PRIMARY KEY, b INT)");
    let text = "INSERT INTO given (b) VALUES (7), (8) RETURNING a";
    assert_eq!(session.query(text, &[]).unwrap_err().code, Code(310));
    session.begin().unwrap();
    assert_eq!(one(&mut session, text), "1\n2");
    session.commit().unwrap();
    assert_eq!(one(&mut reader(), "SELECT COUNT(*) FROM shop.given"), "2");
    // Asked for in the wrong way, nothing of it stays.
    assert_eq!(
        refused(&mut session, text).to_string(),
        "CD0309: the statement returns rows: query it; the transaction was undone"
    );
    session.begin().unwrap();
    let refusal = session.query("INSERT INTO given (b) VALUES ('0') -- returning", &[]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "CD0309: the statement returns no rows: execute it; the transaction was undone"
    );
    assert_eq!(session.commit().unwrap_err().code, Code(310));
    assert_eq!(session.query("INSERT INTO given (b) VALUES (0)", &[]).unwrap_err().code, Code(310));
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM given"), "2");
}

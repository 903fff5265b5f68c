//! Sessions of a real PostgreSQL server: queries, values, transactions.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use cofferdam_call::{Access, DataType, FailureKind, Value};
use cofferdam_cap_sql::{CancelToken, SqlDriver as _};
use pg_house::{SERVER, driver, one, open, read, writer};

#[test]
fn a_session_reads_what_it_wrote() {
    let mut session = writer();
    session.execute("create table things (n int, t text)", &[]).unwrap();
    let values = [Value::Int64(7), Value::Text("seven ✓".to_owned())];
    assert_eq!(session.execute("insert into things values ($1, $2)", &values), Ok(1));
    assert_eq!(session.execute("insert into things values (8, null), (9, '')", &[]), Ok(2));
    let rows =
        read(&mut *session, "select n, t from things where n >= $1 order by n", &[Value::Int64(7)]).unwrap();
    assert_eq!(rows.types(), [DataType::Int64, DataType::Text]);
    assert_eq!(rows.text(0), ["7", "8", "9"]);
    assert_eq!(rows.text(1), ["seven ✓", "NULL", ""]);
    assert_eq!(SERVER.psql("select count(*) from analytics.things"), "3");
}

#[test]
fn a_result_without_rows_has_its_columns_and_one_frame() {
    let mut session = writer();
    let rows = read(&mut *session, "select 1 as n where false", &[]).unwrap();
    assert_eq!((rows.count(), rows.columns[0].name.as_str()), (0, "n"));
}

#[test]
fn values_take_the_type_the_statement_wants() {
    let mut session = writer();
    let text = "select $1::date, $2::numeric(10,2) * 2, $3::bool, $4::bytea, $5::float8, $6::int4, $7";
    let values = [
        Value::Text("2026-11-21".to_owned()),
        Value::Text("10.25".to_owned()),
        Value::Boolean(true),
        Value::Bytes(vec![0, 255]),
        Value::Float64(0.1),
        Value::Int64(-5),
        Value::Null,
    ];
    let rows = read(&mut *session, text, &values).unwrap();
    let all: Vec<_> = (0..7).flat_map(|n| rows.text(n)).collect();
    assert_eq!(all, ["20778", "20.50", "true", "[0, 255]", "0.1", "-5", "NULL"]);
    let short = read(&mut *session, text, &values[..2]).err().unwrap();
    assert_eq!(short.to_string(), "CD0301: the statement takes 7 values; 2 were given");
    let nul = [Value::Text("a\0b".to_owned())];
    assert!(read(&mut *session, "select $1::text", &nul).is_err());
    assert_eq!(one(&mut *session, "select 1"), "1", "and the session goes on");
}

#[test]
fn errors_say_what_and_where_and_the_session_goes_on() {
    let mut session = writer();
    let refusals: Vec<String> = [
        "select\n  nothing",
        "select 1; select 2",
        "select 1/0",
        "select * from missing",
        "begin",
        "/* x */ COMMIT",
        "copy things to stdout",
        "select from generate_series(1, 3)",
        "create table things_that_give_no_rows ()",
        "",
    ]
    .iter()
    .map(|text| match read(&mut *session, text, &[]) {
        Ok(_) => format!("{text}: done"),
        Err(refusal) => refusal.to_string(),
    })
    .collect();
    assert_eq!(
        refusals,
        [
            "CD0301: column \"nothing\" does not exist (line 2, column 3)",
            "CD0309: one statement at a time",
            "CD0301: division by zero",
            "CD0301: relation \"missing\" does not exist (line 1, column 15)",
            "CD0309: a transaction is begun and ended by the session's own calls",
            "CD0309: a transaction is begun and ended by the session's own calls",
            "CD0309: rows are copied by the session's own calls: query and load",
            "CD0309: the result has no columns; select at least one",
            "CD0309: the statement returns no rows: execute it",
            "CD0309: the statement returns no rows: execute it",
        ]
    );
    assert_eq!(
        session.execute("select 1", &[]).unwrap_err().to_string(),
        "CD0309: the statement returns rows: query it"
    );
    assert_eq!(one(&mut *session, "select 42"), "42");
}

#[test]
fn an_error_keeps_the_values_of_other_rows_to_itself() {
    let mut session = writer();
    session
        .execute(
            "create table canaries (card text primary key, owner text not null check (owner <> ''))",
            &[],
        )
        .unwrap();
    session.execute("insert into canaries values ('4111-canary', 'a')", &[]).unwrap();
    let refusals: Vec<String> = [
        "insert into canaries values ('4111-canary', 'b')",
        "insert into canaries values ('4111-canary-2', null)",
        "insert into canaries values ('4111-canary-3', '')",
        "create unique index on canaries ((1))",
        "do $$ begin raise exception 'said' using detail = '4111-canary', hint = '4111-canary'; end $$",
    ]
    .iter()
    .map(|text| session.execute(text, &[]).err().map_or("done".to_owned(), |refusal| refusal.to_string()))
    .collect();
    assert_eq!(
        refusals,
        [
            "CD0302: duplicate key value violates unique constraint \"canaries_pkey\"",
            "CD0302: null value in column \"owner\" of relation \"canaries\" violates not-null constraint",
            "CD0302: new row for relation \"canaries\" violates check constraint \"canaries_owner_check\"",
            "done",
            "CD0301: said",
        ]
    );
}

#[test]
fn a_transaction_is_kept_or_undone_whole() {
    let mut session = writer();
    session.execute("create table kept (n int)", &[]).unwrap();
    session.begin().unwrap();
    session.execute("insert into kept values (1)", &[]).unwrap();
    assert!(session.begin().is_err());
    session.rollback().unwrap();
    assert!(session.rollback().is_err());
    session.begin().unwrap();
    session.execute("insert into kept values (2)", &[]).unwrap();
    session.commit().unwrap();
    assert_eq!(one(&mut *session, "select n from kept"), "2");

    session.begin().unwrap();
    session.execute("insert into kept values (3)", &[]).unwrap();
    assert!(session.execute("insert into kept values ('x')", &[]).is_err());
    assert!(session.commit().is_err(), "a failed transaction is not committed");
    assert_eq!(one(&mut *session, "select n from kept"), "2");

    session.begin().unwrap();
    session.execute("insert into kept values (4)", &[]).unwrap();
    drop(session);
    assert_eq!(SERVER.psql("select n from analytics.kept"), "2");
}

#[test]
fn a_long_result_comes_in_frames_and_stays_readable_beside_others() {
    let mut session = writer();
    let text = "select n, repeat('x', 100) from generate_series(1, 50000) n";
    let rows = read(&mut *session, text, &[]).unwrap();
    assert_eq!(rows.count(), 50_000);
    assert!(rows.batches.len() > 4);
    assert_eq!(rows.text(0)[49_999], "50000");

    let (first, _) = session.query(text, &[]).unwrap();
    let (second, _) = session.query("select 1", &[]).unwrap();
    let count = |session: &mut dyn cofferdam_cap_sql::SqlSession, id| {
        let mut count = 0;
        while let Some(rows) = session.next_frame(id, &mut Vec::new())? {
            count += rows;
        }
        Ok::<_, cofferdam_call::Refusal>(count)
    };
    assert_eq!(count(&mut *session, second), Ok(1));
    assert_eq!(count(&mut *session, first), Ok(50_000));

    let long = "select n, repeat('x', 100) from generate_series(1, 1000000) n";
    let (unread, _) = session.query(long, &[]).unwrap();
    assert_eq!(one(&mut *session, "select 1"), "1");
    let refusal = count(&mut *session, unread).unwrap_err();
    assert_eq!(refusal.kind, FailureKind::Limit);
    assert!(session.next_frame(cofferdam_cap_sql::RowsId(999), &mut Vec::new()).is_err());
}

#[test]
fn a_result_that_is_closed_early_leaves_the_session_as_it_was() {
    let long = "select n, repeat('x', 100) from generate_series(1, 1000000) n";
    let mut reader = open(&driver("reader"), Access::Read, &CancelToken::default());
    let (rows, _) = reader.query(long, &[]).unwrap();
    reader.close_rows(rows);
    assert_eq!(one(&mut *reader, "select 1"), "1");

    let mut session = writer();
    session.begin().unwrap();
    session.execute("create table beside (n int)", &[]).unwrap();
    let (rows, _) = session.query(long, &[]).unwrap();
    session.next_frame(rows, &mut Vec::new()).unwrap();
    session.close_rows(rows);
    session.commit().unwrap();
    assert_eq!(one(&mut *session, "select count(*) from beside"), "0");
}

#[test]
fn a_row_that_fits_no_frame_is_refused_and_the_session_goes_on() {
    let mut session = writer();
    for size in [1 << 20, 5 << 20] {
        let refusal = read(&mut *session, &format!("select repeat('x', {size})"), &[]).err().unwrap();
        assert_eq!(refusal.kind, FailureKind::Limit, "{refusal}");
        assert_eq!(one(&mut *session, "select 1"), "1");
    }
    assert_eq!(one(&mut *session, "select repeat('x', 1000000)").len(), 1_000_000);
}

#[test]
fn a_reading_session_cannot_write() {
    let mut session = open(&driver("writer"), Access::Read, &CancelToken::default());
    let refusal = session.execute("create table analytics.never (n int)", &[]).unwrap_err();
    assert_eq!(refusal.to_string(), "CD0303: the session reads only");
}

#[test]
fn an_operator_is_told_what_a_gateway_is() {
    let text = |role: &str, access| {
        let findings = driver(role).inspect(access);
        let line = |finding: &cofferdam_cap_sql::Finding| format!("{:?} {}", finding.verdict, finding.text);
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let reader = text("reader", Access::Read);
    assert!(reader.contains("SCRAM-SHA-256 bound to the TLS connection"), "{reader}");
    assert!(!reader.contains("Weak") && !reader.contains("Wrong"), "{reader}");
    let writer = text("writer", Access::Read);
    assert!(writer.contains("Weak the role of mode `read` may write"), "{writer}");
    let superuser = text("superuser", Access::Admin);
    assert!(
        superuser.contains("Wrong the role is a superuser, or can become one: sessions are refused"),
        "{superuser}"
    );
}

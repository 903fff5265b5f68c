//! Types at their extremes, both ways.

use std::{io::Write as _, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use cofferdam_call::{Column, DataType, Refusal};
use cofferdam_ids::Code;

use crate::house::{Session, frames, one, query, refused, run, server, shown, try_query, writer};

const TYPES: &str = "tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, normal INT UNSIGNED, big BIGINT, \
    huge BIGINT UNSIGNED, whole DECIMAL(65,0), money DECIMAL(12,2), fine DECIMAL(38,38), single FLOAT, twice DOUBLE, \
    flag BIT(1), flags BIT(64), day DATE, moment DATETIME(6), point_in TIMESTAMP(6) NULL, clock TIME(6), \
    years YEAR, fixed CHAR(5), words VARCHAR(40), prose LONGTEXT, octets VARBINARY(8), blob_ LONGBLOB, doc JSON, \
    choice ENUM('a','ö'), choices SET('x','y'), truth BOOLEAN";

#[test]
fn every_type_keeps_its_extremes() {
    let mut session = writer();
    run(&mut session, &format!("CREATE TABLE extremes (id INT PRIMARY KEY, {TYPES})"));
    let nines = "9".repeat(65);
    run(
        &mut session,
        &format!(
            "INSERT INTO extremes VALUES (1, -128, 65535, -8388608, 4294967295, -9223372036854775808, \
             18446744073709551615, {nines}, -9999999999.99, 0.{}, -3.5, -1.7976931348623157e308, b'1', \
             18446744073709551615, '0001-01-01', '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01', \
             '23:59:59.999999', 2155, '', 'Ünï\u{1f980}', REPEAT('ß', 70000), x'00ff', x'', '{{\"a\": [1, null]}}', \
             'ö', 'x,y', TRUE), (2, 127, 0, 8388607, 0, 9223372036854775807, 0, -{nines}, 9999999999.99, 0, \
             16777216, 4.9e-324, b'0', 0, '9999-12-31', '0001-01-01 00:00:00', '2038-01-19 03:14:07.999999', \
             '00:00:00', 1901, 'a', '', '', x'', REPEAT(x'fe', 70000), 'null', 'a', '', FALSE), \
             (3{})",
            "9".repeat(38),
            ", NULL".repeat(27)
        ),
    );
    let (columns, batches) = query(&mut session, "SELECT * FROM extremes ORDER BY id");
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
    assert_eq!(batch.num_rows(), 3);
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let whole = || DataType::Int64;
    let expected = [
        ("tiny", whole(), "-128 127"),
        ("small", whole(), "65535 0"),
        ("medium", whole(), "-8388608 8388607"),
        ("normal", whole(), "4294967295 0"),
        ("big", whole(), "-9223372036854775808 9223372036854775807"),
        ("huge", decimal(20, 0), "18446744073709551615 0"),
        ("whole", decimal(65, 0), &format!("{nines} -{nines}")),
        ("money", decimal(12, 2), "-9999999999.99 9999999999.99"),
        ("fine", decimal(38, 38), &format!("0.{} 0.{}", "9".repeat(38), "0".repeat(38))),
        ("single", DataType::Float64, "-3.5 16777216.0"),
        ("twice", DataType::Float64, "-1.7976931348623157e308 5e-324"),
        ("flag", whole(), "1 0"),
        ("flags", decimal(20, 0), "18446744073709551615 0"),
        ("day", DataType::Date, "-719162 2932896"),
        ("moment", DataType::Timestamp, "253402300799999999 -62135596800000000"),
        ("point_in", DataType::TimestampUtc, "1000000 2147483647999999"),
        ("clock", DataType::Time, "86399999999 0"),
        ("years", whole(), "2155 1901"),
        ("octets", DataType::Bytes, "[00,ff] []"),
        ("doc", DataType::Json, "{\"a\":[1,null]} null"),
        ("choice", DataType::Text, "ö a"),
        ("truth", whole(), "1 0"),
    ];
    for (name, data_type, values) in expected {
        let n = columns.iter().position(|column| column.name == name).unwrap();
        assert_eq!(columns[n].data_type, data_type, "{name}");
        let shown: Vec<_> = shown(batch, n).lines().map(|line| line.replace(' ', "")).collect();
        assert_eq!(shown.join(" "), format!("{values} NULL"), "{name}");
    }
    for (name, data_type, expected) in [
        ("words", DataType::Text, "Ünï\u{1f980}"),
        ("prose", DataType::Text, &"ß".repeat(70_000)),
        ("choices", DataType::Text, "x,y"),
        ("fixed", DataType::Text, ""),
    ] {
        let n = columns.iter().position(|column| column.name == name).unwrap();
        assert_eq!(columns[n].data_type, data_type, "{name}");
        assert_eq!(shown(batch, n).split('\n').next(), Some(expected), "{name}");
    }
}

#[test]
fn what_no_column_type_holds_is_refused_in_words() {
    let mut session = writer();
    run(&mut session, "CREATE TABLE odd (d DATE, m DATETIME, t TIME, g POINT)");
    let mode = "SET SESSION sql_mode = '';";
    server().sql(&format!(
        "{mode} INSERT INTO odd VALUES ('0000-00-00', '2026-00-10 00:00:00', '-25:00:00', POINT(1, 2))"
    ));
    for (column, expected) in [
        (
            "d",
            "column `d` holds a date that is none, such as 0000-00-00; make it NULL in the statement, or CAST it AS CHAR",
        ),
        (
            "m",
            "column `m` holds a date that is none, such as 0000-00-00; make it NULL in the statement, or CAST it AS CHAR",
        ),
        ("t", "column `t` holds a time outside of 00:00:00 to 24:00:00; CAST it AS CHAR, or use TIME_TO_SEC"),
    ] {
        let refusal = try_query(&mut session, &format!("SELECT {column} FROM odd")).unwrap_err();
        assert_eq!((refusal.code, refusal.message.as_str()), (Code(311), expected));
    }
    assert_eq!(one(&mut session, "SELECT CAST(d AS CHAR) FROM odd"), "0000-00-00");
    assert_eq!(one(&mut session, "SELECT CAST(t AS CHAR) FROM odd"), "-25:00:00");
    let (columns, batches) = query(&mut session, "SELECT g FROM odd");
    assert_eq!(columns[0].data_type, DataType::Other("point".to_owned()));
    assert_eq!(shown(batches.last().unwrap(), 0), "000000000101000000000000000000f03f0000000000000040");
    // And the other way the server is strict.
    for value in ["'0000-00-00'", "'2026-02-30'", "'no day'"] {
        let refusal = refused(&mut session, &format!("INSERT INTO odd (d) VALUES ({value})"));
        assert_eq!(refusal.code, Code(301), "{refusal}");
        assert!(!refusal.message.contains("no day"), "{refusal}");
    }
}

/// Frames of one stream.
fn stream(columns: &[(&str, DataType, ArrayRef)]) -> (Vec<Column>, Vec<u8>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, _, array)| (*name, Arc::clone(array), true)),
    );
    let batch = batch.unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.flush().unwrap();
    let described = |(name, data_type, _): &(&str, DataType, ArrayRef)| Column {
        name: (*name).to_owned(),
        data_type: data_type.clone(),
        nullable: true,
    };
    (columns.iter().map(described).collect(), writer.into_inner().unwrap())
}

fn load(session: &mut Session, table: &str, columns: &[Column], bytes: &[u8]) -> Result<u64, Refusal> {
    session.load(&["shop".to_owned(), table.to_owned()], columns)?;
    session.load_write(bytes)?;
    session.load_finish()
}

#[test]
fn what_was_read_is_loaded_back_the_same() {
    let mut session = writer();
    run(&mut session, &format!("CREATE TABLE loaded_from ({TYPES})"));
    run(&mut session, &format!("CREATE TABLE loaded_into ({TYPES})"));
    let nines = "9".repeat(65);
    run(
        &mut session,
        &format!(
            "INSERT INTO loaded_from VALUES (-128, 65535, -8388608, 4294967295, -9223372036854775808, \
             18446744073709551615, {nines}, -9999999999.99, 0.5, -3.5, 4.9e-324, b'1', 0, '0001-01-01', \
             '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01', '23:59:59.999999', 2155, '', 'Ünï\u{1f980}', \
             REPEAT('ß', 70000), x'00ff', x'', '{{\"a\": [1, null]}}', 'ö', 'x,y', TRUE), \
             (NULL{})",
            ", NULL".repeat(26)
        ),
    );
    // Bits are numbers here and bytes there.
    let names = "tiny, small, medium, normal, big, huge, whole, money, fine, single, twice, flag, day, moment, \
                 point_in, clock, years, fixed, words, prose, octets, blob_, doc, choice, choices, truth";
    let (rows, columns) = session.query(&format!("SELECT {names} FROM loaded_from"), &[]).unwrap();
    let all = frames(&mut session, rows).unwrap();
    session.load(&["loaded_into".to_owned()], &columns).unwrap();
    for frame in &all {
        session.load_write(frame).unwrap();
    }
    assert_eq!(session.load_finish(), Ok(2));
    let same = format!(
        "SELECT COUNT(*) FROM loaded_from a JOIN loaded_into b ON {}",
        names.split(", ").map(|name| format!("a.{name} <=> b.{name}")).collect::<Vec<_>>().join(" AND ")
    );
    assert_eq!(one(&mut session, &same), "2");
}

#[test]
fn a_load_is_all_or_nothing_alone_and_in_a_transaction() {
    let mut session = writer();
    run(
        &mut session,
        "CREATE TABLE bulk (id INT PRIMARY KEY, name VARCHAR(10), day DATE, ok BOOLEAN, x DOUBLE)",
    );
    let columns = |ids: Vec<i64>| {
        let count = ids.len();
        stream(&[
            ("id", DataType::Int64, Arc::new(Int64Array::from(ids))),
            ("name", DataType::Text, Arc::new(StringArray::from(vec![Some("né"); count]))),
            ("day", DataType::Date, Arc::new(Date32Array::from(vec![Some(20_778); count]))),
            ("ok", DataType::Boolean, Arc::new(BooleanArray::from(vec![None; count]))),
            ("x", DataType::Float64, Arc::new(Float64Array::from(vec![0.5; count]))),
        ])
    };
    let (described, many) = columns((0..12_345).collect());
    assert_eq!(load(&mut session, "bulk", &described, &many), Ok(12_345));
    assert_eq!(
        one(&mut session, "SELECT CONCAT(COUNT(*), ' ', MAX(name), ' ', MIN(day)) FROM bulk"),
        "12345 né 2026-11-21"
    );

    let (described, twice) = columns((20_000..21_500).chain([0]).collect());
    assert_eq!(load(&mut session, "bulk", &described, &twice).unwrap_err().code, Code(302));
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM bulk"), "12345");

    session.begin().unwrap();
    run(&mut session, "INSERT INTO bulk (id) VALUES (-1)");
    assert_eq!(load(&mut session, "bulk", &described, &twice).unwrap_err().code, Code(302));
    let (described, few) = columns(vec![30_000]);
    assert_eq!(load(&mut session, "bulk", &described, &few), Ok(1));
    session.load(&["bulk".to_owned()], &described).unwrap();
    assert_eq!(session.query("SELECT 1", &[]).unwrap_err().code, Code(310));
    session.load_abandon();
    session.commit().unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM bulk"), "12347");

    assert!(load(&mut session, "missing", &described, &few).is_err());
    assert_eq!(load(&mut session, "bulk", &described, b"no frame").unwrap_err().code, Code(312));
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM bulk"), "12347");
    std::io::stdout().flush().unwrap();
}

//! Each type at its extremes: in by a load, out by a query, and through a table made of a select.

use cofferdam_sdk::{Column, DataType, Value, read_all};

use super::Check;
use crate::{
    bench::{Bench, shown},
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("booleans", |bench| round_trip(bench, &DataType::Boolean, &[true.into(), false.into()])),
    ("whole-numbers-of-64-bits", |bench| {
        round_trip(bench, &DataType::Int64, &[i64::MIN.into(), i64::MAX.into(), 0.into(), (-1).into()])
    }),
    ("doubles", |bench| {
        let values = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.1, 1e-7, 123_456_789.125, 0.0];
        round_trip(bench, &DataType::Float64, &values.map(Value::from))
    }),
    ("infinities", |bench| {
        round_trip(bench, &DataType::Float64, &[f64::INFINITY.into(), f64::NEG_INFINITY.into()])
    }),
    ("not-a-number", |bench| round_trip(bench, &DataType::Float64, &[f64::NAN.into()])),
    ("decimals", |bench| decimals(bench, 12, 2)),
    ("decimals-of-38-digits", |bench| decimals(bench, 38, 10)),
    ("decimals-of-65-digits", |bench| decimals(bench, 65, 30)),
    ("text", text),
    ("bytes", |bench| {
        let all: Vec<u8> = (0..=255).collect();
        round_trip(bench, &DataType::Bytes, &[Vec::new().into(), all.into(), b"text".to_vec().into()])
    }),
    ("days", |bench| {
        texts(bench, &DataType::Date, &["0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"])
    }),
    ("times", |bench| texts(bench, &DataType::Time, &["00:00:00", "12:34:56.789", "23:59:59.999999"])),
    ("dates-with-times", |bench| {
        texts(
            bench,
            &DataType::Timestamp,
            &["0001-01-01 00:00:00", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"],
        )
    }),
    ("moments", |bench| {
        texts(
            bench,
            &DataType::TimestampUtc,
            &[
                "0001-01-01 00:00:00Z",
                "1969-12-31 23:59:59.5Z",
                "2024-03-31 01:30:00Z",
                "9999-12-31 23:59:59.999999Z",
            ],
        )
    }),
    ("json", json),
    ("arrays", arrays),
    ("values-are-bound-never-pasted", bound),
    ("a-table-made-of-a-select-keeps-its-types", |bench| {
        kept(bench, &[DataType::Int64, DataType::Date, DataType::Timestamp, DataType::Text, DataType::Bytes])
    }),
    ("a-table-made-of-a-select-keeps-its-decimals", |bench| {
        kept(bench, &[DataType::Decimal { precision: 12, scale: 2 }])
    }),
];

/// What may stand for a type where an engine has none of the kind.
fn stands_for(found: &DataType, asked: &DataType) -> bool {
    found == asked
        || matches!(
            (asked, found),
            (DataType::Boolean, DataType::Int64)
                | (DataType::TimestampUtc, DataType::Timestamp)
                | (DataType::Json, DataType::Text)
        )
}

fn column(of: &DataType) -> [Column; 2] {
    [Column::new("n", DataType::Int64).not_null(), Column::new("v", of.clone())]
}

/// Loads the values and NULL; gives what was read back, in order.
fn there_and_back(
    bench: &Bench<'_>,
    of: &DataType,
    values: &[Value],
) -> Result<Vec<Value>, crate::report::Found> {
    let columns = column(of);
    let all = values.iter().chain([&Value::Null]).zip(0_i64..);
    let rows: Vec<_> = all.map(|(value, n)| vec![n.into(), value.clone()]).collect();
    bench.load("kinds", &columns, &rows)?;
    let described = bench.writer.describe(&bench.relation("kinds"))?;
    if !described.get(1).is_some_and(|found| stands_for(&found.data_type, of)) {
        return Err(wrong(format!("a column made as {of:?} is described as {:?}", described.get(1))));
    }
    let query = format!("SELECT v FROM {} ORDER BY n", bench.name("kinds"));
    let table = read_all(bench.writer.query(&query, &[])?)?;
    // Through a table made of a select nothing may get lost either.
    bench
        .writer
        .create_table_as(&bench.relation("kinds_2"), &format!("SELECT n, v FROM {}", bench.name("kinds")))?;
    let copied = bench.read(&format!("SELECT v FROM {} ORDER BY n", bench.name("kinds_2")))?;
    let read: Vec<Value> = table.rows.into_iter().flatten().collect();
    same("the values in a table made of them", &copied, &read.iter().map(shown).collect())?;
    match read.last() {
        Some(Value::Null) => Ok(read),
        other => Err(wrong(format!("NULL came back as {other:?}"))),
    }
}

fn round_trip(bench: &Bench<'_>, of: &DataType, values: &[Value]) -> Checked {
    let read = there_and_back(bench, of, values)?;
    let found: Vec<_> = read[..read.len() - 1].iter().map(shown).collect();
    same("what came back", &found, &values.iter().map(shown).collect())
}

fn texts(bench: &Bench<'_>, of: &DataType, values: &[&str]) -> Checked {
    round_trip(bench, of, &values.iter().map(|text| Value::from(*text)).collect::<Vec<_>>())
}

fn decimals(bench: &Bench<'_>, precision: u8, scale: u8) -> Checked {
    let whole = usize::from(precision - scale);
    let largest = format!("{}.{}", "9".repeat(whole), "9".repeat(scale.into()));
    let smallest = format!("0.{}1", "0".repeat(usize::from(scale) - 1));
    let values =
        [largest.clone(), format!("-{largest}"), smallest.clone(), format!("-{smallest}"), "0".into()];
    texts(bench, &DataType::Decimal { precision, scale }, &values.each_ref().map(String::as_str))
}

fn text(bench: &Bench<'_>) -> Checked {
    let values = [
        "",
        " ",
        "NULL",
        "it's \"quoted\"",
        "back\\slash",
        "two\nlines\tand a tab",
        "ä漢字😀",
        "e\u{301}",
        "trailing ",
        "%_?$1:a--;",
        "\u{202e}abc",
    ];
    let read = there_and_back(bench, &DataType::Text, &values.map(Value::from))?;
    // Compared as they are: no letter may be another one.
    let found: Vec<_> = read[..read.len() - 1].to_vec();
    same("what came back", &found, &values.map(Value::from).to_vec())
}

fn json(bench: &Bench<'_>) -> Checked {
    let values = ["{\"a\": [1, 2.5, {\"b\": null}], \"ü\": \"😀\"}", "[]", "\"text\"", "true", "null"];
    let read = there_and_back(bench, &DataType::Json, &values.map(Value::from))?;
    for (found, expected) in read.iter().zip(values) {
        let Value::Text(found) = found else {
            return Err(wrong(format!("the document {expected} came back as {found:?}")));
        };
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        same("the document", &read(found), &read(expected))?;
    }
    Ok(())
}

fn arrays(bench: &Bench<'_>) -> Checked {
    let columns = [Column::new("v", DataType::Other("integer[]".into()))];
    let rows = [vec!["{1,NULL,-3}".into()], vec!["{}".into()], vec![Value::Null]];
    bench.load("arrays", &columns, &rows)?;
    let read = bench.read(&format!("SELECT v FROM {} ORDER BY 1", bench.name("arrays")))?;
    same("what came back", &read, &vec!["{}".to_owned(), "{1,NULL,-3}".to_owned(), "NULL".to_owned()])
}

fn bound(bench: &Bench<'_>) -> Checked {
    let odd = "it's ?; DROP TABLE \"x\" -- $1 \\";
    bench.words("bound", &[(Some(1), odd, 7), (Some(2), "other", 8)])?;
    let name = bench.name("bound");
    let query = format!("SELECT id FROM {name} WHERE word = ? AND size = ? -- ?");
    let table = read_all(bench.writer.query(&query, &[odd.into(), 7.into()])?)?;
    same("the row found", &table.rows, &vec![vec![Value::Int64(1)]])?;
    let changed = bench
        .writer
        .execute(&format!("UPDATE {name} SET size = ? WHERE word = ?"), &[9.into(), odd.into()])?;
    same("the rows changed", &changed, &1)?;
    let changed = bench.writer.execute_once(
        "bound",
        &format!("UPDATE {name} SET word = ? WHERE size = ?"),
        &["it is done".into(), 9.into()],
    )?;
    same("the rows changed once", &changed, &1)?;
    same("the rows", &bench.all_words("bound")?, &vec!["1|it is done|9".to_owned(), "2|other|8".to_owned()])
}

fn kept(bench: &Bench<'_>, types: &[DataType]) -> Checked {
    let columns = types.iter().zip(0..).map(|(of, n)| Column::new(format!("c{n}"), of.clone()));
    let columns: Vec<_> = columns.collect();
    bench.writer.create_table(&bench.relation("typed"), &columns)?;
    bench
        .writer
        .create_table_as(&bench.relation("kept"), &format!("SELECT * FROM {}", bench.name("typed")))?;
    let kinds = |name: &str| -> Result<Vec<_>, cofferdam_sdk::Failure> {
        let columns = bench.writer.describe(&bench.relation(name))?;
        Ok(columns.into_iter().map(|column| (column.name, column.data_type)).collect())
    };
    same("the types", &kinds("kept")?, &kinds("typed")?)
}

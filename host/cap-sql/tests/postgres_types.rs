//! Every type at its extremes, out of PostgreSQL and back into it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use cofferdam_call::{Column, DataType, FailureKind};
use pg_house::{Rows, one, read, writer};

/// A column's type, and values of it as PostgreSQL writes them.
const TYPES: &[(&str, &[&str])] = &[
    ("bool", &["true", "false"]),
    ("int2", &["-32768", "32767"]),
    ("int4", &["-2147483648", "2147483647"]),
    ("int8", &["-9223372036854775808", "9223372036854775807"]),
    ("oid", &["0", "4294967295"]),
    ("float4", &["NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e+38", "-0"]),
    ("float8", &["NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e+308", "-0", "0.1"]),
    ("numeric(12,2)", &["-9999999999.99", "9999999999.99", "0.01", "0", "100", "10000"]),
    ("numeric(38,0)", &["99999999999999999999999999999999999999", "-1"]),
    (
        "numeric(38,38)",
        &["0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"],
    ),
    (
        "numeric(76,10)",
        &["999999999999999999999999999999999999999999999999999999999999999999.9999999999", "-0.5"],
    ),
    (
        "numeric",
        &["NaN", "Infinity", "-Infinity", "0.000000000000000000000000000000000001", "1e131071", "1.10"],
    ),
    ("numeric(100,2)", &["12.50"]),
    ("numeric(5,-2)", &["1200"]),
    ("text", &["", "a", "ünïcødé ✓ 🦀", "tab\t newline\n backslash \\ \\N", "NULL"]),
    ("varchar(10)", &["", "ten  chars"]),
    ("char(5)", &["ab", "é"]),
    ("name", &["a_name"]),
    ("bytea", &["", "\\x00ff", "\\x5c5c"]),
    ("date", &["0001-01-01", "9999-12-31", "4713-01-01 BC", "5874897-12-31", "2000-02-29"]),
    ("time", &["00:00:00", "23:59:59.999999"]),
    ("timetz", &["00:00:00+15:59", "24:00:00-15:59"]),
    ("timestamp", &["4713-01-01 00:00:00 BC", "9999-12-31 23:59:59.999999", "294246-12-31 23:59:59"]),
    (
        "timestamptz",
        &["4714-11-24 00:00:00+00 BC", "1969-12-31 23:59:59.999999+00", "294246-12-31 23:59:59+00"],
    ),
    ("interval", &["178000000 years", "-1 day +00:00:01", "1 mon"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("json", &["{\"a\": [1, null, \"\\u00e9\"]}", "null", "1e400"]),
    ("jsonb", &["{\"a\": [1, null, \"é\"]}", "null", "\"\""]),
    ("xml", &["<a>&lt;</a>"]),
    ("inet", &["::1", "192.168.0.1/24"]),
    ("cidr", &["10.0.0.0/8"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("money", &["-$92,233,720,368,547,758.08"]),
    ("bit(3)", &["101"]),
    ("varbit", &["", "1"]),
    ("int4[]", &["{}", "{1,NULL,3}", "{{1,2},{3,4}}"]),
    ("text[]", &["{a,\"b c\",\"\\\"\",NULL,\"\"}"]),
    ("int4range", &["empty", "[1,10)"]),
    ("tstzrange", &["[\"2026-01-01 00:00:00+00\",)"]),
    ("point", &["(1.5,-2)"]),
    ("tsvector", &["'a':1 'b':2"]),
    ("mood", &["happy", "très triste"]),
    ("short", &["ab"]),
    ("positive", &["7"]),
];

fn made() -> Box<dyn cofferdam_cap_sql::SqlSession> {
    let mut session = writer();
    for text in [
        "do $$ begin create type mood as enum ('happy', 'très triste'); exception when duplicate_object then null; end $$",
        "do $$ begin create domain short as varchar(2); exception when duplicate_object then null; end $$",
        "do $$ begin create domain positive as int check (value > 0); exception when duplicate_object then null; end $$",
    ] {
        session.execute(text, &[]).unwrap();
    }
    session
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[test]
fn every_type_comes_out_and_goes_back_in_as_it_was() {
    let mut session = made();
    let mut report = Vec::new();
    for (n, (of, values)) in TYPES.iter().enumerate() {
        let (from, to) = (format!("from_{n}"), format!("to_{n}"));
        session.execute(&format!("create table {from} (k int, v {of})"), &[]).unwrap();
        session.execute(&format!("create table {to} (k int, v {of})"), &[]).unwrap();
        let rows: Vec<_> =
            values.iter().enumerate().map(|(k, value)| format!("({k}, {}::{of})", quoted(value))).collect();
        session.execute(&format!("insert into {from} values {}, (99, null)", rows.join(", ")), &[]).unwrap();

        let taken = read(&mut *session, &format!("select k, v from {from} order by k"), &[]).unwrap();
        load(&mut *session, &to, &taken);

        let both = format!(
            "select count(*) filter (where a.v::text is not distinct from b.v::text), count(*) \
             from {from} a full join {to} b using (k)"
        );
        let same = read(&mut *session, &both, &[]).unwrap();
        let all = (values.len() + 1).to_string();
        assert_eq!((same.text(0).concat(), same.text(1).concat()), (all.clone(), all), "{of}");
        report.push(format!("{of}: {}", shown(&taken.types()[1])));
    }
    assert_eq!(
        report.join("\n"),
        "bool: boolean\nint2: int64\nint4: int64\nint8: int64\noid: int64\nfloat4: float64\nfloat8: float64\n\
         numeric(12,2): decimal(12,2)\nnumeric(38,0): decimal(38,0)\nnumeric(38,38): decimal(38,38)\n\
         numeric(76,10): decimal(76,10)\nnumeric: other(numeric)\nnumeric(100,2): other(numeric)\n\
         numeric(5,-2): other(numeric)\ntext: text\nvarchar(10): text\nchar(5): text\nname: text\nbytea: bytes\n\
         date: date\ntime: time\ntimetz: other(time with time zone)\ntimestamp: timestamp\n\
         timestamptz: timestamp-utc\ninterval: other(interval)\nuuid: other(uuid)\njson: json\njsonb: json\n\
         xml: other(xml)\ninet: other(inet)\ncidr: other(cidr)\nmacaddr: other(macaddr)\nmoney: other(money)\n\
         bit(3): other(bit(3))\nvarbit: other(bit varying)\nint4[]: other(integer[])\ntext[]: other(text[])\n\
         int4range: other(int4range)\ntstzrange: other(tstzrange)\npoint: other(point)\n\
         tsvector: other(tsvector)\nmood: other(mood)\nshort: text\npositive: int64"
    );
}

fn load(session: &mut dyn cofferdam_cap_sql::SqlSession, table: &str, rows: &Rows) {
    session.load(&["analytics".to_owned(), table.to_owned()], &rows.columns).unwrap();
    for frame in rows.frames() {
        session.load_write(&frame).unwrap();
    }
    assert_eq!(session.load_finish(), Ok(rows.count() as u64), "{table}");
}

fn shown(of: &DataType) -> String {
    match of {
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        DataType::Other(name) => format!("other({name})"),
        DataType::TimestampUtc => "timestamp-utc".to_owned(),
        DataType::Timestamp => "timestamp".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[test]
fn what_no_column_of_a_frame_can_hold_is_refused_with_what_to_do() {
    let mut session = writer();
    let refusals: Vec<String> = [
        "date 'infinity'",
        "timestamp '-infinity'",
        "timestamptz 'infinity'",
        "time '24:00:00'",
        "timestamp '294276-12-31 23:59:59'",
        "'NaN'::numeric(5,2)",
    ]
    .iter()
    .map(|text| read(&mut *session, &format!("select {text} as v"), &[]).err().unwrap().to_string())
    .collect();
    assert_eq!(
        refusals,
        [
            "CD0311: column `v` holds the date infinity, which no date is; CAST it to text in the statement",
            "CD0311: column `v` holds the timestamp -infinity, which no timestamp is; CAST it to text in the statement",
            "CD0311: column `v` holds the timestamp infinity, which no timestamp-utc is; CAST it to text in the \
             statement",
            "CD0311: column `v` holds the time 24:00:00, which no time is; CAST it to text in the statement",
            "CD0311: column `v` holds a timestamp after the year 294246, which no timestamp is; CAST it to text in \
             the statement",
            "CD0311: column `v` holds NaN or an infinity, which no decimal is; CAST it to text in the statement",
        ]
    );
    assert_eq!(one(&mut *session, "select (date 'infinity')::text"), "infinity");
}

#[test]
fn what_does_not_fit_the_tables_column_is_refused_and_nothing_stays() {
    let mut session = writer();
    session
        .execute("create table narrow (n int2, f float4, d numeric(4,2), u uuid, t varchar(3))", &[])
        .unwrap();
    let cases = [
        ("n", "70000::int8"),
        ("f", "1e300::float8"),
        ("d", "1000.5::numeric(10,2)"),
        ("u", "'no-uuid'::text"),
        ("t", "'four'::text"),
    ];
    for (column, value) in cases {
        let rows = read(&mut *session, &format!("select {value} as {column}"), &[]).unwrap();
        session.load(&["analytics".to_owned(), "narrow".to_owned()], &rows.columns).unwrap();
        let written: Result<Vec<()>, _> =
            rows.frames().iter().map(|frame| session.load_write(frame)).collect();
        let refusal = written.map(drop).and_then(|()| session.load_finish().map(drop)).unwrap_err();
        assert_eq!(refusal.kind, FailureKind::Invalid, "{column}: {refusal}");
        assert!(session.load_finish().is_err(), "the load is over");
    }
    assert_eq!(one(&mut *session, "select count(*) from narrow"), "0");
}

#[test]
fn a_load_is_part_of_the_transaction_it_is_in() {
    let mut session = writer();
    session.execute("create table loaded (n int8)", &[]).unwrap();
    let table = ["loaded".to_owned()];
    let rows = read(&mut *session, "select n::int8 from generate_series(1, 100000) n", &[]).unwrap();
    session.begin().unwrap();
    session.execute("insert into loaded values (0)", &[]).unwrap();
    session.load(&table, &rows.columns).unwrap();
    for frame in rows.frames() {
        session.load_write(&frame).unwrap();
    }
    assert!(session.execute("select 1", &[]).is_err(), "a load is under way");
    session.load_abandon();
    session.load_abandon();
    assert_eq!(one(&mut *session, "select count(*) from loaded"), "1", "the transaction goes on");
    load(&mut *session, "loaded", &rows);
    session.rollback().unwrap();
    assert_eq!(one(&mut *session, "select count(*) from loaded"), "0");

    session.load(&table, &rows.columns).unwrap();
    session.load_write(&rows.frames()[0]).unwrap();
    assert!(session.load_write(b"no frame").is_err());
    assert_eq!(one(&mut *session, "select count(*) from loaded"), "0");

    let missing = Column { name: "m".to_owned(), data_type: DataType::Int64, nullable: true };
    assert!(session.load(&table, &[missing]).is_err());
    assert!(session.load(&["nowhere".to_owned()], &rows.columns).is_err());
    session.begin().unwrap();
    assert!(session.load(&["nowhere".to_owned()], &rows.columns).is_err());
    session.execute("insert into loaded values (7)", &[]).unwrap();
    session.commit().unwrap();
    assert_eq!(one(&mut *session, "select n from loaded"), "7");
    drop(session);
}

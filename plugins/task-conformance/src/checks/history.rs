//! Snapshots: which rows hold when.

use cofferdam_sdk::{ChangeMark, Column, DataType, Failure, HardDeletes, HistoryNames, Snapshot};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("changes-are-seen-by-comparing", comparing),
    ("changes-are-seen-by-a-time", by_time),
    ("rows-that-are-gone-end-where-asked", gone),
    ("a-second-attempt-adds-nothing", again),
    ("a-key-that-names-no-row-is-refused", keys),
];

fn how(mark: ChangeMark, at: &str) -> Snapshot {
    Snapshot {
        key: vec!["id".into()],
        mark,
        hard_deletes: HardDeletes::Ignore,
        at: at.into(),
        names: HistoryNames::default(),
    }
}

fn comparing_at(at: &str) -> Snapshot {
    how(ChangeMark::Columns(vec!["word".into()]), at)
}

fn take(bench: &Bench<'_>, how: &Snapshot) -> Result<u64, Failure> {
    let select = format!("SELECT * FROM {};", bench.name("source"));
    bench.writer.snapshot(&bench.relation("history"), &select, how)
}

/// The history: id, word, from when, until when, one row of it a line.
fn history(bench: &Bench<'_>) -> Result<Vec<String>, Failure> {
    let q = |name: &str| bench.quote(name);
    let rows = bench.read(&format!(
        "SELECT id, word, {}, {} FROM {} ORDER BY id, {}",
        q("dbt_valid_from"),
        q("dbt_valid_to"),
        bench.name("history"),
        q("dbt_valid_from"),
    ))?;
    Ok(rows.into_iter().map(|row| row.replace("2024-01-0", "").replace(" 00:00:00", "")).collect())
}

/// Every row of the history has an id of its own.
fn ids(bench: &Bench<'_>) -> Checked {
    let id = bench.quote("dbt_scd_id");
    let counts =
        bench.read(&format!("SELECT count(*) - count(DISTINCT {id}) FROM {}", bench.name("history")))?;
    same("the rows without an id of their own", &counts, &vec!["0".to_owned()])
}

fn expect(bench: &Bench<'_>, rows: &[&str]) -> Checked {
    same("the history", &history(bench)?, &rows.iter().map(|row| (*row).to_owned()).collect())?;
    ids(bench)
}

fn comparing(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "a", 1), (Some(2), "b", 2)])?;
    same("the rows added", &take(bench, &comparing_at("2024-01-01T00:00:00Z"))?, &2)?;
    expect(bench, &["1|a|1|NULL", "2|b|1|NULL"])?;
    // The size is not compared.
    bench.words("source", &[(Some(1), "a", 9), (Some(2), "c", 2), (Some(3), "", 3)])?;
    same("the rows added", &take(bench, &comparing_at("2024-01-02T00:00:00Z"))?, &2)?;
    expect(bench, &["1|a|1|NULL", "2|b|1|2", "2|c|2|NULL", "3||2|NULL"])?;
    let everything = how(ChangeMark::Columns(vec![]), "2024-01-03T00:00:00Z");
    same("the rows added", &take(bench, &everything)?, &1)?;
    expect(bench, &["1|a|1|3", "1|a|3|NULL", "2|b|1|2", "2|c|2|NULL", "3||2|NULL"])
}

fn dated(bench: &Bench<'_>, rows: &[(i64, &str, &str)]) -> Checked {
    let columns = [
        Column::new("id", DataType::Int64),
        Column::new("word", DataType::Text),
        Column::new("changed", DataType::Timestamp),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, word, day)| vec![(*id).into(), (*word).into(), format!("2024-01-0{day} 00:00:00").into()])
        .collect();
    bench.load("source", &columns, &rows)
}

fn by_time(bench: &Bench<'_>) -> Checked {
    let at = |at: &str| how(ChangeMark::UpdatedAt("changed".into()), at);
    dated(bench, &[(1, "a", "1"), (2, "b", "2")])?;
    same("the rows added", &take(bench, &at("2024-01-03T00:00:00Z"))?, &2)?;
    expect(bench, &["1|a|1|NULL", "2|b|2|NULL"])?;
    // Another word at the same time is no change; an older time is none either.
    dated(bench, &[(1, "A", "1"), (2, "B", "4")])?;
    same("the rows added", &take(bench, &at("2024-01-05T00:00:00Z"))?, &1)?;
    expect(bench, &["1|a|1|NULL", "2|b|2|4", "2|B|4|NULL"])?;
    dated(bench, &[(1, "a", "1"), (2, "old", "3")])?;
    same("the rows added", &take(bench, &at("2024-01-06T00:00:00Z"))?, &0)?;
    expect(bench, &["1|a|1|NULL", "2|b|2|4", "2|B|4|NULL"])
}

fn gone(bench: &Bench<'_>) -> Checked {
    let at = |at: &str| Snapshot { hard_deletes: HardDeletes::Invalidate, ..comparing_at(at) };
    bench.words("source", &[(Some(1), "a", 1), (Some(2), "b", 2)])?;
    take(bench, &comparing_at("2024-01-01T00:00:00Z"))?;
    bench.words("source", &[(Some(1), "a", 1)])?;
    take(bench, &comparing_at("2024-01-02T00:00:00Z"))?;
    expect(bench, &["1|a|1|NULL", "2|b|1|NULL"])?;
    same("the rows added", &take(bench, &at("2024-01-03T00:00:00Z"))?, &0)?;
    expect(bench, &["1|a|1|NULL", "2|b|1|3"])?;
    // It comes back as it was.
    bench.words("source", &[(Some(1), "a", 1), (Some(2), "b", 2)])?;
    same("the rows added", &take(bench, &at("2024-01-04T00:00:00Z"))?, &1)?;
    expect(bench, &["1|a|1|NULL", "2|b|1|3", "2|b|4|NULL"])
}

fn again(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "a", 1)])?;
    take(bench, &comparing_at("2024-01-01T00:00:00Z"))?;
    bench.words("source", &[(Some(1), "b", 1)])?;
    let second = Snapshot { hard_deletes: HardDeletes::Invalidate, ..comparing_at("2024-01-02T00:00:00Z") };
    same("the rows added", &take(bench, &second)?, &1)?;
    same("the rows added again", &take(bench, &second)?, &0)?;
    expect(bench, &["1|a|1|2", "1|b|2|NULL"])
}

fn keys(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "a", 1)])?;
    take(bench, &comparing_at("2024-01-01T00:00:00Z"))?;
    for rows in [[(Some(1), "a", 1), (Some(1), "b", 1)], [(Some(1), "c", 1), (None, "b", 1)]] {
        bench.words("source", &rows)?;
        match take(bench, &comparing_at("2024-01-02T00:00:00Z")) {
            Err(Failure::Invalid(_)) => {}
            other => return Err(wrong(format!("a key that names no row gives {other:?}"))),
        }
        expect(bench, &["1|a|1|NULL"])?;
    }
    Ok(())
}

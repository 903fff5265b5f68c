//! The incremental strategies, each with the rows it must leave.

use cofferdam_sdk::{Column, DataType, Failure, MergeStrategy, Value, ValueRange};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("an-append-adds-each-row-once", append),
    ("columns-are-matched-by-name", by_name),
    ("delete-insert-replaces-rows-of-the-same-key", delete_insert),
    ("merge-updates-and-adds", merge),
    ("a-merge-that-cannot-be-decided-changes-nothing", undecided),
    ("keys-tell-letters-apart", letters),
    ("a-broken-constraint-undoes-everything", constraint),
    ("a-range-is-replaced-and-the-rest-stays", range),
    ("rows-outside-the-range-are-refused", outside),
];

/// `target`: 1 one 1, 2 two 2. `source`: 2 second 20, 3 third 30, and a row without an id.
fn tables(bench: &Bench<'_>) -> Checked {
    bench.words("target", &[(Some(1), "one", 1), (Some(2), "two", 2)])?;
    bench.words("source", &[(Some(2), "second", 20), (Some(3), "third", 30), (None, "none", 0)])
}

fn insert(bench: &Bench<'_>, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure> {
    bench.writer.insert(&bench.relation("target"), select, strategy)
}

fn key(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_invalid(what: &str, done: Result<u64, Failure>) -> Checked {
    match done {
        Err(Failure::Invalid(_)) => Ok(()),
        other => Err(wrong(format!("{what} gives {other:?}, not `invalid`"))),
    }
}

fn left(bench: &Bench<'_>, rows: &[&str]) -> Checked {
    same("the table", &bench.all_words("target")?, &rows.iter().map(|row| (*row).to_owned()).collect())
}

fn append(bench: &Bench<'_>) -> Checked {
    tables(bench)?;
    let select = format!("SELECT * FROM {} WHERE id = 2;", bench.name("source"));
    same("the rows that came in", &insert(bench, &select, &MergeStrategy::Append)?, &1)?;
    left(bench, &["1|one|1", "2|second|20", "2|two|2"])?;
    // A second append of the same attempt is another step.
    same("the rows that came in", &insert(bench, &select, &MergeStrategy::Append)?, &1)?;
    left(bench, &["1|one|1", "2|second|20", "2|second|20", "2|two|2"])
}

fn by_name(bench: &Bench<'_>) -> Checked {
    tables(bench)?;
    let source = bench.name("source");
    let select = format!("SELECT size, id FROM {source} WHERE id = 3");
    insert(bench, &select, &MergeStrategy::Append)?;
    left(bench, &["1|one|1", "2|two|2", "3|NULL|30"])?;
    for strategy in [MergeStrategy::Append, MergeStrategy::Merge(key(&["id"]))] {
        let unknown = format!("SELECT id, size AS colour FROM {source}");
        is_invalid("a column the table does not have", insert(bench, &unknown, &strategy))?;
    }
    let nowhere = bench.writer.insert(&bench.relation("nowhere"), &select, &MergeStrategy::Append);
    is_invalid("a table that is not there", nowhere)?;
    left(bench, &["1|one|1", "2|two|2", "3|NULL|30"])
}

fn delete_insert(bench: &Bench<'_>) -> Checked {
    tables(bench)?;
    let select = format!("SELECT * FROM {}", bench.name("source"));
    let strategy = MergeStrategy::DeleteInsert(key(&["id"]));
    same("the rows that came in", &insert(bench, &select, &strategy)?, &3)?;
    left(bench, &["1|one|1", "2|second|20", "3|third|30", "NULL|none|0"])?;
    // NULL equals nothing: the row without an id comes in again.
    insert(bench, &select, &strategy)?;
    left(bench, &["1|one|1", "2|second|20", "3|third|30", "NULL|none|0", "NULL|none|0"])?;
    let strategy = MergeStrategy::DeleteInsert(key(&["id", "word"]));
    let select = format!("SELECT id, word, size + 1 AS size FROM {} WHERE id = 3", bench.name("source"));
    insert(bench, &select, &strategy)?;
    left(bench, &["1|one|1", "2|second|20", "3|third|31", "NULL|none|0", "NULL|none|0"])
}

fn merge(bench: &Bench<'_>) -> Checked {
    tables(bench)?;
    let source = bench.name("source");
    let strategy = MergeStrategy::Merge(key(&["id"]));
    let select = format!("SELECT id, size FROM {source}");
    same("the rows that came in", &insert(bench, &select, &strategy)?, &3)?;
    left(bench, &["1|one|1", "2|two|20", "3|NULL|30", "NULL|NULL|0"])?;
    // A key alone has nothing to update.
    let select = format!("SELECT id FROM {source} WHERE id = 3");
    same("the rows that came in", &insert(bench, &select, &strategy)?, &1)?;
    left(bench, &["1|one|1", "2|two|20", "3|NULL|30", "NULL|NULL|0"])
}

fn undecided(bench: &Bench<'_>) -> Checked {
    tables(bench)?;
    let source = bench.name("source");
    let twice =
        format!("SELECT id, word FROM {source} UNION ALL SELECT 2, 'again' FROM {source} WHERE id = 3");
    let merge = |key: &[&str], select: &str| {
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        insert(bench, select, &MergeStrategy::Merge(key))
    };
    is_invalid("a key that stands in two new rows", merge(&["id"], &twice))?;
    is_invalid(
        "a key the select does not give",
        merge(&["id", "colour"], &format!("SELECT * FROM {source}")),
    )?;
    is_invalid("a key of no column", merge(&[], &format!("SELECT * FROM {source}")))?;
    left(bench, &["1|one|1", "2|two|2"])
}

fn letters(bench: &Bench<'_>) -> Checked {
    bench.words("target", &[(Some(1), "a", 1), (Some(2), "ä", 2), (Some(3), "A", 3)])?;
    bench.words("source", &[(Some(4), "A", 40)])?;
    let select = format!("SELECT * FROM {}", bench.name("source"));
    insert(bench, &select, &MergeStrategy::DeleteInsert(key(&["word"])))?;
    left(bench, &["1|a|1", "2|ä|2", "4|A|40"])
}

fn constraint(bench: &Bench<'_>) -> Checked {
    let columns = [
        Column::new("id", DataType::Int64),
        Column::new("word", DataType::Text),
        Column::new("size", DataType::Int64).not_null(),
    ];
    bench.load("target", &columns, &[vec![1.into(), "one".into(), 1.into()]])?;
    let loose = [columns[0].clone(), columns[1].clone(), Column::new("size", DataType::Int64)];
    bench.load(
        "source",
        &loose,
        &[vec![1.into(), "new".into(), 5.into()], vec![2.into(), "new".into(), Value::Null]],
    )?;
    let select = format!("SELECT * FROM {}", bench.name("source"));
    for strategy in
        [MergeStrategy::Append, MergeStrategy::DeleteInsert(key(&["id"])), MergeStrategy::Merge(key(&["id"]))]
    {
        match insert(bench, &select, &strategy) {
            Err(Failure::Constraint(_)) => {}
            other => {
                return Err(wrong(format!("NULL where it may not stand gives {other:?} under {strategy:?}")));
            }
        }
        left(bench, &["1|one|1"])?;
    }
    Ok(())
}

fn days(bench: &Bench<'_>, name: &str, rows: &[(&str, i64)]) -> Checked {
    let columns = [Column::new("day", DataType::Date), Column::new("size", DataType::Int64)];
    let rows: Vec<_> = rows.iter().map(|(day, size)| vec![(*day).into(), (*size).into()]).collect();
    bench.load(name, &columns, &rows)
}

fn within(start: &str, end: &str) -> ValueRange {
    ValueRange { column: "day".into(), start: start.into(), end: end.into() }
}

fn all_days(bench: &Bench<'_>) -> Result<Vec<String>, Failure> {
    bench.read(&format!("SELECT day, size FROM {} ORDER BY day, size", bench.name("days")))
}

fn range(bench: &Bench<'_>) -> Checked {
    days(bench, "days", &[("2024-01-01", 1), ("2024-01-02", 2), ("2024-01-03", 3)])?;
    days(bench, "new_days", &[("2024-01-02", 20), ("2024-01-02", 21)])?;
    let select = format!("SELECT * FROM {}", bench.name("new_days"));
    let range = within("2024-01-02", "2024-01-03");
    same(
        "the rows that came in",
        &bench.writer.replace_range(&bench.relation("days"), &select, &range)?,
        &2,
    )?;
    let expected = ["2024-01-01|1", "2024-01-02|20", "2024-01-02|21", "2024-01-03|3"];
    same("the table", &all_days(bench)?, &expected.map(str::to_owned).to_vec())?;
    let none = format!("SELECT * FROM {} WHERE size < 0", bench.name("new_days"));
    bench.writer.replace_range(&bench.relation("days"), &none, &range)?;
    same("the table", &all_days(bench)?, &vec!["2024-01-01|1".to_owned(), "2024-01-03|3".to_owned()])
}

fn outside(bench: &Bench<'_>) -> Checked {
    days(bench, "days", &[("2024-01-01", 1), ("2024-01-02", 2)])?;
    days(bench, "new_days", &[("2024-01-02", 20), ("2024-01-03", 30)])?;
    let select = format!("SELECT * FROM {}", bench.name("new_days"));
    let done =
        bench.writer.replace_range(&bench.relation("days"), &select, &within("2024-01-02", "2024-01-03"));
    is_invalid("a new row at the end of the range", done)?;
    same("the table", &all_days(bench)?, &vec!["2024-01-01|1".to_owned(), "2024-01-02|2".to_owned()])
}

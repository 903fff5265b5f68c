//! Bulk loads: small, large, abandoned, broken; a reader sees the old rows until the end.

use cofferdam_sdk::{Column, DataType};

use super::Check;
use crate::{
    bench::{Bench, Row, write},
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("one-row", |bench| {
        bench.words("one", &[(Some(1), "one", 1)])?;
        same("the table", &bench.all_words("one")?, &vec!["1|one|1".to_owned()])
    }),
    ("no-row", |bench| {
        bench.words("none", &[(Some(1), "one", 1)])?;
        bench.words("none", &[])?;
        same("the table", &bench.all_words("none")?, &Vec::new())
    }),
    ("many-rows", many),
    ("a-reader-sees-the-old-rows-until-the-end", until_the_end),
    ("an-abandoned-load-leaves-nothing", abandoned),
    ("a-broken-load-leaves-nothing", broken),
];

/// Rows handed over at once.
const CHUNK: u64 = 10_000;

fn columns() -> [Column; 3] {
    [
        Column::new("id", DataType::Int64).not_null(),
        Column::new("word", DataType::Text),
        Column::new("amount", DataType::Float64),
    ]
}

fn rows(from: u64, to: u64) -> Vec<Row> {
    let row = |n: u64| {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let word = if n % 10 == 0 { None } else { Some(format!("word {}", n % 97)) };
        vec![n.into(), word.into(), ((n % 8) as f64 / 4.0).into()]
    };
    (from..to).map(row).collect()
}

fn many(bench: &Bench<'_>) -> Checked {
    let columns = columns();
    let mut loader = bench.writer.load(&bench.relation("many"), &columns)?;
    let mut frames = cofferdam_sdk::arrow::FrameWriter::new(cofferdam_sdk::arrow::schema(&columns));
    let mut from = 0;
    while from < bench.rows {
        let to = (from + CHUNK).min(bench.rows);
        let batch = cofferdam_sdk::arrow::batch(&columns, &rows(from, to))?;
        for frame in frames.write(&batch)? {
            loader.write(&frame)?;
        }
        from = to;
    }
    same("the rows a load says it stored", &loader.finish()?, &bench.rows)?;
    let n = bench.rows;
    let name = bench.name("many");
    let found = bench.read(&format!("SELECT count(*), min(id), max(id), count(word) FROM {name}"))?;
    let without = n.div_ceil(10);
    same("the table", &found, &vec![format!("{n}|0|{}|{}", n - 1, n - without)])?;
    let found = bench.read(&format!("SELECT word, amount FROM {name} WHERE id = {}", n - 1))?;
    let last = rows(n - 1, n);
    let expected =
        last.iter().map(|row| row[1..].iter().map(crate::bench::shown).collect::<Vec<_>>().join("|"));
    same("the last row", &found, &expected.collect())
}

fn until_the_end(bench: &Bench<'_>) -> Checked {
    bench.words("steady", &[(Some(1), "old", 1)])?;
    let query = format!("SELECT word FROM {}", bench.name("steady"));
    let old = vec!["old".to_owned()];
    let columns = [Column::new("word", DataType::Text)];
    let mut loader = bench.writer.load(&bench.relation("steady"), &columns)?;
    same("what a reader sees once the load is begun", &bench.read_aside(&query)?, &old)?;
    write(loader.as_mut(), &columns, &[vec!["new".into()]])?;
    same("what a reader sees during the load", &bench.read_aside(&query)?, &old)?;
    loader.finish()?;
    same("what a reader sees after it", &bench.read_aside(&query)?, &vec!["new".to_owned()])
}

fn abandoned(bench: &Bench<'_>) -> Checked {
    bench.words("kept", &[(Some(1), "old", 1)])?;
    let columns = columns();
    for name in ["kept", "never"] {
        let mut loader = bench.writer.load(&bench.relation(name), &columns)?;
        write(loader.as_mut(), &columns, &rows(0, 10))?;
    }
    same("the table", &bench.all_words("kept")?, &vec!["1|old|1".to_owned()])?;
    let left: Vec<_> = bench.ours()?.into_iter().map(|(name, _)| name).collect();
    same("the relations", &left, &vec![bench.relation("kept").name])
}

fn broken(bench: &Bench<'_>) -> Checked {
    bench.words("kept", &[(Some(1), "old", 1)])?;
    let columns = columns();
    let mut loader = bench.writer.load(&bench.relation("kept"), &columns)?;
    write(loader.as_mut(), &columns, &rows(0, 10))?;
    if loader.write(b"this is no frame").is_ok() {
        return Err(wrong("a frame that is none was taken"));
    }
    drop(loader);
    same("the table", &bench.all_words("kept")?, &vec!["1|old|1".to_owned()])?;
    // The connection works on.
    bench.words("kept", &[(Some(2), "new", 2)])?;
    same("the table", &bench.all_words("kept")?, &vec!["2|new|2".to_owned()])
}

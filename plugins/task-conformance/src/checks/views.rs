//! Views show what is there now, and stay when what they read is replaced.

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("a-view-shows-what-is-there-now", now),
    ("a-view-is-replaced-with-other-columns", other_columns),
    ("a-table-that-a-view-reads-is-replaced", read_by),
];

fn now(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "one", 1)])?;
    let name = bench.name("source");
    bench.writer.create_view(&bench.relation("lens"), &format!("SELECT id FROM {name} -- of all\n;"))?;
    bench.writer.execute(&format!("INSERT INTO {name} (id, word, size) VALUES (2, 'two', 2)"), &[])?;
    let seen = bench.read(&format!("SELECT id FROM {} ORDER BY id", bench.name("lens")))?;
    same("the view", &seen, &vec!["1".to_owned(), "2".to_owned()])
}

fn other_columns(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "one", 7)])?;
    let (source, lens) = (bench.name("source"), bench.name("lens"));
    for (columns, row) in [("id, word", "1|one"), ("size", "7"), ("word, id, size", "one|1|7")] {
        bench.writer.create_view(&bench.relation("lens"), &format!("SELECT {columns} FROM {source}"))?;
        same("the view", &bench.read(&format!("SELECT {columns} FROM {lens}"))?, &vec![row.to_owned()])?;
        let described = bench.writer.describe(&bench.relation("lens"))?;
        let described: Vec<_> = described.into_iter().map(|column| column.name).collect();
        same("its columns", &described.join(", "), &columns.to_owned())?;
    }
    Ok(())
}

fn read_by(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "one", 1)])?;
    let source = bench.name("source");
    bench.writer.create_view(&bench.relation("lens"), &format!("SELECT id, size FROM {source}"))?;
    let select = format!("SELECT id, word, size + 1 AS size, id AS another FROM {source}");
    bench.writer.create_table_as(&bench.relation("source"), &select)?;
    same(
        "the view",
        &bench.read(&format!("SELECT id, size FROM {}", bench.name("lens")))?,
        &vec!["1|2".to_owned()],
    )?;
    bench.words("source", &[(Some(3), "three", 3)]).or_else(|_| {
        // A load with fewer columns may be refused as long as a view reads the table.
        bench.writer.create_table_as(
            &bench.relation("source"),
            &format!("SELECT 3 + id - id AS id, word, 3 + size - size AS size, another FROM {source}"),
        )?;
        Ok::<_, crate::report::Found>(())
    })?;
    same(
        "the view",
        &bench.read(&format!("SELECT id, size FROM {}", bench.name("lens")))?,
        &vec!["3|3".to_owned()],
    )
}

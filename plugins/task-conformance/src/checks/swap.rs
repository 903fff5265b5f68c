//! Create-as: the new table takes the old one's place whole, or the old one stays.

use cofferdam_sdk::{Failure, RelationKind};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("a-table-is-made-of-a-select", made),
    ("a-table-is-replaced-by-what-it-holds", by_itself),
    ("a-failing-select-leaves-the-old-table", failing),
    ("a-select-that-cannot-be-read-leaves-the-old-table", unreadable),
    ("table-and-view-take-each-others-place", kinds),
    ("a-reader-never-misses-the-table", never_missing),
    ("leftovers-of-a-crash-are-no-hindrance", leftovers),
];

/// A number whose absolute value no 64 bits hold: computing it fails on the way, not at the start.
const FAILS_LATE: i64 = i64::MIN;

fn made(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "one", 1), (Some(2), "", 2), (None, "none", 3)])?;
    let select = format!("SELECT id, word, size * 2 AS size FROM {} -- all of them\n;", bench.name("source"));
    let rows = bench.writer.create_table_as(&bench.relation("made"), &select)?;
    same("the number of rows it says", &rows, &3)?;
    let expected = ["1|one|2", "2||4", "NULL|none|6"].map(str::to_owned).to_vec();
    same("the table", &bench.all_words("made")?, &expected)?;
    let select =
        format!("WITH few AS (SELECT * FROM {} WHERE id = 1) SELECT * FROM few", bench.name("source"));
    same("the rows of a WITH", &bench.writer.create_table_as(&bench.relation("made"), &select)?, &1)?;
    let none = format!("SELECT * FROM {} WHERE id > 5", bench.name("source"));
    same("the rows of nothing", &bench.writer.create_table_as(&bench.relation("made"), &none)?, &0)?;
    same("the table", &bench.all_words("made")?, &Vec::new())
}

fn by_itself(bench: &Bench<'_>) -> Checked {
    bench.words("own", &[(Some(1), "one", 1), (Some(2), "two", 2)])?;
    let select = format!("SELECT id, word, size + 10 AS size FROM {} WHERE id = 2", bench.name("own"));
    bench.writer.create_table_as(&bench.relation("own"), &select)?;
    same("the table", &bench.all_words("own")?, &vec!["2|two|12".to_owned()])
}

fn failing(bench: &Bench<'_>) -> Checked {
    bench.words("target", &[(Some(1), "old", 1)])?;
    bench.words("source", &[(Some(1), "new", 1), (Some(2), "new", FAILS_LATE)])?;
    let select = format!("SELECT id, word, abs(size) AS size FROM {}", bench.name("source"));
    if bench.writer.create_table_as(&bench.relation("target"), &select).is_ok() {
        return Err(wrong("a select that fails on its second row was reported as done"));
    }
    same("the old table", &bench.all_words("target")?, &vec!["1|old|1".to_owned()])?;
    if bench.writer.create_table_as(&bench.relation("fresh"), &select).is_ok() {
        return Err(wrong("a select that fails on its second row was reported as done"));
    }
    same("a table that was not there", &bench.writer.find(&bench.relation("fresh"))?, &None)
}

fn unreadable(bench: &Bench<'_>) -> Checked {
    bench.words("target", &[(Some(1), "old", 1)])?;
    let nowhere = format!("SELECT * FROM {}", bench.name("nowhere"));
    for select in ["SELECT FROM WHERE", "", nowhere.as_str()] {
        let table = bench.writer.create_table_as(&bench.relation("target"), select);
        let view = bench.writer.create_view(&bench.relation("target"), select);
        if table.is_ok() || view.is_ok() {
            return Err(wrong(format!("`{select}` was reported as done")));
        }
        same("the old table", &bench.all_words("target")?, &vec!["1|old|1".to_owned()])?;
    }
    Ok(())
}

fn kinds(bench: &Bench<'_>) -> Checked {
    bench.words("source", &[(Some(1), "one", 1)])?;
    let select = format!("SELECT id, word, size FROM {}", bench.name("source"));
    let it = bench.relation("changing");
    for kind in [RelationKind::View, RelationKind::Table, RelationKind::View] {
        match kind {
            RelationKind::View => bench.writer.create_view(&it, &select)?,
            RelationKind::Table => drop(bench.writer.create_table_as(&it, &select)?),
        }
        let found = bench.writer.find(&it)?.map(|info| info.kind);
        same("the kind found", &found, &Some(kind))?;
        same("its rows", &bench.all_words("changing")?, &vec!["1|one|1".to_owned()])?;
    }
    bench.words("changing", &[(Some(2), "two", 2)])?;
    same("a load in a view's place", &bench.all_words("changing")?, &vec!["2|two|2".to_owned()])
}

/// A second session looks between all calls: the table is there, old or new, never half.
fn never_missing(bench: &Bench<'_>) -> Checked {
    bench.words("watched", &[(Some(0), "round", 0)])?;
    bench.words("source", &[(Some(1), "fails", FAILS_LATE)])?;
    let query = format!("SELECT size FROM {}", bench.name("watched"));
    for round in 1..=5 {
        let select = format!("SELECT id, word, size + 1 AS size FROM {}", bench.name("watched"));
        same("what a reader sees", &bench.read_aside(&query)?, &vec![(round - 1).to_string()])?;
        bench.writer.create_table_as(&bench.relation("watched"), &select)?;
        same("what a reader sees", &bench.read_aside(&query)?, &vec![round.to_string()])?;
        let late = format!("SELECT abs(size) AS size FROM {}", bench.name("source"));
        match bench.writer.create_table_as(&bench.relation("watched"), &late) {
            Err(Failure::Cancelled(of)) => return Err(Failure::Cancelled(of).into()),
            Err(_) => {}
            Ok(_) => return Err(wrong("a select that fails was reported as done")),
        }
        same("what a reader sees after a failure", &bench.read_aside(&query)?, &vec![round.to_string()])?;
    }
    Ok(())
}

fn leftovers(bench: &Bench<'_>) -> Checked {
    for left in ["target__cofferdam_new", "target__cofferdam_old"] {
        bench.words(left, &[(Some(9), "left by a crash", 9)])?;
    }
    bench.words("target", &[(Some(1), "old", 1)])?;
    for left in ["target__cofferdam_new", "target__cofferdam_old"] {
        bench.words(left, &[(Some(9), "left by a crash", 9)])?;
    }
    let select = format!("SELECT id, word, size + 1 AS size FROM {}", bench.name("target"));
    bench.writer.create_table_as(&bench.relation("target"), &select)?;
    same("the table", &bench.all_words("target")?, &vec!["1|old|2".to_owned()])?;
    // An engine that swaps in a transaction never makes the second one; it is not its to drop.
    bench.writer.drop_relation(&bench.relation("target__cofferdam_old"))?;
    Ok(())
}

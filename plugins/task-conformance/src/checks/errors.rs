//! A failure comes as the case a task can branch on, and never as a success.

use cofferdam_sdk::{Column, DataType, Failure};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("a-wrong-statement-is-invalid", invalid),
    ("a-missing-relation-is-invalid", missing),
    ("a-broken-constraint-is-one", constraint),
    ("a-reader-cannot-write", reader),
    ("a-failed-statement-changes-nothing", nothing),
    ("one-statement-at-a-time", several),
];

fn case(what: &str, failure: Option<&Failure>, fits: fn(&Failure) -> bool) -> Checked {
    match failure {
        Some(failure) if fits(failure) => Ok(()),
        Some(failure) => Err(wrong(format!("{what} gives the case of {failure:?}"))),
        None => Err(wrong(format!("{what} was reported as done"))),
    }
}

/// Where statements are read before they are run, a wrong one may be refused before the engine
/// sees it.
fn is_invalid(failure: &Failure) -> bool {
    matches!(failure, Failure::Invalid(_) | Failure::Refused(_))
}

fn invalid(bench: &Bench<'_>) -> Checked {
    let done = bench.writer.query("SELEKT 1", &[]).err();
    case("a statement that is none", done.as_ref(), is_invalid)?;
    let done = bench.writer.execute("UPDATE", &[]).err();
    case("half a statement", done.as_ref(), is_invalid)?;
    bench.words("here", &[(Some(1), "one", 1)])?;
    let done = bench.writer.query(&format!("SELECT colour FROM {}", bench.name("here")), &[]).err();
    case("a column that is not there", done.as_ref(), |failure| matches!(failure, Failure::Invalid(_)))
}

fn missing(bench: &Bench<'_>) -> Checked {
    let nowhere = bench.name("nowhere");
    let done = bench.writer.query(&format!("SELECT 1 FROM {nowhere}"), &[]).err();
    case("reading what is not there", done.as_ref(), |failure| matches!(failure, Failure::Invalid(_)))?;
    let done = bench.writer.execute(&format!("DELETE FROM {nowhere}"), &[]).err();
    case("changing what is not there", done.as_ref(), |failure| matches!(failure, Failure::Invalid(_)))
}

fn constraint(bench: &Bench<'_>) -> Checked {
    let columns = [Column::new("id", DataType::Int64).not_null()];
    bench.writer.create_table(&bench.relation("strict"), &columns)?;
    let done = bench.writer.execute(&format!("INSERT INTO {} (id) VALUES (NULL)", bench.name("strict")), &[]);
    case("NULL where it may not stand", done.err().as_ref(), |failure| {
        matches!(failure, Failure::Constraint(_))
    })
}

fn reader(bench: &Bench<'_>) -> Checked {
    bench.words("kept", &[(Some(1), "one", 1)])?;
    let name = bench.name("kept");
    let refused = |failure: &Failure| matches!(failure, Failure::Refused(_) | Failure::Permission(_));
    let done = bench.reader.execute(&format!("DELETE FROM {name}"), &[]).err();
    case("a reader's delete", done.as_ref(), refused)?;
    let done = bench.reader.drop_relation(&bench.relation("kept")).err();
    case("a reader's drop", done.as_ref(), refused)?;
    let done = bench.reader.create_table_as(&bench.relation("kept"), "SELECT 1 AS id").err();
    case("a reader's create-as", done.as_ref(), refused)?;
    same("the table", &bench.all_words("kept")?, &vec!["1|one|1".to_owned()])
}

fn nothing(bench: &Bench<'_>) -> Checked {
    bench.words("kept", &[(Some(1), "one", 1), (Some(2), "two", i64::MIN)])?;
    let name = bench.name("kept");
    let done = bench.writer.execute(&format!("UPDATE {name} SET size = abs(size) + id"), &[]);
    case("an update that fails on its second row", done.err().as_ref(), |_| true)?;
    let done = bench.writer.execute_once("late", &format!("UPDATE {name} SET size = abs(size) + id"), &[]);
    case("the same once", done.err().as_ref(), |_| true)?;
    let expected = vec!["1|one|1".to_owned(), format!("2|two|{}", i64::MIN)];
    same("the table", &bench.all_words("kept")?, &expected)
}

fn several(bench: &Bench<'_>) -> Checked {
    bench.words("kept", &[(Some(1), "one", 1)])?;
    let text = format!("UPDATE {0} SET size = 2; DELETE FROM {0}", bench.name("kept"));
    let done = bench.writer.execute(&text, &[]).err();
    case("two statements in one text", done.as_ref(), is_invalid)?;
    same("the table", &bench.all_words("kept")?, &vec!["1|one|1".to_owned()])
}

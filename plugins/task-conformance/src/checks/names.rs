//! Names that need quoting, of relations and of columns, in every call that takes one.

use cofferdam_sdk::{Column, DataType, MergeStrategy, Value};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("names-cannot-leave-their-quotes", odd),
    ("upper-and-lower-case-stay-as-they-are", case),
    ("long-names-are-kept-apart", long),
];

const ODD: [&str; 7] = ["a \"b\"", "tick`s", "it's; --", "se[le]ct", "dot.dot", "select", "ünï 表"];

fn odd(bench: &Bench<'_>) -> Checked {
    for name in ODD {
        let columns = [Column::new(name, DataType::Int64), Column::new("plain", DataType::Text)];
        let rows = [vec![Value::Int64(1), "x".into()], vec![Value::Int64(2), "y".into()]];
        bench.load(name, &columns, &rows)?;
        same("the columns", &bench.writer.describe(&bench.relation(name))?, &columns.to_vec())?;
        let copy = format!("{name} 2");
        let (column, from) = (bench.quote(name), bench.name(name));
        bench.writer.create_table_as(&bench.relation(&copy), &format!("SELECT * FROM {from}"))?;
        let key = MergeStrategy::Merge(vec![name.to_owned()]);
        let select = format!("SELECT {column}, plain FROM {from} WHERE {column} = 2");
        bench.writer.insert(&bench.relation(&copy), &select, &key)?;
        let read = bench.read(&format!("SELECT {column} FROM {} ORDER BY 1", bench.name(&copy)))?;
        same(&format!("what {copy} holds"), &read, &vec!["1".to_owned(), "2".to_owned()])?;
        bench.writer.drop_relation(&bench.relation(&copy))?;
        bench.writer.drop_relation(&bench.relation(name))?;
    }
    same("the list of relations", &bench.ours()?, &Vec::new())
}

fn case(bench: &Bench<'_>) -> Checked {
    let columns = [Column::new("MixedCase", DataType::Int64), Column::new("lower", DataType::Int64)];
    bench.load("Mixed", &columns, &[vec![1.into(), 2.into()]])?;
    let described = bench.writer.describe(&bench.relation("Mixed"))?;
    same("the columns", &described, &columns.to_vec())?;
    let found = bench.writer.find(&bench.relation("Mixed"))?.map(|info| info.relation.name);
    same("the name found", &found, &Some(bench.relation("Mixed").name))
}

/// Names as long as every engine takes them, which differ in their last letter only: what is
/// staged beside one must not be taken for the other's.
fn long(bench: &Bench<'_>) -> Checked {
    let (one, other) = (format!("{}1", "x".repeat(50)), format!("{}2", "x".repeat(50)));
    bench.words(&one, &[(Some(1), "one", 1)])?;
    bench.words(&other, &[(Some(2), "two", 2)])?;
    bench.writer.create_table_as(
        &bench.relation(&one),
        &format!("SELECT id, word, size + 1 AS size FROM {}", bench.name(&one)),
    )?;
    same("the first", &bench.all_words(&one)?, &vec!["1|one|2".to_owned()])?;
    same("the second", &bench.all_words(&other)?, &vec!["2|two|2".to_owned()])
}

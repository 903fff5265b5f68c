//! What describe, list and find say of what was made; the dialect's facts.

use cofferdam_sdk::{Column, DataType, Failure, Relation, RelationKind};

use super::Check;
use crate::{
    bench::Bench,
    report::{Checked, same, wrong},
};

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("the-dialect-quotes-as-it-says", dialect),
    ("what-was-made-is-listed-and-found", listed),
    ("what-is-not-there-is-not-found", missing),
    ("columns-are-described-in-their-order", described),
    ("rename-and-drop", renamed),
];

fn dialect(bench: &Bench<'_>) -> Checked {
    let dialect = bench.dialect();
    if dialect.name.is_empty() || dialect.default_schema.is_empty() {
        return Err(wrong(format!("the dialect says too little of itself: {dialect:?}")));
    }
    let odd = format!("a {}b", dialect.quote);
    let rows = bench.writer.query(&format!("SELECT 1 AS {}", bench.quote(&odd)), &[])?;
    same("the name of a quoted column", &rows.columns()[0].name, &odd)?;
    let bare = Relation { database: None, schema: None, name: "t".into() };
    let expected = format!("{}.{}", bench.quote(&dialect.default_schema), bench.quote("t"));
    same("a name without a schema", &bench.writer.render(&bare), &expected)
}

fn listed(bench: &Bench<'_>) -> Checked {
    bench.words("a_table", &[(Some(1), "one", 1)])?;
    bench
        .writer
        .create_view(&bench.relation("a_view"), &format!("SELECT id FROM {}", bench.name("a_table")))?;
    let expected = vec![
        (bench.relation("a_table").name, RelationKind::Table),
        (bench.relation("a_view").name, RelationKind::View),
    ];
    same("the list of relations", &bench.ours()?, &expected)?;
    for (name, kind) in [("a_table", RelationKind::Table), ("a_view", RelationKind::View)] {
        let found = bench.writer.find(&bench.relation(name))?;
        let found = found.map(|info| (info.relation.name, info.kind));
        same("what was found", &found, &Some((bench.relation(name).name, kind)))?;
    }
    Ok(())
}

fn missing(bench: &Bench<'_>) -> Checked {
    same("what was found", &bench.writer.find(&bench.relation("nowhere"))?, &None)?;
    match bench.writer.describe(&bench.relation("nowhere")) {
        Err(Failure::Invalid(_)) => {}
        other => return Err(wrong(format!("describing what is not there gives {other:?}"))),
    }
    // Dropping what is not there is no mistake.
    Ok(bench.writer.drop_relation(&bench.relation("nowhere"))?)
}

fn described(bench: &Bench<'_>) -> Checked {
    let columns = [
        Column::new("zeta", DataType::Text),
        Column::new("alpha", DataType::Int64).not_null(),
        Column::new("mid", DataType::Float64),
    ];
    bench.writer.create_table(&bench.relation("shape"), &columns)?;
    same("the description", &bench.writer.describe(&bench.relation("shape"))?, &columns.to_vec())?;
    bench
        .writer
        .create_view(&bench.relation("lens"), &format!("SELECT mid, zeta FROM {}", bench.name("shape")))?;
    let lens = bench.writer.describe(&bench.relation("lens"))?;
    let lens: Vec<_> = lens.into_iter().map(|column| (column.name, column.data_type)).collect();
    same("the view's", &lens, &vec![("mid".into(), DataType::Float64), ("zeta".into(), DataType::Text)])
}

fn renamed(bench: &Bench<'_>) -> Checked {
    bench.words("before", &[(Some(1), "one", 1)])?;
    bench.writer.rename(&bench.relation("before"), &bench.relation("after").name)?;
    same("what is left behind", &bench.writer.find(&bench.relation("before"))?, &None)?;
    same("the renamed table", &bench.all_words("after")?, &vec!["1|one|1".to_owned()])?;
    bench.writer.create_view(&bench.relation("seen"), &format!("SELECT id FROM {}", bench.name("after")))?;
    bench.writer.rename(&bench.relation("seen"), &bench.relation("seen_again").name)?;
    same(
        "the renamed view",
        &bench.read(&format!("SELECT id FROM {}", bench.name("seen_again")))?,
        &vec!["1".to_owned()],
    )?;
    bench.writer.drop_relation(&bench.relation("seen_again"))?;
    bench.writer.drop_relation(&bench.relation("after"))?;
    same("the list of relations", &bench.ours()?, &Vec::new())?;
    match bench.writer.rename(&bench.relation("before"), "conformance_other") {
        Err(Failure::Invalid(_)) => Ok(()),
        other => Err(wrong(format!("renaming what is not there gives {other:?}"))),
    }
}

//! The in-memory host does what a test told it, and says what was done.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use cofferdam_sdk::{
    Access, Argument, Column, DataType, Detail, Failure, Files, Invocation, Level, MergeStrategy, Relation,
    RelationKind, Sql, Table, Telemetry, Value, ValueRange, Warehouse, arrow, read_all, testing::MemoryHost,
};

fn number(value: i64) -> Table {
    Table::new(vec![Column::new("n", DataType::Int64)], vec![vec![value.into()]])
}

#[test]
fn files_are_listed_by_prefix_and_read_whole() {
    let host =
        MemoryHost::new().file("models/b.sql", "b").file("models/a.sql", "aa").file("seeds/a.csv", [0xff]);
    let listed: Vec<_> =
        host.list("models/").unwrap().into_iter().map(|file| (file.path, file.size)).collect();
    assert_eq!(listed, [("models/a.sql".to_owned(), 2), ("models/b.sql".to_owned(), 1)]);
    assert_eq!(host.read_text("models/a.sql").unwrap(), "aa");
    assert_eq!(
        host.read("models/c.sql").unwrap_err().to_string(),
        "CD0995: the release has no file `models/c.sql`"
    );
    assert_eq!(
        host.read_text("seeds/a.csv").unwrap_err().to_string(),
        "CD0994: seeds/a.csv:1: the file is not UTF-8 text; save it as UTF-8"
    );
}

#[test]
fn answers_come_in_turn_and_the_last_one_stays() {
    let host = MemoryHost::new().answer("select  n\nfrom t", number(1)).answer("select n from t", number(2));
    let connection = Warehouse::open(&host, "w", Access::Read).unwrap();
    let ask = || read_all(connection.query("select n from t", &[]).unwrap()).unwrap().scalar().cloned();
    assert_eq!([ask(), ask(), ask()], [Some(1.into()), Some(2.into()), Some(2.into())]);
    assert_eq!(
        connection.query("select m from t", &[]).err().unwrap().to_string(),
        "CD0995: the test scripted no rows for: select m from t"
    );
}

#[test]
fn a_scripted_failure_comes_where_it_was_scripted() {
    let busy = || Failure::Transient(Detail { code: "CD0305".into(), message: "busy".into() });
    let host =
        MemoryHost::new().fail("open w for writing", busy()).fail("create view main.v as select 1", busy());
    assert_eq!(Warehouse::open(&host, "w", Access::Write).err(), Some(busy()));
    let connection = Warehouse::open(&host, "w", Access::Admin).unwrap();
    let v = Relation::new("main", "v");
    assert_eq!(connection.create_view(&v, "select 1"), Err(busy()));
    assert_eq!(connection.find(&v).unwrap(), None);
}

#[test]
fn relations_come_and_go_with_the_calls() {
    let host = MemoryHost::new().relation(
        Relation::new("raw", "orders"),
        RelationKind::Table,
        vec![Column::new("id", DataType::Int64)],
    );
    let connection = Warehouse::open(&host, "w", Access::Write).unwrap();
    let (orders, bills) = (Relation::new("raw", "orders"), Relation::new("raw", "bills"));
    assert_eq!(connection.describe(&orders).unwrap().len(), 1);
    connection.rename(&orders, "bills").unwrap();
    assert!(connection.describe(&orders).is_err());
    connection.insert(&bills, "select 1 as id", &MergeStrategy::Merge(vec!["id".into()])).unwrap();
    let within = ValueRange { column: "id".into(), start: 1.into(), end: 9.into() };
    connection.replace_range(&bills, "select 2 as id", &within).unwrap();
    connection.drop_relation(&bills).unwrap();
    assert!(connection.list_relations("raw").unwrap().is_empty());
    assert_eq!(
        host.done(),
        [
            "open w for writing",
            "rename raw.orders to bills",
            "insert into raw.bills (merge on id) select 1 as id",
            "replace id of raw.bills with select 2 as id -- 1, 9",
            "drop raw.bills",
        ]
    );
}

#[test]
fn a_load_counts_when_it_is_finished_and_not_before() {
    let host = MemoryHost::new();
    let connection = Warehouse::open(&host, "w", Access::Write).unwrap();
    let (t, columns) = (Relation::new("main", "t"), [Column::new("word", DataType::Text).not_null()]);
    let frames = arrow::frames(&arrow::batch(&columns, &[vec!["x".into()]]).unwrap()).unwrap();
    let mut dropped = connection.load(&t, &columns).unwrap();
    dropped.write(&frames[0]).unwrap();
    drop(dropped);
    assert_eq!(connection.find(&t).unwrap(), None);

    let mut load = connection.load(&t, &columns).unwrap();
    frames.iter().for_each(|frame| load.write(frame).unwrap());
    assert_eq!(load.finish().unwrap(), 1);
    assert_eq!(connection.describe(&t).unwrap(), columns);
    assert_eq!(host.done()[2..], ["load main.t (word text not null)", "load main.t: row -- 'x'"]);
}

#[test]
fn a_session_of_an_adapter_is_recorded_alike() {
    let host = MemoryHost::new().answer_count("delete from t where a = ?", 4);
    let session = Sql::open(&host, "w", Access::Write).unwrap();
    session.begin().unwrap();
    assert_eq!(session.execute("delete from t where a = ?", &[Value::Null]).unwrap(), 4);
    session.rollback().unwrap();
    assert_eq!(host.done(), ["open w for writing", "begin", "delete from t where a = ? -- NULL", "rollback"]);
}

#[test]
fn the_log_and_the_progress_are_kept() {
    let host = MemoryHost::new();
    host.context().telemetry.log(Level::Warn, "slow");
    host.progress(1, 2);
    assert_eq!((host.log_lines(), host.last_progress()), (vec![(Level::Warn, "slow".into())], Some((1, 2))));
}

#[test]
fn settings_and_arguments_are_read_as_the_type_asked_for() {
    let invocation = Invocation {
        task: "t".into(),
        settings: vec![Argument::new("tags", &["a", "b"]).unwrap()],
        arguments: vec![
            Argument { name: "full".into(), json: "true".into() },
            Argument { name: "x".into(), json: "{".into() },
        ],
        ..Invocation::default()
    };
    assert_eq!(invocation.setting::<Vec<String>>("tags").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(invocation.setting::<bool>("full").unwrap(), None);
    assert_eq!(invocation.argument::<bool>("full").unwrap(), Some(true));
    let says = |failure: cofferdam_sdk::TaskFailure| failure.to_string();
    assert_eq!(
        says(invocation.setting::<u64>("tags").unwrap_err()),
        "CD0993: setting `tags`: invalid type: sequence, expected u64 at line 1 column 0"
    );
    assert!(says(invocation.argument::<u64>("x").unwrap_err()).starts_with("CD0993: argument `x`: "));
    assert_eq!(
        says(invocation.required_setting::<u64>("none").unwrap_err()),
        "CD0993: task `t` has no setting `none`; add it to the task in the project"
    );
    assert_eq!(
        says(invocation.required_gateway().unwrap_err()),
        "CD0993: task `t` has no gateway; name one in the project"
    );
}

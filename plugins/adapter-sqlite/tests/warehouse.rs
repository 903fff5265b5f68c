//! The adapter on a real SQLite: what comes in, what stands there afterwards, what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod host;

use cofferdam_adapter_sqlite::Sqlite;
use cofferdam_sdk::{
    Access, Adapter, Column, Connection, DataType, Failure, MergeStrategy, Relation, RelationKind, Value,
    ValueRange, adapter::SqlConnection, arrow, read_all,
};
use host::Database;

fn connect(database: &Database) -> SqlConnection {
    Sqlite::open(database, "warehouse", Access::Write).unwrap()
}

fn orders() -> Relation {
    Relation::new("marts", "orders")
}

/// `marts.orders` with two rows.
fn with_orders() -> (Database, SqlConnection) {
    let database = Database::new();
    database.setup(
        "CREATE TABLE marts.orders (id INTEGER, day DATE, amount DECIMAL(10, 2));
         INSERT INTO marts.orders VALUES (1, '2024-01-01', 10), (2, '2024-01-02', 20.5);",
    );
    let connection = connect(&database);
    (database, connection)
}

fn all_orders(database: &Database) -> String {
    database.text("SELECT * FROM marts.orders ORDER BY id, day, amount")
}

fn message(failure: &Failure) -> String {
    failure.to_string()
}

#[test]
fn a_schema_the_gateway_declares_is_there_and_another_is_not() {
    let (_database, connection) = with_orders();
    connection.ensure_schema("marts").unwrap();
    connection.ensure_schema("MAIN").unwrap();
    insta::assert_snapshot!(
        message(&connection.ensure_schema("attic").unwrap_err()),
        @"CD0970: the gateway declares no schema `attic`; the operator adds it to the gateway's `schemas`"
    );
    assert!(connection.ensure_schema("temp").is_err());
}

#[test]
fn tables_and_views_are_listed_by_name_without_sqlites_own() {
    let (database, connection) = with_orders();
    database.setup(
        "CREATE VIEW marts.all_orders AS SELECT * FROM orders;
         CREATE TABLE marts.keyed (id INTEGER PRIMARY KEY AUTOINCREMENT);",
    );
    let listed: Vec<_> = connection
        .list_relations("marts")
        .unwrap()
        .into_iter()
        .map(|info| (info.relation.to_string(), info.kind))
        .collect();
    assert_eq!(
        listed,
        [
            ("marts.all_orders".to_owned(), RelationKind::View),
            ("marts.keyed".to_owned(), RelationKind::Table),
            ("marts.orders".to_owned(), RelationKind::Table),
        ]
    );
    assert!(connection.list_relations("staging").unwrap().is_empty());
    assert!(connection.list_relations("attic").is_err());
    assert_eq!(
        connection.find(&Relation::new("marts", "ALL_ORDERS")).unwrap().unwrap().kind,
        RelationKind::View
    );
    assert_eq!(connection.find(&Relation::new("staging", "orders")).unwrap(), None);
}

#[test]
fn every_type_comes_back_from_a_table_made_of_it() {
    let database = Database::new();
    let connection = connect(&database);
    let columns: Vec<_> = [
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Decimal { precision: 12, scale: 3 },
        DataType::Text,
        DataType::Bytes,
        DataType::Date,
        DataType::Time,
        DataType::Timestamp,
        DataType::TimestampUtc,
        DataType::Json,
        DataType::Other("UUID".into()),
        DataType::Other(String::new()),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, of)| Column { name: format!("c {index}"), data_type: of, nullable: index % 2 == 0 })
    .collect();
    let kinds = Relation::new("staging", "kinds \"of\" it");
    connection.create_table(&kinds, &columns).unwrap();
    assert_eq!(connection.describe(&kinds).unwrap(), columns);
    insta::assert_snapshot!(
        message(&connection.describe(&Relation::new("staging", "nothing")).unwrap_err()),
        @"CD0971: there is no table or view staging.nothing"
    );
}

#[test]
fn rows_of_every_type_come_back_from_a_load() {
    let database = Database::new();
    let connection = connect(&database);
    let columns = vec![
        Column::new("truth", DataType::Boolean),
        Column::new("whole", DataType::Int64).not_null(),
        Column::new("real", DataType::Float64),
        Column::new("exact", DataType::Decimal { precision: 10, scale: 2 }),
        Column::new("words", DataType::Text),
        Column::new("raw", DataType::Bytes),
        Column::new("day", DataType::Date),
        Column::new("clock", DataType::Time),
        Column::new("local", DataType::Timestamp),
        Column::new("moment", DataType::TimestampUtc),
        Column::new("document", DataType::Json),
    ];
    let row: Vec<Value> = vec![
        true.into(),
        i64::MIN.into(),
        1.5.into(),
        "12.25".into(),
        "it's".into(),
        vec![0_u8, 255].into(),
        "2024-02-29".into(),
        "23:59:59.000001".into(),
        "2024-02-29 12:00:00".into(),
        "2024-02-29 12:00:00Z".into(),
        "{\"a\":[1]}".into(),
    ];
    let mut empty = vec![Value::Null; columns.len()];
    empty[1] = 0.into();
    let rows = vec![row, empty];
    let kinds = Relation::new("staging", "kinds");
    let mut loader = connection.load(&kinds, &columns).unwrap();
    for frame in arrow::frames(&arrow::batch(&columns, &rows).unwrap()).unwrap() {
        loader.write(&frame).unwrap();
    }
    assert_eq!(loader.finish().unwrap(), 2);

    let table = read_all(connection.query("SELECT * FROM staging.kinds", &[]).unwrap()).unwrap();
    assert_eq!(table.rows, rows);
    assert_eq!(connection.describe(&kinds).unwrap(), columns);
    assert_eq!(database.relations(), "staging.kinds");
}

#[test]
fn a_load_that_is_dropped_or_fails_leaves_the_table_as_it_was() {
    let (database, connection) = with_orders();
    let columns = [Column::new("id", DataType::Int64).not_null()];
    let frames = arrow::frames(&arrow::batch(&columns, &[vec![9.into()]]).unwrap()).unwrap();
    let before = all_orders(&database);

    let mut loader = connection.load(&orders(), &columns).unwrap();
    for frame in &frames {
        loader.write(frame).unwrap();
    }
    assert!(connection.create_table_as(&orders(), "SELECT 1").is_err(), "a load is under way");
    drop(loader);
    assert_eq!((all_orders(&database), database.relations()), (before.clone(), "marts.orders".into()));

    let mut loader = connection.load(&orders(), &columns).unwrap();
    assert!(loader.write(b"no frame").is_err());
    drop(loader);
    assert_eq!((all_orders(&database), database.relations()), (before, "marts.orders".into()));

    // The connection works on.
    assert_eq!(connection.create_table_as(&orders(), "SELECT 1 AS id").unwrap(), 1);
}

#[test]
fn a_table_is_made_and_replaced_even_by_what_it_holds() {
    let (database, connection) = with_orders();
    assert_eq!(
        connection
            .create_table_as(&orders(), "SELECT id + 10 AS id, day, 0 AS amount FROM marts.orders;")
            .unwrap(),
        2
    );
    assert_eq!(all_orders(&database), "11|2024-01-01|0; 12|2024-01-02|0");
    assert_eq!(database.relations(), "marts.orders");
    let days = Relation::new("staging", "days");
    assert_eq!(
        connection
            .create_table_as(&days, "WITH d AS (SELECT day FROM marts.orders) SELECT * FROM d -- all")
            .unwrap(),
        2
    );
    assert_eq!(connection.describe(&days).unwrap(), [Column::new("day", DataType::Date)]);
}

#[test]
fn a_table_made_of_a_select_keeps_the_types_the_select_reads() {
    let (_database, connection) = with_orders();
    let made = Relation::new("staging", "made");
    let select = "SELECT id, day, amount, amount * 2 AS twice, count(*) AS n, 'x' AS word FROM marts.orders GROUP BY 1";
    connection.create_table_as(&made, select).unwrap();
    let columns = connection.describe(&made).unwrap();
    let kept: Vec<_> = columns.iter().take(3).map(|column| column.data_type.clone()).collect();
    assert_eq!(kept, [DataType::Int64, DataType::Date, DataType::Decimal { precision: 10, scale: 2 }]);
    // Computed values keep what they are.
    let table =
        read_all(connection.query("SELECT twice, n, word FROM staging.made ORDER BY id", &[]).unwrap())
            .unwrap();
    assert_eq!(table.rows[1], [41.0.into(), 1.into(), "x".into()]);
}

#[test]
fn a_table_that_views_read_is_replaced_and_the_views_stay() {
    let (database, connection) = with_orders();
    database.setup(
        "CREATE VIEW marts.big AS SELECT * FROM orders WHERE amount > 15;
         CREATE VIEW marts.dangling AS SELECT * FROM gone;",
    );
    assert_eq!(
        connection
            .create_table_as(&orders(), "SELECT id, day, amount * 2 AS amount FROM marts.orders")
            .unwrap(),
        2
    );
    assert_eq!(database.text("SELECT id, amount FROM marts.big ORDER BY 1"), "1|20; 2|41.0");
    assert_eq!(database.relations(), "marts.big; marts.dangling; marts.orders");
    assert_eq!(connection.describe(&orders()).unwrap()[1].data_type, DataType::Date);
}

#[test]
fn a_select_that_fails_leaves_the_old_table() {
    let (database, connection) = with_orders();
    let before = all_orders(&database);
    for select in ["SELECT nothing FROM marts.orders", "SELECT FROM", "SELECT 1; DROP TABLE marts.orders", ""]
    {
        assert!(connection.create_table_as(&orders(), select).is_err(), "{select}");
        assert!(connection.create_view(&orders(), select).is_err(), "{select}");
        assert!(connection.insert(&orders(), select, &MergeStrategy::Append).is_err(), "{select}");
        assert_eq!(
            (all_orders(&database), database.relations()),
            (before.clone(), "marts.orders".into()),
            "{select}"
        );
    }
}

#[test]
fn tables_and_views_take_each_others_place() {
    let (database, connection) = with_orders();
    let view = Relation::new("marts", "latest");
    connection.create_view(&view, "SELECT max(id) AS id FROM marts.orders -- the last").unwrap();
    assert_eq!(connection.find(&view).unwrap().unwrap().kind, RelationKind::View);
    connection.create_view(&view, "SELECT min(id) AS id FROM marts.orders").unwrap();
    assert_eq!(database.text("SELECT * FROM marts.latest"), "1");
    assert_eq!(connection.create_table_as(&view, "SELECT id FROM marts.latest").unwrap(), 1);
    assert_eq!(connection.find(&view).unwrap().unwrap().kind, RelationKind::Table);
    connection.create_view(&view, "SELECT 7 AS id").unwrap();
    assert_eq!(database.text("SELECT * FROM marts.latest"), "7");
    assert_eq!(database.relations(), "marts.latest; marts.orders");
}

#[test]
fn relations_are_renamed_and_dropped_whatever_they_are() {
    let (database, connection) = with_orders();
    connection.create_view(&Relation::new("marts", "v"), "SELECT id FROM marts.orders").unwrap();
    connection.rename(&Relation::new("marts", "v"), "w").unwrap();
    assert_eq!(database.text("SELECT count(*) FROM marts.w"), "2");
    connection.rename(&orders(), "invoices").unwrap();
    assert_eq!(database.text("SELECT count(*) FROM marts.w"), "2");
    assert_eq!(database.relations(), "marts.invoices; marts.w");
    assert!(connection.rename(&orders(), "again").is_err());

    connection.drop_relation(&Relation::new("marts", "w")).unwrap();
    connection.drop_relation(&Relation::new("marts", "invoices")).unwrap();
    connection.drop_relation(&Relation::new("marts", "invoices")).unwrap();
    assert_eq!(database.relations(), "");
}

#[test]
fn appended_rows_are_matched_by_name() {
    let (database, connection) = with_orders();
    let select = "SELECT '2024-01-03' AS DAY, 3 AS Id";
    assert_eq!(connection.insert(&orders(), select, &MergeStrategy::Append).unwrap(), 1);
    assert_eq!(all_orders(&database), "1|2024-01-01|10; 2|2024-01-02|20.5; 3|2024-01-03|NULL");
    insta::assert_snapshot!(
        message(&connection.insert(&orders(), "SELECT 1 AS id, 2 AS colour", &MergeStrategy::Append).unwrap_err()),
        @"CD0972: the select gives `colour`, which marts.orders does not have; it has id, day, amount"
    );
    insta::assert_snapshot!(
        message(&connection.insert(&orders(), "SELECT 1 AS id, 2 AS ID", &MergeStrategy::Append).unwrap_err()),
        @"CD0972: the select gives `ID:1`, which marts.orders does not have; it has id, day, amount"
    );
    insta::assert_snapshot!(
        message(&connection.insert(&Relation::new("marts", "gone"), "SELECT 1 AS id", &MergeStrategy::Append).unwrap_err()),
        @"CD0971: there is no table or view marts.gone"
    );
}

#[test]
fn delete_insert_replaces_rows_of_the_same_key() {
    let (database, connection) = with_orders();
    let key = MergeStrategy::DeleteInsert(vec!["ID".into(), "day".into()]);
    // The key compares as in the target: the text '2' is the number 2 there.
    let select = "SELECT '2' AS id, day, amount + 1 AS amount FROM marts.orders WHERE id = 2 \
                  UNION ALL SELECT 2, '2024-02-02', 5 UNION ALL SELECT NULL, '2024-02-03', 6";
    assert_eq!(connection.insert(&orders(), select, &key).unwrap(), 3);
    assert_eq!(
        all_orders(&database),
        "NULL|2024-02-03|6; 1|2024-01-01|10; 2|2024-01-02|21.5; 2|2024-02-02|5"
    );
    assert_eq!(database.relations(), "marts.orders");
}

#[test]
fn a_merge_updates_known_keys_and_adds_the_others() {
    let (database, connection) = with_orders();
    let key = MergeStrategy::Merge(vec!["id".into()]);
    let select = "SELECT id, amount * 2 AS amount FROM marts.orders WHERE id = 2 \
                  UNION ALL SELECT 3, 30 UNION ALL SELECT NULL, 1 UNION ALL SELECT NULL, 2";
    assert_eq!(connection.insert(&orders(), select, &key).unwrap(), 4);
    assert_eq!(
        all_orders(&database),
        "NULL|NULL|1; NULL|NULL|2; 1|2024-01-01|10; 2|2024-01-02|41; 3|NULL|30"
    );
    // A key alone has nothing to update.
    assert_eq!(connection.insert(&orders(), "SELECT 1 AS id UNION ALL SELECT 4", &key).unwrap(), 2);
    assert_eq!(database.text("SELECT count(*) FROM marts.orders"), "6");
    assert_eq!(database.relations(), "marts.orders");
}

#[test]
fn a_merge_that_cannot_be_decided_changes_nothing() {
    let (database, connection) = with_orders();
    let before = all_orders(&database);
    let merge = |key: &[&str], select: &str| {
        let key = MergeStrategy::Merge(key.iter().map(ToString::to_string).collect());
        message(&connection.insert(&orders(), select, &key).unwrap_err())
    };
    insta::assert_snapshot!(
        merge(&["id"], "SELECT 1 AS id, 5 AS amount UNION ALL SELECT 1, 6"),
        @"CD0973: 1 values of the key (id) stand in more than one of the new rows of marts.orders; make the select give each once"
    );
    insta::assert_snapshot!(
        merge(&["colour"], "SELECT 1 AS id"),
        @"CD0973: the select for marts.orders gives no column `colour` of its key"
    );
    insta::assert_snapshot!(merge(&[], "SELECT 1 AS id"), @"CD0973: the key of marts.orders names no column");
    assert_eq!((all_orders(&database), database.relations()), (before, "marts.orders".into()));
}

#[test]
fn rows_that_break_a_constraint_undo_the_whole_insert() {
    let database = Database::new();
    database
        .setup("CREATE TABLE main.t (id INTEGER UNIQUE, v TEXT NOT NULL); INSERT INTO t VALUES (1, 'a');");
    let connection = connect(&database);
    let t = Relation { database: None, schema: None, name: "t".into() };
    for strategy in [
        MergeStrategy::Append,
        MergeStrategy::DeleteInsert(vec!["id".into()]),
        MergeStrategy::Merge(vec!["id".into()]),
    ] {
        let select = "SELECT 1 AS id, 'b' AS v UNION ALL SELECT 2, NULL";
        let failure = connection.insert(&t, select, &strategy).unwrap_err();
        assert!(matches!(failure, Failure::Constraint(_)), "{failure}");
        assert_eq!(database.text("SELECT * FROM t"), "1|a", "{strategy:?}");
        assert_eq!(database.relations().matches("__cofferdam").count(), 0);
    }
}

#[test]
fn a_range_is_replaced_and_what_lies_outside_stays() {
    let (database, connection) = with_orders();
    let january =
        |start: &str, end: &str| ValueRange { column: "day".into(), start: start.into(), end: end.into() };
    let within = january("2024-01-02", "2024-01-04");
    let select = "SELECT 5 AS id, '2024-01-02' AS day UNION ALL SELECT 6, '2024-01-03'";
    assert_eq!(connection.replace_range(&orders(), select, &within).unwrap(), 2);
    assert_eq!(all_orders(&database), "1|2024-01-01|10; 5|2024-01-02|NULL; 6|2024-01-03|NULL");

    let before = all_orders(&database);
    let select = "SELECT 7 AS id, '2024-01-04' AS day UNION ALL SELECT 8, NULL";
    insta::assert_snapshot!(
        message(&connection.replace_range(&orders(), select, &within).unwrap_err()),
        @"CD0974: 2 of the new rows of marts.orders lie outside the range of `day` they are to replace; filter the select by the same range"
    );
    assert_eq!((all_orders(&database), database.relations()), (before, "marts.orders".into()));
}

#[test]
fn a_database_part_is_refused_before_anything_is_run() {
    let (database, connection) = with_orders();
    let elsewhere = Relation { database: Some("prod".into()), ..orders() };
    assert!(connection.find(&elsewhere).is_err());
    assert!(connection.create_table_as(&elsewhere, "SELECT 1").is_err());
    assert!(connection.drop_relation(&elsewhere).is_err());
    assert_eq!(database.statements.borrow().len(), 0);
}

#[test]
fn a_name_cannot_leave_its_quotes() {
    let (database, connection) = with_orders();
    let nasty = Relation::new("marts", "x\"; DROP TABLE orders; --");
    connection.create_table_as(&nasty, "SELECT 1 AS \"a\"\"b\"").unwrap();
    connection.insert(&nasty, "SELECT 1 AS \"a\"\"b\"", &MergeStrategy::Merge(vec!["a\"b".into()])).unwrap();
    connection.drop_relation(&nasty).unwrap();
    assert_eq!(database.relations(), "marts.orders");
    assert_eq!(connection.render(&nasty), "\"marts\".\"x\"\"; DROP TABLE orders; --\"");
}

#[test]
fn what_is_done_between_begin_and_commit_is_one_transaction() {
    let (database, connection) = with_orders();
    connection.begin().unwrap();
    connection.create_table_as(&orders(), "SELECT id FROM marts.orders").unwrap();
    connection.insert(&orders(), "SELECT 7 AS id", &MergeStrategy::Append).unwrap();
    connection.insert(&orders(), "SELECT 7 AS id", &MergeStrategy::Merge(vec!["id".into()])).unwrap();
    connection.create_view(&Relation::new("marts", "v"), "SELECT id FROM marts.orders").unwrap();
    connection.rollback().unwrap();
    assert_eq!(all_orders(&database), "1|2024-01-01|10; 2|2024-01-02|20.5");
    assert_eq!(connection.find(&Relation::new("marts", "v")).unwrap(), None);

    connection.begin().unwrap();
    connection.execute("DELETE FROM marts.orders WHERE id = ?", &[1.into()]).unwrap();
    connection.insert(&orders(), "SELECT 3 AS id", &MergeStrategy::Append).unwrap();
    assert!(connection.commit_once("nightly").unwrap());
    assert_eq!(database.text("SELECT id FROM marts.orders ORDER BY id"), "2; 3");

    connection.begin().unwrap();
    connection.insert(&orders(), "SELECT 4 AS id", &MergeStrategy::Append).unwrap();
    assert!(!connection.commit_once("nightly").unwrap(), "an earlier attempt has done it");
    assert_eq!(database.text("SELECT id FROM marts.orders ORDER BY id"), "2; 3");
}

#[test]
fn a_transaction_out_of_turn_is_refused_and_a_broken_one_undone() {
    let (database, connection) = with_orders();
    insta::assert_snapshot!(
        message(&connection.commit().unwrap_err()),
        @"CD0979: no transaction is open; begin one first"
    );
    assert!(matches!(connection.rollback(), Err(Failure::Invalid(_))));
    connection.begin().unwrap();
    insta::assert_snapshot!(
        message(&connection.begin().unwrap_err()),
        @"CD0979: a transaction is open already; commit it or roll it back first"
    );
    connection.execute("DELETE FROM marts.orders", &[]).unwrap();
    let twice = "SELECT 1 AS id UNION ALL SELECT 1";
    assert!(connection.insert(&orders(), twice, &MergeStrategy::Merge(vec!["id".into()])).is_err());
    insta::assert_snapshot!(
        message(&connection.commit().unwrap_err()),
        @"CD0979: a step of the transaction was broken off, so all of it was undone; roll back where a step fails"
    );
    assert_eq!(all_orders(&database), "1|2024-01-01|10; 2|2024-01-02|20.5");
    connection.begin().unwrap();
    connection.commit().unwrap();
}

#[test]
fn columns_are_told_with_the_types_the_table_declares() {
    let (_database, connection) = with_orders();
    let declared = connection.column_types(&orders()).unwrap();
    let declared: Vec<_> =
        declared.iter().map(|column| format!("{} {}", column.name, column.declared)).collect();
    assert_eq!(declared, ["id INTEGER", "day DATE", "amount DECIMAL(10, 2)"]);
    assert!(connection.column_types(&Relation::new("marts", "none")).is_err());
}

#[test]
fn rows_are_added_to_a_table_that_is_there_and_to_no_other() {
    let (database, connection) = with_orders();
    let columns = [Column::new("id", DataType::Int64), Column::new("day", DataType::Text)];
    let rows = arrow::batch(&columns, &[vec![3.into(), "2024-01-03".into()]]).unwrap();
    connection.begin().unwrap();
    let mut load = connection.load_into(&orders(), &columns).unwrap();
    for frame in arrow::frames(&rows).unwrap() {
        load.write(&frame).unwrap();
    }
    assert_eq!(load.finish().unwrap(), 1);
    connection.commit().unwrap();
    assert_eq!(all_orders(&database), "1|2024-01-01|10; 2|2024-01-02|20.5; 3|2024-01-03|NULL");
    let nowhere = connection.load_into(&Relation::new("marts", "none"), &columns);
    let refused = nowhere.and_then(|mut load| {
        arrow::frames(&rows)?.iter().try_for_each(|frame| load.write(frame))?;
        load.finish()
    });
    assert!(matches!(refused, Err(Failure::Invalid(_))));
}

//! Admission and decisions: every allowed thing has a refused twin.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cofferdam_bundle::statement::{Request, SqlMode, TaskLimits};
use cofferdam_call::{Access, Call, Confinement, Handle, Interface, LogLevel};
use cofferdam_grants::{
    Admission, Ask, Decision, Dialect, GrantRefused, GrantSet, SessionFacts, Subject, explain, parse,
    read_statement,
};
use cofferdam_ids::{Explain as _, GatewayName, Role, Sha256Digest, TaskId, Timestamp};

const PROJECT: [u8; 32] = [1; 32];
const PLUGIN: [u8; 32] = [2; 32];

fn grant_text() -> String {
    format!(
        r#"grant_format = 1
id = "shop"
owner = "dba"
expires = 2027-03-31
require_confinement = ["seccomp"]
[subject]
project = "{}"
tasks = ["model.shop.*"]
plugins = ["{}"]
roles = ["run"]
[[sql]]
gateway = "wh"
mode = "write"
reads = ["raw.*"]
writes = ["marts.*"]
max_rows = 100
[[files]]
prefixes = ["models/"]
[telemetry]
log = true
[report]
to_scheduler = ["state", "duration_s"]
[limits]
wall_ms = 60000
"#,
        Sha256Digest::from_bytes(PROJECT).prefixed(),
        Sha256Digest::from_bytes(PLUGIN).prefixed()
    )
}

fn set(texts: &[String]) -> GrantSet {
    let files = texts.iter().enumerate().map(|(i, t)| parse(&format!("grants/{i}.toml"), t).unwrap());
    GrantSet::from_files(files.collect()).unwrap()
}

fn now() -> Timestamp {
    "2026-11-21T06:00:00Z".parse().unwrap()
}

fn confined() -> Confinement {
    Confinement { landlock_abi: 7, seccomp: true, rlimits: true, no_network: true }
}

fn sql(mode: SqlMode, reads: &[&str], writes: &[&str]) -> Request {
    let owned = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
    Request::Sql { gateway: "wh".parse().unwrap(), mode, reads: owned(reads), writes: owned(writes) }
}

fn requests() -> Vec<Request> {
    vec![
        sql(SqlMode::Write, &["raw.*"], &["marts.orders"]),
        Request::Files { prefixes: vec!["models/shop/".into()] },
        Request::Telemetry {},
    ]
}

fn task(text: &str) -> TaskId {
    text.parse().unwrap()
}

fn admit_as(
    grants: &GrantSet,
    change: impl FnOnce(&mut Subject<'_>, &mut Vec<Request>, &mut Confinement, &mut Timestamp),
) -> Result<Admission, GrantRefused> {
    let (id, plugins) = (task("model.shop.orders"), [Sha256Digest::from_bytes(PLUGIN)]);
    let mut subject =
        Subject { project: Sha256Digest::from_bytes(PROJECT), task: &id, role: Role::Run, plugins: &plugins };
    let (mut asked, mut confinement, mut at) = (requests(), confined(), now());
    change(&mut subject, &mut asked, &mut confinement, &mut at);
    grants.admit(&subject, &asked, &TaskLimits::default(), &confinement, at)
}

fn admission() -> Admission {
    admit_as(&set(&[grant_text()]), |_, _, _, _| {}).unwrap()
}

#[test]
fn a_task_whose_every_request_is_covered_is_admitted() {
    let admission = admission();
    assert_eq!(
        admission.interfaces(),
        [Interface::Warehouse, Interface::Sql, Interface::ReleaseFiles, Interface::Telemetry]
    );
    assert_eq!(admission.limits().wall_ms, 60_000, "the grant's limit is the lesser");
    assert_eq!(admission.limits().memory_bytes, TaskLimits::default().mem_bytes);
    assert_eq!(admission.report_fields().len(), 1);
    let facts = admission.facts();
    assert_eq!((facts.grants[0].line, facts.sql[0].grant.line), (6, 11));
}

#[test]
fn a_subject_that_differs_in_any_part_is_refused() {
    let grants = set(&[grant_text()]);
    let other = Sha256Digest::of(b"other");
    let (other_task, two) = (task("model.other.x"), [Sha256Digest::from_bytes(PLUGIN), other]);
    let refused = |result: Result<Admission, GrantRefused>| {
        let refused = result.unwrap_err();
        assert_eq!(refused.code().0, 210);
        refused.to_string()
    };
    assert!(refused(admit_as(&grants, |s, _, _, _| s.project = other)).contains("is for project"));
    assert!(refused(admit_as(&grants, |s, _, _, _| s.role = Role::Apply)).contains("role `apply`"));
    assert!(
        refused(admit_as(&grants, |_, _, _, at| *at = "2027-04-01T00:00:00Z".parse().unwrap()))
            .contains("expired")
    );
    assert!(admit_as(&grants, |_, _, _, at| *at = "2027-03-31T23:59:59Z".parse().unwrap()).is_ok());
    assert!(refused(admit_as(&set(&[]), |_, _, _, _| {})).contains("there are no grants"));
    let plugins = [Sha256Digest::from_bytes(PLUGIN)];
    let subject = Subject {
        project: Sha256Digest::from_bytes(PROJECT),
        task: &other_task,
        role: Role::Run,
        plugins: &plugins,
    };
    let result = grants.admit(&subject, &[], &TaskLimits::default(), &confined(), now());
    assert!(refused(result).contains("other tasks"));
    let right = task("model.shop.orders");
    let subject = Subject { task: &right, plugins: &two, ..subject };
    let result = grants.admit(&subject, &[], &TaskLimits::default(), &confined(), now());
    assert!(refused(result).contains("does not name plugin"));
}

#[test]
fn a_request_beyond_the_grant_is_refused_and_not_reduced() {
    let grants = set(&[grant_text()]);
    let beyond = [
        sql(SqlMode::Admin, &[], &[]),
        sql(SqlMode::Read, &["hr.salaries"], &[]),
        sql(SqlMode::Read, &["*.*"], &[]),
        sql(SqlMode::Write, &["raw.*"], &["raw.orders"]),
        sql(SqlMode::Write, &["raw.*"], &["marts.*", "raw.*"]),
        Request::Sql {
            gateway: "other".parse().unwrap(),
            mode: SqlMode::Read,
            reads: vec![],
            writes: vec![],
        },
        Request::Files { prefixes: vec![] },
        Request::Files { prefixes: vec!["models/".into(), "seeds/".into()] },
    ];
    for request in beyond {
        let refused = admit_as(&grants, |_, asked, _, _| asked.push(request.clone())).unwrap_err();
        assert_eq!(refused.code().0, 211, "{request:?}");
    }
    let odd = admit_as(&grants, |_, asked, _, _| asked.push(sql(SqlMode::Read, &["raw"], &[]))).unwrap_err();
    assert_eq!(odd.code().0, 213);
}

#[test]
fn a_demand_on_confinement_that_is_not_met_is_a_refusal() {
    let refused = admit_as(&set(&[grant_text()]), |_, _, c, _| c.seccomp = false).unwrap_err();
    assert_eq!(refused.code().0, 212);
    assert!(admit_as(&set(&[grant_text()]), |_, _, c, _| c.landlock_abi = 0).is_ok());
}

#[test]
fn rights_and_restrictions_of_matching_grants_add_up() {
    let second = grant_text()
        .replace("id = \"shop\"", "id = \"hr\"")
        .replace("raw.*", "hr.*")
        .replace("60000", "30000")
        .replace("\"duration_s\"", "\"rows_affected\"");
    let admission = admit_as(&set(&[grant_text(), second]), |_, asked, _, _| {
        asked.push(sql(SqlMode::Read, &["hr.people"], &[]));
    })
    .unwrap();
    assert_eq!(admission.limits().wall_ms, 30_000);
    assert_eq!(admission.report_fields().len(), 2);
    assert_eq!(admission.sql()[1].grant.grant.as_str(), "hr");
}

/// Decides on a statement in a session of some access.
fn statement(admission: &Admission, sql: &str, access: Access) -> Decision {
    let gateway: GatewayName = "wh".parse().unwrap();
    let session =
        SessionFacts { gateway: &gateway, access, dialect: Dialect::Sqlite, default_schema: "main" };
    let call = Call::SqlExecute { session: Handle(1), statement: sql.into(), values: vec![] };
    let reading = read_statement(sql, Dialect::Sqlite, "main");
    let ask = Ask {
        call: &call,
        session: Some(&session),
        reading: Some(&reading),
        rows_out: 0,
        signed_statement: false,
    };
    admission.decide(&ask)
}

fn code(decision: Decision) -> u16 {
    match decision {
        Decision::Allow(_) => 0,
        Decision::Refuse { refusal, .. } => refusal.code.0,
    }
}

fn call(admission: &Admission, call: &Call, session: Option<Access>, rows_out: u64) -> u16 {
    let gateway: GatewayName = "wh".parse().unwrap();
    let session = session.map(|access| SessionFacts {
        gateway: &gateway,
        access,
        dialect: Dialect::Sqlite,
        default_schema: "main",
    });
    let ask = Ask { call, session: session.as_ref(), reading: None, rows_out, signed_statement: false };
    code(admission.decide(&ask))
}

#[test]
fn statements_are_held_to_the_request_not_to_the_wider_grant() {
    let admission = admission();
    for (expected, sql) in [
        (0, "select * from raw.orders"),
        (0, "select * from RAW.Orders join marts.orders using (id)"),
        (0, "insert into marts.orders select * from raw.orders"),
        (0, "drop table marts.orders"),
        (0, "select name from sqlite_schema"),
        (0, "select 1"),
        (224, "insert into marts.items select * from raw.orders"),
        (224, "insert into raw.orders values (1)"),
        (224, "alter table marts.orders rename to items"),
        (222, "select * from hr.salaries"),
        (222, "select * from orders"),
        (222, "insert into marts.orders select * from hr.salaries"),
        (222, "select 1 from raw.orders order by (select v from hr.salaries)"),
        (230, "select 1; select 2"),
        (231, "pragma writable_schema = 1"),
        (232, "select load_extension('x')"),
        (233, "delete from sqlite_schema"),
        (220, "select from from"),
    ] {
        assert_eq!(code(statement(&admission, sql, Access::Write)), expected, "{sql}");
    }
}

#[test]
fn a_session_opened_to_read_writes_nothing() {
    let admission = admission();
    assert_eq!(code(statement(&admission, "select * from raw.orders", Access::Read)), 0);
    assert_eq!(code(statement(&admission, "insert into marts.orders select 1", Access::Read)), 223);
    assert_eq!(call(&admission, &Call::SqlLoadFinish { load: Handle(2) }, Some(Access::Read), 0), 223);
}

#[test]
fn sessions_open_on_granted_gateways_in_granted_modes() {
    let admission = admission();
    let open = |gateway: &str, access| {
        call(&admission, &Call::SqlOpen { gateway: gateway.parse().unwrap(), access }, None, 0)
    };
    assert_eq!((open("wh", Access::Read), open("wh", Access::Write)), (0, 0));
    assert_eq!((open("wh", Access::Admin), open("other", Access::Read)), (221, 221));
}

#[test]
fn rows_are_let_out_up_to_the_limit() {
    let admission = admission();
    let next = Call::SqlNext { rows: Handle(3) };
    assert_eq!(call(&admission, &next, Some(Access::Read), 100), 0);
    assert_eq!(call(&admission, &next, Some(Access::Read), 101), 226);
    assert_eq!(call(&admission, &next, None, 0), 229);
}

#[test]
fn loads_go_where_writes_may() {
    let admission = admission();
    let load = |parts: &[&str]| {
        let table = parts.iter().map(|p| (*p).to_owned()).collect();
        call(
            &admission,
            &Call::SqlLoad { session: Handle(1), table, columns: vec![] },
            Some(Access::Write),
            0,
        )
    };
    assert_eq!(load(&["Marts", "Orders"]), 0);
    for parts in
        [&["marts", "items"][..], &["orders"], &["x", "marts", "orders"], &[], &["marts", "sqlite_schema"]]
    {
        assert_eq!(load(parts), 224, "{parts:?}");
    }
}

#[test]
fn files_are_lent_by_prefix_and_logs_by_name() {
    let admission = admission();
    let file =
        |path: &str| call(&admission, &Call::FileRead { path: path.into(), offset: 0, length: 1 }, None, 0);
    assert_eq!(file("models/shop/orders.sql"), 0);
    assert_eq!((file("models/other.sql"), file("seeds/x.csv")), (227, 227));
    assert_eq!(call(&admission, &Call::FileList { prefix: "models/shop/a".into() }, None, 0), 0);
    assert_eq!(call(&admission, &Call::FileList { prefix: "models/".into() }, None, 0), 227);
    let log = Call::Log { level: LogLevel::Info, message: "hi".into() };
    assert_eq!(call(&admission, &log, None, 0), 0);
    let silent = set(&[grant_text().replace("log = true", "log = false")]);
    let silent = admit_as(&silent, |_, asked, _, _| drop(asked.pop())).unwrap();
    assert_eq!(call(&silent, &log, None, 0), 228);
}

#[test]
fn any_skips_the_reading_and_signed_only_asks_for_a_signature() {
    let with = |rule: &str| {
        let text =
            grant_text().replace("mode = \"write\"", &format!("mode = \"write\"\nstatements = \"{rule}\""));
        admit_as(&set(&[text]), |_, _, _, _| {}).unwrap()
    };
    assert_eq!(code(statement(&with("any"), "pragma x", Access::Write)), 0);
    let signed_only = with("signed-only");
    assert_eq!(code(statement(&signed_only, "select 1", Access::Write)), 225);
    let gateway: GatewayName = "wh".parse().unwrap();
    let session = SessionFacts {
        gateway: &gateway,
        access: Access::Write,
        dialect: Dialect::Sqlite,
        default_schema: "main",
    };
    for (sql, expected) in [("select * from raw.a", 0), ("select * from hr.a", 222)] {
        let call = Call::SqlQuery { session: Handle(1), statement: sql.into(), values: vec![], ahead: 0 };
        let reading = read_statement(sql, Dialect::Sqlite, "main");
        let ask = Ask {
            call: &call,
            session: Some(&session),
            reading: Some(&reading),
            rows_out: 0,
            signed_statement: true,
        };
        assert_eq!(code(signed_only.decide(&ask)), expected);
    }
}

#[test]
fn a_statement_nobody_read_is_refused() {
    let query = Call::SqlQuery { session: Handle(1), statement: "select 1".into(), values: vec![], ahead: 0 };
    assert_eq!(call(&admission(), &query, Some(Access::Read), 0), 220);
    assert_eq!(call(&admission(), &query, None, 0), 229);
}

#[test]
fn the_engine_is_told_the_same_patterns() {
    let (admission, wh) = (admission(), "wh".parse().unwrap());
    let wall = admission.sql_wall(&wh, Access::Write);
    assert!(wall.allows_read("raw", "orders") && wall.allows_read("marts", "orders"));
    assert!(wall.allows_write("marts", "orders") && !wall.allows_write("marts", "items"));
    assert!(!admission.sql_wall(&wh, Access::Read).allows_write("marts", "orders"));
    assert!(!wall.allows_read("hr", "salaries"));
}

fn explained(grants: &GrantSet, requests: &[Request]) -> String {
    let (id, plugins) = (task("model.shop.orders"), [Sha256Digest::from_bytes(PLUGIN)]);
    let subject =
        Subject { project: Sha256Digest::from_bytes(PROJECT), task: &id, role: Role::Run, plugins: &plugins };
    explain(grants, &subject, requests, &TaskLimits::default(), &confined(), now())
}

#[test]
fn an_allowed_task_is_explained_line_by_line() {
    insta::assert_snapshot!(explained(&set(&[grant_text()]), &requests()), @r"
    model.shop.orders in role run: allowed
      grants/0.toml:6 grant `shop` of dba, until 2027-04-01T00:00:00Z
      grants/0.toml:11 allows sql write on `wh` (reads raw.*; writes marts.orders); statements parsed, at most 100 rows out
      grants/0.toml:17 allows files models/shop/
      grants/0.toml:19 allows telemetry
      within 60 s, 256 MiB of memory, 1024 KiB of log
      the scheduler may be told: duration_s
    ");
}

#[test]
fn a_refused_request_is_explained() {
    let requests = [sql(SqlMode::Read, &["hr.salaries"], &[]), Request::Telemetry {}];
    insta::assert_snapshot!(explained(&set(&[grant_text()]), &requests), @r"
    model.shop.orders in role run: refused, CD0211
      `model.shop.orders` asks for sql read on `wh` (reads hr.salaries; writes nothing), which no grant covers: grants/0.toml:11 does not grant reading `hr.salaries`
      grants/0.toml:6 grant `shop` of dba, until 2027-04-01T00:00:00Z
      refuses sql read on `wh` (reads hr.salaries; writes nothing): grants/0.toml:11 does not grant reading `hr.salaries`
      grants/0.toml:19 allows telemetry
      fix: grant sql read on `wh` (reads hr.salaries; writes nothing), if it should be allowed, or release a task that asks for less
    ");
}

#[test]
fn what_attempts_kept_is_read_where_release_and_grant_both_say_so() {
    let call = Call::ReadKept { name: "result.json".to_owned(), start: String::new(), after: None };
    let ask = Ask { call: &call, session: None, reading: None, rows_out: 0, signed_statement: false };
    let lent = set(&[grant_text().replace("log = true", "log = true\nread_kept = true")]);
    let asks = |_: &mut Subject<'_>, asked: &mut Vec<Request>, _: &mut Confinement, _: &mut Timestamp| {
        asked.push(Request::Kept {});
    };
    assert!(admit_as(&lent, asks).unwrap().decide(&ask).is_allowed());
    let silent = admit_as(&lent, |_, _, _, _| {}).unwrap();
    let Decision::Refuse { refusal, rule } = silent.decide(&ask) else { panic!("it did not ask") };
    assert_eq!((refusal.code.0, rule), (237, Some(("grants/0.toml".to_owned(), 19))));
    let refused = admit_as(&set(&[grant_text()]), asks).map(drop).unwrap_err();
    insta::assert_snapshot!(refused, @"`model.shop.orders` asks for what attempts of its run kept, which no grant covers: no `[telemetry]` says `read_kept = true`");
    let requests = [requests(), vec![Request::Kept {}]].concat();
    insta::assert_snapshot!(explained(&lent, &requests), @r"
    model.shop.orders in role run: allowed
      grants/0.toml:6 grant `shop` of dba, until 2027-04-01T00:00:00Z
      grants/0.toml:11 allows sql write on `wh` (reads raw.*; writes marts.orders); statements parsed, at most 100 rows out
      grants/0.toml:17 allows files models/shop/
      grants/0.toml:19 allows telemetry
      grants/0.toml:19 allows what attempts of its run kept
      within 60 s, 256 MiB of memory, 1024 KiB of log
      the scheduler may be told: duration_s
    ");
}

#[test]
fn a_task_nobody_granted_is_explained() {
    let other = grant_text().replace("model.shop.*", "model.hr.*");
    insta::assert_snapshot!(explained(&set(&[other]), &requests()), @r"
    model.shop.orders in role run: refused, CD0210
      no grant allows `model.shop.orders` to run here: grants/0.toml:6 names other tasks
      grants/0.toml:6 names other tasks
      fix: write a grant for `model.shop.orders`, or do not run it here
    ");
}

/// Decides on a statement of a server, whose sessions' default schema is `marts`.
fn on_server(admission: &Admission, dialect: Dialect, sql: &str, access: Access, signed: bool) -> u16 {
    let gateway: GatewayName = "wh".parse().unwrap();
    let session = SessionFacts { gateway: &gateway, access, dialect, default_schema: "marts" };
    let call = Call::SqlExecute { session: Handle(1), statement: sql.into(), values: vec![] };
    let reading = read_statement(sql, dialect, "marts");
    let ask = Ask {
        call: &call,
        session: Some(&session),
        reading: Some(&reading),
        rows_out: 0,
        signed_statement: signed,
    };
    code(admission.decide(&ask))
}

#[test]
fn a_server_s_statements_are_held_to_the_same_grants() {
    let admission = admission();
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        for (expected, sql) in [
            (0, "select * from raw.orders"),
            (0, "insert into orders select * from raw.orders"),
            (0, "select table_name from information_schema.tables"),
            (0, "drop table marts.orders"),
            (222, "select * from hr.salaries"),
            (222, "select * from items"),
            (222, "with orders as (select * from hr.salaries) select * from orders"),
            (224, "insert into raw.orders select 1"),
            (224, "alter table orders rename to items"),
            (230, "select 1; drop table marts.orders"),
            (231, "select * from raw.orders for update"),
            (232, "select lo_import('x'), load_file('x')"),
            (233, "delete from cofferdam.fence"),
            (235, "drop schema marts"),
        ] {
            assert_eq!(
                on_server(&admission, dialect, sql, Access::Write, false),
                expected,
                "{dialect:?} {sql}"
            );
        }
        let insert = "insert into marts.orders select 1";
        assert_eq!(on_server(&admission, dialect, insert, Access::Read, false), 223);
    }
    let delete = "with gone as (delete from marts.orders returning *) select * from gone";
    assert_eq!(on_server(&admission, Dialect::Postgres, delete, Access::Read, false), 223);
    let hidden = "select 1 from raw.orders /*! , hr.salaries */";
    assert_eq!(on_server(&admission, Dialect::Mysql, hidden, Access::Read, false), 234);
    let cast = "select '{a=r/b}'::aclitem[]";
    assert_eq!(on_server(&admission, Dialect::Postgres, cast, Access::Read, false), 236);
}

#[test]
fn a_server_s_names_are_held_letter_for_letter() {
    let admission = admission();
    assert_eq!(on_server(&admission, Dialect::Postgres, "select * from RAW.a", Access::Read, false), 0);
    assert_eq!(on_server(&admission, Dialect::Postgres, "select * from \"RAW\".a", Access::Read, false), 222);
    assert_eq!(on_server(&admission, Dialect::Mysql, "select * from raw.a", Access::Read, false), 0);
    assert_eq!(on_server(&admission, Dialect::Mysql, "select * from RAW.a", Access::Read, false), 222);
}

#[test]
fn a_schema_is_an_admin_s_and_only_where_all_of_it_is_granted() {
    let with = |writes: &str| {
        let text = grant_text().replace("mode = \"write\"", "mode = \"admin\"").replace("marts.*", writes);
        let asked = sql(SqlMode::Admin, &[], &[writes]);
        admit_as(&set(&[text]), |_, requests, _, _| *requests = vec![asked]).unwrap()
    };
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        for (expected, writes) in [(0, "stage.*"), (224, "stage.orders*"), (224, "marts.*")] {
            let admission = with(writes);
            assert_eq!(on_server(&admission, dialect, "create schema stage", Access::Admin, false), expected);
            assert_eq!(on_server(&admission, dialect, "create schema stage", Access::Write, false), 235);
        }
    }
}

#[test]
fn what_reaches_beyond_a_relation_needs_an_admin_s_session_or_a_word_in_the_grant() {
    let statements = [
        ("cascade", "drop table marts.orders cascade"),
        ("rights", "grant select on marts.orders to reporting"),
        ("schemas", "create schema if not exists stage"),
    ];
    for (word, statement) in statements {
        for also in ["", "\"cascade\"", "\"rights\"", "\"schemas\"", "\"cascade\", \"rights\", \"schemas\""] {
            let text = grant_text().replace(
                "writes = [\"marts.*\"]",
                &format!("writes = [\"marts.*\", \"stage.*\"]\nalso = [{also}]"),
            );
            let asked = sql(SqlMode::Write, &[], &["marts.orders", "stage.*"]);
            let admission = admit_as(&set(&[text]), |_, requests, _, _| *requests = vec![asked]).unwrap();
            let expected = if also.contains(word) { 0 } else { 235 };
            let decided = |access| on_server(&admission, Dialect::Postgres, statement, access, false);
            assert_eq!(decided(Access::Write), expected, "{statement} with {also}");
            assert_eq!(decided(Access::Read), 223, "{statement} with {also}");
            let elsewhere = statement.replace("marts.orders", "marts.items").replace("stage", "hr");
            assert_eq!(
                on_server(&admission, Dialect::Postgres, &elsewhere, Access::Write, false),
                if expected == 0 { 224 } else { 235 },
                "{elsewhere} with {also}"
            );
        }
    }
}

#[test]
fn a_temporary_relation_needs_no_grant_but_a_session_that_writes() {
    let admission = admission();
    for (expected, statement) in [
        (0, "create temporary table t as select * from raw.orders"),
        (0, "insert into pg_temp.t select * from raw.orders"),
        (0, "drop table pg_temp.t"),
        (222, "create temporary table t as select * from hr.salaries"),
        (222, "create temporary view t as select * from hr.salaries"),
        // Without its schema it may be any relation of the default schema.
        (222, "select * from t"),
        (224, "insert into t select 1"),
        (233, "drop schema pg_temp cascade"),
    ] {
        assert_eq!(
            on_server(&admission, Dialect::Postgres, statement, Access::Write, false),
            expected,
            "{statement}"
        );
    }
    let read = |sql| on_server(&admission, Dialect::Postgres, sql, Access::Read, false);
    assert_eq!((read("select * from pg_temp.t"), read("create temporary table t (a int)")), (0, 223));
    // MySQL keeps them in a database like any other table.
    let mysql = |sql| on_server(&admission, Dialect::Mysql, sql, Access::Write, false);
    assert_eq!(
        (mysql("create temporary table marts.orders (a int)"), mysql("create temporary table t (a int)")),
        (0, 224)
    );
}

#[test]
fn the_rules_on_statements_hold_for_every_dialect() {
    let with = |rule: &str| {
        let text =
            grant_text().replace("mode = \"write\"", &format!("mode = \"write\"\nstatements = \"{rule}\""));
        admit_as(&set(&[text]), |_, _, _, _| {}).unwrap()
    };
    let (signed_only, any, parsed) = (with("signed-only"), with("any"), with("parsed"));
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        let on = |admission, sql, signed| on_server(admission, dialect, sql, Access::Write, signed);
        let (granted, not_granted, not_read) = ("select * from raw.a", "select * from hr.a", "vacuum full");
        assert_eq!((on(&signed_only, granted, true), on(&signed_only, granted, false)), (0, 225));
        assert_eq!(
            (on(&signed_only, not_granted, true), on(&signed_only, not_read, true) >= 220),
            (222, true)
        );
        assert_eq!((on(&parsed, granted, false), on(&parsed, not_granted, true)), (0, 222));
        assert_eq!((on(&any, not_granted, false), on(&any, not_read, false)), (0, 0));
    }
}

#[test]
fn a_server_s_loads_go_where_writes_may() {
    let (admission, gateway): (_, GatewayName) = (admission(), "wh".parse().unwrap());
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        let session =
            SessionFacts { gateway: &gateway, access: Access::Write, dialect, default_schema: "marts" };
        let load = |parts: &[&str]| {
            let table = parts.iter().map(|p| (*p).to_owned()).collect();
            let call = Call::SqlLoad { session: Handle(1), table, columns: vec![] };
            let ask = Ask {
                call: &call,
                session: Some(&session),
                reading: None,
                rows_out: 0,
                signed_statement: false,
            };
            code(admission.decide(&ask))
        };
        assert_eq!((load(&["orders"]), load(&["marts", "orders"])), (0, 0));
        for parts in [
            &["MARTS", "orders"][..],
            &["Orders"],
            &["cofferdam", "fence"],
            &["mysql", "user"],
            &["a", "b", "c"],
        ] {
            assert_eq!(load(parts), 224, "{parts:?}");
        }
    }
}

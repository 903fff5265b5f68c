//! A connection used before is as good as new.

use cofferdam_call::Access;
use cofferdam_cap_sql::{CancelToken, SqlDriver as _};

use crate::house::{gateway_with, holder, one, open_as, query, run, server, settings, try_open, writer};

#[test]
fn the_next_tenant_finds_nothing_of_a_hostile_one() {
    let mut only = settings(server());
    only.connections = 1;
    let driver = gateway_with(only, "writer");
    run(&mut writer(), "CREATE TABLE tenant (a INT)");
    let mut first = try_open(&driver, Access::Write).unwrap();
    let id = one(&mut first, "SELECT CONNECTION_ID()");
    // All that a statement that is lent could leave behind, and more.
    for text in ["SELECT @canary := 'left'", "SELECT GET_LOCK('tenant', 0)", "SELECT LAST_INSERT_ID(4711)"] {
        query(&mut first, text);
    }
    run(&mut first, "CREATE TEMPORARY TABLE tenant_temp (a INT)");
    first.begin().unwrap();
    run(&mut first, "INSERT INTO tenant VALUES (1)");
    let (_unread, _) = first.query("SELECT seq FROM seq_1_to_10 -- left", &[]).unwrap();
    drop(first);

    let mut second = try_open(&driver, Access::Write).unwrap();
    assert_eq!(one(&mut second, "SELECT @canary"), "NULL");
    assert_eq!(one(&mut second, "SELECT IS_FREE_LOCK('tenant')"), "1");
    assert_eq!(one(&mut second, "SELECT LAST_INSERT_ID()"), "0");
    assert!(second.query("SELECT * FROM tenant_temp", &[]).is_err());
    assert_eq!(one(&mut second, "SELECT COUNT(*) FROM tenant"), "0", "the open transaction was undone");
    assert_eq!(one(&mut second, "SELECT DATABASE()"), "shop");
    assert_eq!(one(&mut second, "SELECT @@time_zone"), "+00:00");
    assert!(one(&mut second, "SELECT @@sql_mode").contains("STRICT_ALL_TABLES"));
    let again = one(&mut second, "SELECT CONNECTION_ID()");
    drop(second);
    // With rows left on the way it is a new connection; cleanly left, the same.
    assert_ne!(id, again);
    let mut third = try_open(&driver, Access::Write).unwrap();
    assert_eq!(one(&mut third, "SELECT CONNECTION_ID()"), again);
    assert_eq!(driver.pools()[0].limit, 1);
}

#[test]
fn a_statement_names_its_dispatch_in_the_warehouse() {
    let driver = gateway_with(settings(server()), "writer");
    let mut session =
        open_as(&driver, Access::Write, &CancelToken::default(), holder("named", 1, 7)).unwrap();
    let info =
        one(&mut session, "SELECT info FROM information_schema.processlist WHERE id = CONNECTION_ID()");
    assert!(info.starts_with("/* cofferdam/0a1b2c3d/00000000-0000-0000-0000-000000000007 */"), "{info}");
}

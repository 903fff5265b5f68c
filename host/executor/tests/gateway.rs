//! `cofferdam-executor gateway`: the program's words and exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use cofferdam_servers::{DATABASE, Postgres};

/// What the program says, and whether it says that all is right.
fn gateway(file: &Path, env: &[(&str, &str)], args: &[&str]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam-executor"));
    command.arg("gateway").args(args).env("COFFERDAM_GATEWAYS", file);
    let output = command.envs(env.iter().copied()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn a_warehouse_that_is_right_is_told_from_one_that_is_not() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = folder.path().join("gateways.toml");
    let settings = format!(
        "default = \"wh\"\n[gateways.wh]\nengine = \"postgres\"\nhost = \"localhost\"\nport = {}\n\
         database = \"{DATABASE}\"\nschema = \"analytics\"\nca = \"file://{}\"\n\
         [gateways.wh.read]\nuser = \"reader\"\npassword = \"env://WH_READER\"\n\
         [gateways.wh.write]\nuser = \"superuser\"\npassword = \"env://WH_SUPERUSER\"\n\
         [gateways.wh.admin]\nuser = \"admin\"\npassword = \"env://WH_NOT_SET\"\n\
         [gateways.local]\nengine = \"sqlite\"\npath = \"local.db\"\n",
        server.port(),
        server.ca_file().display(),
    );
    fs::write(&file, settings).unwrap();
    let (reader, superuser) = (Postgres::password("reader"), Postgres::password("superuser"));
    let env = [("WH_READER", reader.as_str()), ("WH_SUPERUSER", superuser.as_str())];
    let mut filtered = insta::Settings::clone_current();
    filtered.add_filter(r"\b\d+\.\d+\b( \([^)]*\))?", "[version]");
    filtered.add_filter("[0-9a-f]{64}", "[digest]");
    filtered.bind(|| {
        let (text, right) = gateway(&file, &env, &["test", "--mode", "read"]);
        insta::assert_snapshot!(text, @"");
        assert!(right);
        let (text, right) = gateway(&file, &env, &["test", "wh"]);
        insta::assert_snapshot!(text, @"");
        assert!(!right);
        assert!(!text.contains("canary"));
        let (text, right) =
            gateway(&file, &[("COFFERDAM__GATEWAYS__WH__READ__PASSWORD", "canary")], &["list"]);
        insta::assert_snapshot!(text, @"");
        assert!(right && !text.contains("canary"));
    });
    let (text, right) = gateway(&file, &[], &["test", "local", "--mode", "write"]);
    assert!(right, "{text}");
    let (text, right) = gateway(&file, &[], &["test", "other"]);
    assert_eq!((text.as_str(), right), ("no gateway `other` is set up; set up are: local, wh\n", false));
}

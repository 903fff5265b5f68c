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

/// One mode that is right, one that may do too much, one without its secret; and a SQLite file.
fn settings(server: &Postgres) -> String {
    format!(
        "default = \"wh\"\n[gateways.wh]\nengine = \"postgres\"\nhost = \"localhost\"\nport = {}\n\
         database = \"{DATABASE}\"\nschema = \"analytics\"\nca = \"file://{}\"\n\
         [gateways.wh.read]\nuser = \"reader\"\npassword = \"env://WH_READER\"\n\
         [gateways.wh.write]\nuser = \"superuser\"\npassword = \"env://WH_SUPERUSER\"\n\
         [gateways.wh.admin]\nuser = \"admin\"\npassword = \"env://WH_NOT_SET\"\n\
         [gateways.local]\nengine = \"sqlite\"\npath = \"local.db\"\n",
        server.port(),
        server.ca_file().display(),
    )
}

#[test]
fn a_warehouse_that_is_right_is_told_from_one_that_is_not() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = folder.path().join("gateways.toml");
    fs::write(&file, settings(&server)).unwrap();
    let (reader, superuser) = (Postgres::password("reader"), Postgres::password("superuser"));
    let env = [("WH_READER", reader.as_str()), ("WH_SUPERUSER", superuser.as_str())];
    let mut filtered = insta::Settings::clone_current();
    filtered.add_filter(r"\b\d+\.\d+\b( \([^)]*\))?", "[version]");
    filtered.add_filter("[0-9a-f]{64}", "[digest]");
    filtered.bind(|| {
        let (text, right) = gateway(&file, &env, &["test", "--mode", "read"]);
        insta::assert_snapshot!(text, @r"
        gateway wh (postgres), mode read
          ok     logged in to PostgreSQL [version] as `reader`
          ok     the login was proved by SCRAM-SHA-256 bound to the TLS connection
          ok     TLS with the server's certificate verified; its SHA-256 is [digest]
          ok     the role has no right that reaches beyond the database
        ");
        assert!(right);
        let (text, right) = gateway(&file, &env, &["test", "wh"]);
        insta::assert_snapshot!(text, @r"
        gateway wh (postgres), mode read
          ok     logged in to PostgreSQL [version] as `reader`
          ok     the login was proved by SCRAM-SHA-256 bound to the TLS connection
          ok     TLS with the server's certificate verified; its SHA-256 is [digest]
          ok     the role has no right that reaches beyond the database
        gateway wh (postgres), mode write
          ok     logged in to PostgreSQL [version] as `superuser`
          ok     the login was proved by SCRAM-SHA-256 bound to the TLS connection
          ok     TLS with the server's certificate verified; its SHA-256 is [digest]
          ok     the fence's table `cofferdam.fence` is made at the first write
          wrong  the role is a superuser, or can become one: sessions are refused (`superuser`)
        gateway wh (postgres), mode admin
          wrong  there is no secret at env://WH_NOT_SET; put the secret at env://WH_NOT_SET of the executor's host
        ");
        assert!(!right);
        assert!(!text.contains("canary"));
        let (text, right) =
            gateway(&file, &[("COFFERDAM__GATEWAYS__WH__READ__PASSWORD", "canary")], &["list"]);
        insta::assert_snapshot!(text, @r"
        local (sqlite: read, write, admin)
          engine               line 19 of the settings file
          path                 line 20 of the settings file
        wh (postgres: read, write, admin; default)
          ca                   line 8 of the settings file
          database             line 6 of the settings file
          engine               line 3 of the settings file
          host                 line 4 of the settings file
          port                 line 5 of the settings file
          schema               line 7 of the settings file
          read.password        COFFERDAM__GATEWAYS__WH__READ__PASSWORD
          read.user            line 10 of the settings file
          write.password       line 14 of the settings file
          write.user           line 13 of the settings file
          admin.password       line 17 of the settings file
          admin.user           line 16 of the settings file
        note: `password` of gateway `wh` is set at line 11 of the settings file and by COFFERDAM__GATEWAYS__WH__READ__PASSWORD; the latter counts
        ");
        assert!(right && !text.contains("canary"));
    });
    let (text, right) = gateway(&file, &[], &["test", "local", "--mode", "write"]);
    assert!(right, "{text}");
    let (text, right) = gateway(&file, &[], &["test", "other"]);
    assert_eq!((text.as_str(), right), ("no gateway `other` is set up; set up are: local, wh\n", false));
}

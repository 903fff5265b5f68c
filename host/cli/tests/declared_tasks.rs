//! The program itself on a project of declared tasks: made, built, signed, inspected, refused.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const TOML: &str = r#"
[project]
name = "shop"
gateway = "wh"
[plugins]
task-sql = "task-sql"
adapter-sqlite = "adapter-sqlite"
[gateways]
wh = "adapter-sqlite"
[[task]]
id = "report.daily"
plugin = "task-sql"
settings = { statement = "sql/daily.sql" }
reads = ["raw.orders"]
writes = ["marts.daily"]
"#;

fn guests() -> PathBuf {
    match std::env::var_os("COFFERDAM_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            panic!(
                "COFFERDAM_GUESTS is not set: run the tests by `cargo xtask test`, which builds the guests"
            )
        }
    }
}

struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

fn cofferdam(folder: &Path, arguments: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
        .args(arguments)
        .current_dir(folder)
        .env("COFFERDAM_PLUGINS", guests())
        .env("COFFERDAM_CACHE", guests().with_file_name("compiled"))
        .env_remove("COFFERDAM_URL")
        .env_remove("COFFERDAM_CLIENT_ID")
        .env_remove("COFFERDAM_CLIENT_SECRET")
        .output()
        .unwrap();
    Answer {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn project() -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("sql")).unwrap();
    fs::write(temp.path().join("cofferdam.toml"), TOML).unwrap();
    fs::write(temp.path().join("sql/daily.sql"), "insert into marts.daily select 1\n").unwrap();
    let made = cofferdam(temp.path(), &["init"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    temp
}

#[test]
fn a_project_of_declared_tasks_is_built_signed_and_read_aloud() {
    let project = project();
    let built = cofferdam(project.path(), &["release", "build", "--sign"]);
    assert_eq!(built.code, Some(0), "{}", built.err);
    let begins = "built release 1 of prj_shop: 1 task, 1 file (33 B), 2 plugins\nsigned release 1 as sha256:";
    assert!(built.out.starts_with(begins), "{}", built.out);
    assert_eq!(built.err, "", "the starter grant allows all of it");

    let inspected = cofferdam(project.path(), &["release", "inspect"]);
    let asks = "asks to read raw.orders and write marts.daily on gateway wh";
    assert!(inspected.out.contains(asks), "{}", inspected.out);
    assert!(inspected.out.contains("a release key of this project"), "{}", inspected.out);

    let explained = cofferdam(project.path(), &["grants", "explain", "report.daily"]);
    assert!(explained.out.contains("report.daily in role run: allowed"), "{}", explained.out);
}

#[test]
fn building_again_takes_the_next_number_and_the_same_bytes_are_kept_once() {
    let project = project();
    for number in 1..=2 {
        let built = cofferdam(project.path(), &["release", "build", "--json"]);
        assert!(built.out.contains(&format!("\"release_seq\":{number}")), "{}", built.out);
    }
    let blobs = fs::read_dir(project.path().join(".cofferdam/blobs")).unwrap().count();
    assert_eq!(blobs, 3, "one file and two components");
}

#[test]
fn a_release_the_grants_refuse_is_built_with_a_warning() {
    let project = project();
    fs::write(project.path().join("cofferdam.toml"), TOML.replace("marts.daily", "secret.daily")).unwrap();
    let built = cofferdam(project.path(), &["release", "build"]);
    assert_eq!(built.code, Some(0));
    let begins = "warning: the grants on this machine refuse 1 task of this release\n";
    assert!(built.err.starts_with(begins), "{}", built.err);
}

#[test]
fn a_tampered_envelope_is_not_read_aloud() {
    let project = project();
    cofferdam(project.path(), &["release", "build", "--sign"]);
    let file = project.path().join(".cofferdam/releases/1/release.dsse.json");
    let mut envelope: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let payload = envelope["payload"].as_str().unwrap().replacen('A', "B", 1);
    envelope["payload"] = payload.into();
    fs::write(&file, envelope.to_string()).unwrap();
    let inspected = cofferdam(project.path(), &["release", "inspect"]);
    assert_eq!(inspected.code, Some(1), "{}", inspected.out);
    assert!(inspected.err.starts_with("error[CD01"), "{}", inspected.err);
}

#[test]
fn a_wrong_key_in_the_file_ends_with_2() {
    let project = project();
    fs::write(project.path().join("cofferdam.toml"), TOML.replace("writes =", "write =")).unwrap();
    let built = cofferdam(project.path(), &["release", "build"]);
    assert_eq!(built.code, Some(2));
    let first = built.err.lines().next();
    assert_eq!(first, Some("error[CD0003]: `cofferdam.toml` line 15: unknown key `write`"));
    fs::write(project.path().join("cofferdam.toml"), TOML).unwrap();
    let lost = cofferdam(project.path(), &["get", "runs"]);
    assert_eq!(lost.code, Some(2), "{}", lost.err);
}

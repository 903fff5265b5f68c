//! Settings from all their places, without a server.

use std::fmt::Write as _;

use cofferdam_vault::SecretRef;

use super::{
    declared::Problem,
    plan::{Kind, Plan, Planner, Source},
    *,
};
use crate::{
    net::{Address, TlsMode},
    settings::ServerSettings,
};

struct Fixed(Vec<(&'static str, &'static str)>);

impl Environment for Fixed {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_bytes().to_vec())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

type Plans = BTreeMap<String, Plan>;

fn plans(text: &str, env: &[(&'static str, &'static str)]) -> Result<(Plans, Vec<String>), String> {
    let told = |problem: Problem| format!("{}: {}", problem.at, problem.text);
    let environment = EnvSnapshot::of_process(Arc::new(Fixed(env.to_vec())));
    let mut declared = file::read(text, Path::new("/srv")).map_err(told)?;
    let mut warnings = Vec::new();
    environment::overlay(&environment, &mut declared, &mut warnings).map_err(told)?;
    let vault = Vault::default();
    let mut made = Plans::new();
    for (name, section) in &declared.gateways {
        let base = Path::new("/srv");
        let mut planner = Planner { base, vault: &vault, owner_tag: "0a1b2c3d", warnings: &mut warnings };
        made.insert(name.to_string(), planner.plan(name.as_str(), section).map_err(told)?);
    }
    Ok((made, warnings))
}

fn problem(text: &str) -> String {
    plans(text, &[]).err().unwrap()
}

fn server(plan: &Plan) -> &ServerSettings {
    match &plan.kind {
        Kind::Server(_, settings) => settings,
        Kind::Sqlite(_) => panic!("a server is wanted"),
    }
}

/// Who logs in how, without any secret.
fn keys(plan: &Plan) -> String {
    let mut text = String::new();
    for (access, key) in &plan.keys {
        let word = |source: &Source| match source {
            Source::Text(text) => text.clone(),
            Source::Secret(_) => "a secret".to_owned(),
            Source::Reference(reference) => reference.to_string(),
        };
        let password = key.password.as_ref().map_or("no password".to_owned(), word);
        writeln!(text, "{access}: {} with {password}", word(&key.user)).unwrap();
    }
    text
}

const WH: &str = r#"default = "wh"
[gateways.wh]
engine = "postgres"
host = "db.internal"
database = "shop"
[gateways.wh.read]
user = "reader"
password = "env://WH_READ"
[gateways.wh.write]
user = "writer"
password = "file:///run/secrets/wh"
"#;

#[test]
fn a_sqlite_gateway_is_found_by_name() {
    let text =
        "default = \"wh\"\n[gateways.wh]\nengine = \"sqlite\"\npath = \"wh.db\"\nschemas = [\"raw\"]\n";
    let gateways = Gateways::parse("gateways.toml", text, Path::new("/srv"), &Vault::default()).unwrap();
    assert_eq!(gateways.names().map(GatewayName::as_str).collect::<Vec<_>>(), ["wh"]);
    assert_eq!(gateways.default_name().unwrap().as_str(), "wh");
    assert!(gateways.get(&GatewayName::new("wh").unwrap()).is_ok());
    let refusal = gateways.get(&GatewayName::new("other").unwrap()).err().unwrap();
    assert_eq!(refusal.to_string(), "CD0313: no gateway `other` is set up on this executor");
}

#[test]
fn a_server_has_safe_defaults_and_a_credential_for_each_mode() {
    let (plans, warnings) = plans(WH, &[]).unwrap();
    let settings = server(&plans["wh"]);
    assert_eq!(settings.address, Address::Tcp { host: "db.internal".to_owned(), port: 5432 });
    assert_eq!((settings.tls.mode, settings.allow), (TlsMode::VerifyFull, crate::Allowances::default()));
    assert_eq!((settings.schema.as_str(), settings.connections), ("public", 8));
    assert_eq!((settings.owner_tag.as_str(), settings.fence_schema.as_str()), ("0a1b2c3d", "cofferdam"));
    insta::assert_snapshot!(keys(&plans["wh"]), @r"
    read: reader with env://WH_READ
    write: writer with file:///run/secrets/wh
    ");
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn every_setting_of_a_server_is_read() {
    let text = r#"
[gateways.my]
engine = "mysql"
socket = "/run/mysqld/mysqld.sock"
database = "shop"
tls = "off"
allow = ["md5-password", "server-files"]
connections = 3
statement_timeout_s = 60
lock_timeout_s = 5
fence_schema = "fences"
ca = "file:///etc/ca.pem"
[gateways.my.admin]
user = "root"
[gateways.my.read]
same_as = "admin"
[gateways.pg]
engine = "postgres"
socket = "/run/postgresql"
port = 5433
database = "shop"
schema = "analytics"
[gateways.pg.read]
user = "env://PG_USER"
"#;
    let (plans, _) = plans(text, &[]).unwrap();
    let my = server(&plans["my"]);
    assert_eq!(my.address, Address::Unix("/run/mysqld/mysqld.sock".into()));
    assert_eq!((my.schema.as_str(), my.connections, my.fence_schema.as_str()), ("shop", 3, "fences"));
    assert_eq!((my.statement_timeout.as_secs(), my.lock_timeout.as_secs()), (60, 5));
    assert_eq!(my.tls.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert!(my.allow.md5_password && my.allow.server_files && !my.allow.superuser);
    insta::assert_snapshot!(keys(&plans["my"]), @r"
    read: root with no password
    admin: root with no password
    ");
    let pg = server(&plans["pg"]);
    assert_eq!(pg.address, Address::Unix("/run/postgresql/.s.PGSQL.5433".into()));
    assert_eq!(pg.schema, "analytics");
}

#[test]
fn sessions_work_in_utc_unless_the_gateway_says_otherwise() {
    let with = |line: &str| {
        let text = WH.replacen("host = \"db.internal\"", &format!("host = \"db.internal\"\n{line}"), 1);
        server(&plans(&text, &[]).unwrap().0["wh"]).zone_of_server
    };
    assert!(!with(""));
    assert!(!with("time_zone = \"utc\""));
    assert!(with("time_zone = \"server\""));
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    let with =
        |line: &str| WH.replacen("host = \"db.internal\"", &format!("host = \"db.internal\"\n{line}"), 1);
    let found = [
        problem("defualt = \"wh\"\n"),
        problem("[gateways.wh]\nengine = \"sqlite\"\npth = \"wh.db\"\n"),
        problem("[gateways.wh]\nengine = \"oracle\"\n"),
        problem("[gateways.wh]\npath = \"x\"\n"),
        problem("[gateways.\"a b\"]\nengine = \"sqlite\"\npath = \"x\"\n"),
        problem("[gateways.wh]\nengine = \"sqlite\"\npath = \"env://A-B\"\n"),
        problem("[gateways.wh]\nengine = \"sqlite\"\npath = \"x\"\n[gateways.wh.read]\nuser = \"x\"\n"),
        problem("[gateways.wh]\nengine = \"mysql\"\nschema = \"x\"\n"),
        problem("[gateways.wh]\nengine = \"postgres\"\ndatabase = \"x\"\n"),
        problem("[gateways.wh]\nengine = \"postgres\"\ndatabase = \"x\"\nhost = \"h\"\n"),
        problem(&with("prot = 5433")),
        problem(&with("port = 0")),
        problem(&with("socket = \"/run\"")),
        problem(&with("tls = \"off\"")),
        problem(&with("tls = \"maybe\"")),
        problem(&with("allow = [\"plain\"]")),
        problem(&with("user = \"shared\"")),
        problem(&with("connections = 1000")),
        problem(&with("time_zone = \"Europe/Berlin\"")),
        problem(
            "[gateways.wh]\nengine = \"mysql\"\nhost = \"h\"\ndatabase = \"x\"\ntime_zone = \"server\"\n[gateways.wh.read]\nuser = \"x\"\n",
        ),
        problem(&WH.replace("user = \"reader\"", "usr = \"reader\"")),
        problem(&WH.replace("user = \"reader\"\n", "")),
        problem(
            &WH.replace("user = \"reader\"", "same_as = \"admin\"\n")
                .replace("password = \"env://WH_READ\"", ""),
        ),
        problem(&WH.replace("env://WH_READ", "exec://corp")),
        problem(&WH.replace("env://WH_READ", "vault://secret/wh#password")),
        problem("[providers.corp]\npath = \"bin/tool\"\n"),
        problem("[vault]\naddress = \"http://vault\"\n"),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    line 1 of the settings file: unknown key `defualt`: did you mean `default`?
    line 3 of the settings file: unknown key `pth`: did you mean `path`?
    line 2 of the settings file: `oracle` is no engine: sqlite, postgres, mysql
    line 1 of the settings file: gateway `wh` needs an `engine`: sqlite, postgres, mysql
    line 1 of the settings file: `a b` is not a valid gateway name: 1 to 64 ASCII letters, digits and any of `_-`
    line 3 of the settings file: `env://…` is not a secret reference: `env://` takes 1 to 128 ASCII letters, digits and `_`
    line 5 of the settings file: a SQLite file has no users: no mode has a credential
    line 3 of the settings file: MySQL's schemas are its databases: name the one with `database`
    line 1 of the settings file: `host` or `socket` is missing
    line 1 of the settings file: gateway `wh` needs a credential: [gateways.wh.read], .write or .admin
    line 5 of the settings file: unknown key `prot`: did you mean `port`?
    line 5 of the settings file: a whole number from 1 to 65535 is wanted here
    line 5 of the settings file: `host` and `socket` exclude each other
    line 5 of the settings file: without TLS everyone between here and the server can read along: keep `verify-full`, or say `allow = ["plaintext"]`
    line 5 of the settings file: `maybe` is not `verify-full` or `off`
    line 5 of the settings file: unknown word `plain`: known are plaintext, password-in-clear-over-tls, md5-password, no-password, superuser, server-files, server-programs
    line 5 of the settings file: unknown key `user`: known are engine, host, port, socket, database, schema, tls, ca, allow, connections, statement_timeout_s, lock_timeout_s, fence_schema, time_zone
    line 5 of the settings file: a whole number from 1 to 256 is wanted here
    line 5 of the settings file: `time_zone` is "utc" or, for PostgreSQL, "server"
    line 5 of the settings file: `time_zone` is "utc" or, for PostgreSQL, "server"
    line 7 of the settings file: unknown key `usr`: did you mean `user`?
    line 7 of the settings file: the credential for `read` needs a `user`
    line 7 of the settings file: `same_as` names another mode that has a user of its own
    line 8 of the settings file: no provider `corp` is declared under [providers]
    line 8 of the settings file: no vault is declared under [vault]
    line 2 of the settings file: the path must be absolute
    line 2 of the settings file: the address is written as `https://host:port`
    "#);
}

#[test]
fn a_password_written_into_the_file_is_refused_and_not_shown() {
    for wrong in ["\"hunter2-canary\"", "[\"canary\"]", "7"] {
        let found = problem(&WH.replace("\"env://WH_READ\"", wrong));
        assert!(found.starts_with("line 8 of the settings file: a password is not written here"), "{found}");
        assert!(!found.contains("canary"), "{found}");
    }
    let found = problem(&WH.replace("env://WH_READ", "env://hunter2-canary"));
    assert!(found.starts_with("line 8") && !found.contains("canary"), "{found}");
}

#[test]
fn variables_stand_over_the_file_key_by_key_and_say_so() {
    let (plans, warnings) = plans(
        WH,
        &[
            ("COFFERDAM__GATEWAYS__WH__CONNECTION__HOST", "other.internal"),
            ("COFFERDAM__GATEWAYS__WH__CONNECTION__SCHEMA", "mart"),
            ("COFFERDAM__GATEWAYS__WH__READ__PASSWORD", "hunter2-canary"),
            ("cofferdam__gateways__wh__admin__user", "dba"),
            ("COFFERDAM__GATEWAYS__NEW__CONNECTION__TYPE", "sqlite"),
            ("COFFERDAM__GATEWAYS__NEW__CONNECTION__PATH", "new.db"),
            ("COFFERDAM__GATEWAYS__NEW__CONNECTION__SCHEMAS", "raw, mart"),
            ("COFFERDAM__DEFAULT_GATEWAY", "NEW"),
            ("UNRELATED", "x"),
        ],
    )
    .unwrap();
    let settings = server(&plans["wh"]);
    assert_eq!(settings.address, Address::Tcp { host: "other.internal".to_owned(), port: 5432 });
    assert_eq!((settings.database.as_str(), settings.schema.as_str()), ("shop", "mart"));
    insta::assert_snapshot!(keys(&plans["wh"]), @r"
    read: reader with a secret
    write: writer with file:///run/secrets/wh
    admin: dba with no password
    ");
    assert!(matches!(&plans["new"].kind, Kind::Sqlite(settings) if settings.schemas == ["raw", "mart"]));
    insta::assert_snapshot!(warnings.join("\n"), @r"
    the default gateway is set at line 1 of the settings file and by COFFERDAM__DEFAULT_GATEWAY; the latter counts
    `host` of gateway `wh` is set at line 4 of the settings file and by COFFERDAM__GATEWAYS__WH__CONNECTION__HOST; the latter counts
    `password` of gateway `wh` is set at line 8 of the settings file and by COFFERDAM__GATEWAYS__WH__READ__PASSWORD; the latter counts
    ");
    assert!(!format!("{plans:?}").contains("canary"));
}

#[test]
fn a_variable_that_is_no_setting_is_refused_without_its_value() {
    let server = |param| {
        let name: &'static str = format!("COFFERDAM__GATEWAYS__WH__{param}").leak();
        plans(WH, &[(name, "hunter2-canary value")]).err().unwrap()
    };
    let found = [
        server("CONNECTION__HSOT"),
        server("CONNECTION__PORT"),
        server("READ__PASSWROD"),
        server("HOST"),
        plans(WH, &[("COFFERDAM__DEFAULT_GATWAY", "x")]).err().unwrap(),
    ];
    insta::assert_snapshot!(found.join("\n"), @r"
    COFFERDAM__GATEWAYS__WH__CONNECTION__HSOT: unknown key `hsot`: did you mean `host`?
    COFFERDAM__GATEWAYS__WH__CONNECTION__PORT: a whole number from 1 to 65535 is wanted here
    COFFERDAM__GATEWAYS__WH__READ__PASSWROD: unknown key `passwrod`: did you mean `password`?
    COFFERDAM__GATEWAYS__WH__HOST: this is no setting of a gateway: write COFFERDAM__GATEWAYS__<NAME>__CONNECTION__<PARAM>, …__READ__<PARAM>, …__WRITE__<PARAM>, …__ADMIN__<PARAM>, or COFFERDAM__DEFAULT_GATEWAY
    COFFERDAM__DEFAULT_GATWAY: this is no setting of a gateway: write COFFERDAM__GATEWAYS__<NAME>__CONNECTION__<PARAM>, …__READ__<PARAM>, …__WRITE__<PARAM>, …__ADMIN__<PARAM>, or COFFERDAM__DEFAULT_GATEWAY
    ");
    assert!(!found.concat().contains("canary"));
}

#[test]
fn an_environment_made_for_sqlmesh_works_unchanged() {
    let (plans, warnings) = plans(
        "",
        &[
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__TYPE", "postgres"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__HOST", "db.internal"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__PORT", "5433"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__USER", "mesh"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__PASSWORD", "hunter2-canary"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__DATABASE", "shop"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__SSLMODE", "require"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__KEEPALIVES_IDLE", "30"),
            ("SQLMESH__GATEWAYS__WAREHOUSE__STATE_CONNECTION__TYPE", "duckdb"),
            ("SQLMESH__GATEWAYS__LAKE__CONNECTION__TYPE", "snowflake"),
            ("SQLMESH__DEFAULT_GATEWAY", "warehouse"),
        ],
    )
    .unwrap();
    assert_eq!(plans.keys().collect::<Vec<_>>(), ["warehouse"]);
    let settings = server(&plans["warehouse"]);
    assert_eq!(settings.address, Address::Tcp { host: "db.internal".to_owned(), port: 5433 });
    assert_eq!(settings.tls.mode, TlsMode::VerifyFull);
    insta::assert_snapshot!(keys(&plans["warehouse"]), @r"
    read: mesh with a secret
    write: mesh with a secret
    ");
    insta::assert_snapshot!(warnings.join("\n"), @r"
    gateway `lake` is left out: SQLMESH__GATEWAYS__LAKE__CONNECTION__TYPE names an engine other than postgres and mysql
    SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__KEEPALIVES_IDLE is not read: it has no meaning here
    SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__SSLMODE asks for less than a verified server; gateway `warehouse` verifies it all the same
    gateway `warehouse` has one credential for reading and writing (SQLMESH__GATEWAYS__WAREHOUSE__CONNECTION__PASSWORD): give each mode its own
    ");
    assert!(!format!("{plans:?} {warnings:?}").contains("canary"));
}

#[test]
fn our_own_settings_stand_over_those_made_for_sqlmesh() {
    let (plans, warnings) = plans(
        WH,
        &[
            ("SQLMESH__GATEWAYS__WH__CONNECTION__TYPE", "mysql"),
            ("SQLMESH__GATEWAYS__WH__CONNECTION__HOST", "elsewhere"),
            ("SQLMESH__DEFAULT_GATEWAY", "other"),
        ],
    )
    .unwrap();
    assert_eq!(server(&plans["wh"]).address, Address::Tcp { host: "db.internal".to_owned(), port: 5432 });
    insta::assert_snapshot!(warnings.join("\n"), @r"
    gateway `wh` is set up at line 2 of the settings file; what SQLMESH__GATEWAYS__WH__… says of it is not read
    the default gateway is set at line 1 of the settings file; SQLMESH__DEFAULT_GATEWAY is not read
    ");
}

#[test]
fn a_default_that_is_not_set_up_is_refused() {
    let text = "default = \"x\"\n";
    let found = Gateways::parse("gateways.toml", text, Path::new("/srv"), &Vault::default()).err().unwrap();
    assert_eq!(found.to_string(), "gateways.toml:1: the default gateway `x` is not set up");
}

#[test]
fn bad_schemas_of_a_sqlite_gateway_are_refused() {
    for (schemas, expected) in [("\"a b\"", "a b"), ("\"temp\"", "temp"), ("\"a\", \"A\"", "twice")] {
        let text = format!("[gateways.wh]\nengine = \"sqlite\"\npath = \"x\"\nschemas = [{schemas}]\n");
        let found = Gateways::parse("gateways.toml", &text, Path::new("/srv"), &Vault::default());
        let found = found.err().unwrap().to_string();
        assert!(found.starts_with("gateways.toml:1: ") && found.contains(expected), "{found}");
    }
}

#[test]
fn an_attempt_keeps_its_settings_and_a_change_reaches_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join("env");
    let variable = "COFFERDAM__GATEWAYS__WH__CONNECTION__";
    let write =
        |path: &str| std::fs::write(&env, format!("{variable}ENGINE=sqlite\n{variable}PATH={path}\n"));
    write("/tmp/a.db").unwrap();
    let keeper = GatewayKeeper::open(None, Some(&env), "").unwrap();
    let (name, driver) = (GatewayName::new("wh").unwrap(), |gateways: &Gateways, name| {
        Arc::as_ptr(gateways.get(name).unwrap()).cast::<()>()
    });
    let first = keeper.attempt().0;
    assert_eq!(driver(&first, &name), driver(&keeper.attempt().0, &name), "nothing has changed");

    std::fs::write(&env, format!("{variable}ENGINE=oracle\n")).unwrap();
    let (kept, warnings) = keeper.attempt();
    assert_eq!(driver(&first, &name), driver(&kept, &name), "an invalid version is not taken over");
    assert!(warnings[0].contains("the last valid one stays"), "{warnings:?}");
    assert_eq!(keeper.attempt().1, Vec::<String>::new(), "said once");

    write("/tmp/b.db").unwrap();
    let next = keeper.attempt().0;
    assert_ne!(driver(&first, &name), driver(&next, &name));
}

#[test]
fn references_of_the_file_are_checked_before_anything_runs() {
    let reference: SecretRef = "env://WH_READ".parse().unwrap();
    let (plans, _) = plans(WH, &[]).unwrap();
    let key = &plans["wh"].keys[&Access::Read];
    assert!(matches!(&key.password, Some(Source::Reference(read)) if *read == reference));
}

proptest::proptest! {
    #[test]
    fn any_text_gives_plans_or_a_problem(text: String) {
        let _ = plans(&text, &[]);
    }

    #[test]
    fn any_variable_gives_plans_or_a_problem(
        name in "(COFFERDAM|SQLMESH)__(GATEWAYS__){0,2}[A-Z_-]{0,12}(__)?(CONNECTION|READ)?__(HOST|TYPE|PASSWORD|X)?",
        value in ".{0,20}",
    ) {
        let (name, value): (&'static str, &'static str) = (name.leak(), value.leak());
        let _ = plans(WH, &[(name, value)]);
    }
}

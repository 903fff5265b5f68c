//! The files `init` writes, with comments for the person who reads them next.
//!
//! In: names, schemas, a digest, the caller's clock. Out: text. Never: touches a disk.
//! Fails: not at all. Source: `docs/guides/command-line.md`, `docs/guides/grants.md`.

use std::time::Duration;

use cofferdam_ids::{Sha256Digest, Timestamp};

/// How long a starter grant holds.
const GRANT_VALID: Duration = Duration::from_secs(90 * 86_400);

/// `cofferdam.toml`.
pub(super) fn project(name: &str, dbt: bool) -> String {
    let mut text = format!(
        r#"# What this project is made of. `cofferdam release build` reads it; every key is in
# docs/guides/command-line.md.

[project]
name = "{name}"
gateway = "wh"                  # the warehouse its tasks work on

[plugins]                       # name = path of the .wasm, or a name to look up
adapter-sqlite = "adapter-sqlite"
task-sql = "task-sql"
"#
    );
    if dbt {
        text.push_str("project-dbt-loader = \"project-dbt-loader\"\ntask-dbt = \"task-dbt\"\n");
    }
    text.push_str(
        "\n[gateways]                      # name = the adapter that speaks to it\nwh = \"adapter-sqlite\"\n",
    );
    if dbt {
        text.push_str(
            r#"
[[loader]]                      # turns the dbt project in this folder into tasks
plugin = "project-dbt-loader"
runs_with = "task-dbt"
root = ""
vars = {}
"#,
        );
    } else {
        text.push_str(
            r#"
# A task runs one entry of a plugin. This one runs a statement file of the project:
# [[task]]
# id = "report.daily"
# plugin = "task-sql"
# settings = { statement = "sql/daily.sql" }
# reads = ["main.*"]
# writes = ["main.daily"]
"#,
        );
    }
    text.push_str("\n[[job]]\nname = \"nightly\"\nselect = [\"*\"]\n");
    text
}

/// `.cofferdam/gateways.toml`. `gateways`: each name and the plugin of its adapter.
pub(super) fn gateways(gateways: &[(&str, &str)], default: Option<&str>, schemas: &[String]) -> String {
    let mut text =
        "# The warehouses of this machine's executors. No plugin and no scheduler sees this file.\n"
            .to_owned();
    let default = default.or(gateways.first().map(|(name, _)| *name));
    if let Some(default) = default {
        text.push_str(&format!("default = \"{default}\"\n"));
    }
    for (name, adapter) in gateways {
        text.push_str(&format!("\n[gateways.{name}]\n"));
        if adapter.contains("postgres") {
            text.push_str(&server(
                name,
                "postgres",
                5432,
                "schema = \"analytics\"             # where names without a schema belong\n",
            ));
        } else if adapter.contains("mysql") || adapter.contains("mariadb") {
            text.push_str(&server(name, "mysql", 3306, ""));
        } else {
            let file = if Some(*name) == default { "warehouse" } else { *name };
            text.push_str(&sqlite(file, schemas));
        }
    }
    text
}

fn sqlite(file: &str, schemas: &[String]) -> String {
    // `main` is the gateway's own file; the others lie beside it.
    let beside: Vec<String> = schemas.iter().filter(|schema| *schema != "main").cloned().collect();
    format!(
        "engine = \"sqlite\"\npath = \"warehouse/{file}.db\"    # from this file's folder; each schema is a file beside it\nschemas = {}\n",
        list(&beside)
    )
}

/// A warehouse server: where it is, and whom each mode logs in as. Passwords are named, never written.
fn server(name: &str, engine: &str, port: u16, more: &str) -> String {
    let variable = name.to_ascii_uppercase().replace('-', "_");
    let mut text = format!(
        "engine = \"{engine}\"\nhost = \"db.example.com\"           # or socket = \"…\"\nport = {port}\n\
         database = \"warehouse\"\n{more}tls = \"verify-full\"             # ca = \"file:///…\" for an authority of your own\n"
    );
    for mode in ["read", "write"] {
        let upper = mode.to_ascii_uppercase();
        text.push_str(&format!(
            "[gateways.{name}.{mode}]           # a role that can {mode}, and no more\n\
             user = \"cofferdam_{mode}\"\npassword = \"env://{variable}_{upper}_PASSWORD\"\n"
        ));
    }
    text.push_str(
        "# `cofferdam gateway test` says whether it can be reached and what is too strong about its roles.\n",
    );
    text
}

/// `.cofferdam/grants/<project>.toml`.
pub(crate) fn grant(
    name: &str,
    project: Sha256Digest,
    plugins: &[(String, Sha256Digest)],
    gateways: &[&str],
    schemas: &[String],
    now: Timestamp,
) -> String {
    let expires = now.plus(GRANT_VALID).to_string();
    let expires = expires.get(..10).unwrap_or(&expires);
    let mut components = String::new();
    for (plugin, digest) in plugins {
        components.push_str(&format!("    \"sha256:{digest}\",    # {plugin}\n"));
    }
    if plugins.is_empty() {
        // A grant that names no component allows none; this one is no component's digest.
        components =
            format!("    \"sha256:{}\",    # none was found: run `cofferdam init` again\n", "0".repeat(64));
    }
    let relations: Vec<String> = schemas.iter().map(|schema| format!("{schema}.*")).collect();
    let relations = list(&relations);
    let mut text = format!(
        r#"# What tasks of `{name}` may do on this machine's executors. Everything else is refused.
# As long as nobody edits this file, `cofferdam init` renews it when the plugins were rebuilt.
# `cofferdam grants explain TASK` shows which line here allows what, or why not.
grant_format = 1
id      = "{name}-starter"
owner   = "replace-me@example.com"      # who answers for this grant
reason  = "first steps on this machine"
expires = {expires}                    # the last day on which it holds
require_confinement = []                # e.g. ["seccomp", "landlock"]: refuse to run without

[subject]
project = "sha256:{project}"
tasks   = ["*"]                         # narrow it, e.g. ["model.{name}.*"]
roles   = ["run", "apply"]
plugins = [                             # the components that may take part, by digest
{components}]
"#
    );
    for gateway in gateways {
        text.push_str(&format!(
            r#"
[[sql]]
gateway    = "{gateway}"
mode       = "write"                    # read | write | admin
statements = "parsed"                   # a statement that cannot be read is refused
reads      = {relations}
writes     = {relations}
max_rows   = 100000                     # rows a plugin may read out; work inside the warehouse is not limited
"#
        ));
    }
    text.push_str(
        r#"
[[files]]
prefixes = [""]                         # every file of the signed release

[telemetry]
log = true
"#,
    );
    if plugins.iter().any(|(name, _)| name == "task-dbt") {
        text.push_str(
            "read_kept = true                        # hooks behind a run may read what its nodes left\n",
        );
    }
    text.push_str(
        r#"
[report]
to_scheduler = ["duration_s", "rows_affected"]

[limits]
wall_ms   = 600000
mem_bytes = 268435456
log_bytes = 1048576
"#,
    );
    text
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_grant_allows_the_projects_schemas_for_90_days() {
        let schemas = ["raw".to_owned(), "marts".to_owned()];
        let text = grant(
            "flights",
            Sha256Digest::of(b"root"),
            &[("task-sql".to_owned(), Sha256Digest::of(b"task-sql"))],
            &["wh"],
            &schemas,
            Timestamp::from_millis(1_790_000_000_000),
        );
        insta::assert_snapshot!(text, @r#"
        # What tasks of `flights` may do on this machine's executors. Everything else is refused.
        # As long as nobody edits this file, `cofferdam init` renews it when the plugins were rebuilt.
        # `cofferdam grants explain TASK` shows which line here allows what, or why not.
        grant_format = 1
        id      = "flights-starter"
        owner   = "replace-me@example.com"      # who answers for this grant
        reason  = "first steps on this machine"
        expires = 2026-12-20                    # the last day on which it holds
        require_confinement = []                # e.g. ["seccomp", "landlock"]: refuse to run without

        [subject]
        project = "sha256:4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2"
        tasks   = ["*"]                         # narrow it, e.g. ["model.flights.*"]
        roles   = ["run", "apply"]
        plugins = [                             # the components that may take part, by digest
            "sha256:c0704d4007fea08f0c2d11e5316565df60a6cf7f790ec2d8cec905b360756426",    # task-sql
        ]

        [[sql]]
        gateway    = "wh"
        mode       = "write"                    # read | write | admin
        statements = "parsed"                   # a statement that cannot be read is refused
        reads      = ["raw.*", "marts.*"]
        writes     = ["raw.*", "marts.*"]
        max_rows   = 100000                     # rows a plugin may read out; work inside the warehouse is not limited

        [[files]]
        prefixes = [""]                         # every file of the signed release

        [telemetry]
        log = true

        [report]
        to_scheduler = ["duration_s", "rows_affected"]

        [limits]
        wall_ms   = 600000
        mem_bytes = 268435456
        log_bytes = 1048576
        "#);
    }

    #[test]
    fn the_starter_grant_is_a_grant() {
        let schemas = ["main".to_owned()];
        let text = grant(
            "flights",
            Sha256Digest::of(b"root"),
            &[("task-sql".to_owned(), Sha256Digest::of(b"task-sql"))],
            &["wh"],
            &schemas,
            Timestamp::from_millis(1_790_000_000_000),
        );
        assert!(cofferdam_grants::parse("flights.toml", &text).is_ok(), "{text}");
    }

    #[test]
    fn every_gateway_has_a_file_of_its_own() {
        insta::assert_snapshot!(gateways(&[("lake", "adapter-sqlite"), ("wh", "adapter-sqlite")], Some("wh"), &["main".to_owned(), "raw".to_owned()]), @r#"
        # The warehouses of this machine's executors. No plugin and no scheduler sees this file.
        default = "wh"

        [gateways.lake]
        engine = "sqlite"
        path = "warehouse/lake.db"    # from this file's folder; each schema is a file beside it
        schemas = ["raw"]

        [gateways.wh]
        engine = "sqlite"
        path = "warehouse/warehouse.db"    # from this file's folder; each schema is a file beside it
        schemas = ["raw"]
        "#);
    }

    #[test]
    fn a_warehouse_server_is_named_with_a_role_for_each_mode() {
        insta::assert_snapshot!(gateways(&[("wh", "adapter-postgres")], None, &[]), @r##"
        # The warehouses of this machine's executors. No plugin and no scheduler sees this file.
        default = "wh"

        [gateways.wh]
        engine = "postgres"
        host = "db.example.com"           # or socket = "…"
        port = 5432
        database = "warehouse"
        schema = "analytics"             # where names without a schema belong
        tls = "verify-full"             # ca = "file:///…" for an authority of your own
        [gateways.wh.read]           # a role that can read, and no more
        user = "cofferdam_read"
        password = "env://WH_READ_PASSWORD"
        [gateways.wh.write]           # a role that can write, and no more
        user = "cofferdam_write"
        password = "env://WH_WRITE_PASSWORD"
        # `cofferdam gateway test` says whether it can be reached and what is too strong about its roles.
        "##);
    }
}

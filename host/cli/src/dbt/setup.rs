//! What a dbt project without `cofferdam.toml` needs on this machine: keys, a trust root, a
//! configuration, a gateway, a grant. All of it lies under `.cofferdam/`.
//!
//! In: the project, its target, its variables. Out: files, and a line on what was made.
//! Never: touches the project's own files, or a project that has a `cofferdam.toml`: its operator has
//! decided. A password goes into a file of its own that no other user can read.
//! Fails: with `CD0004`, `CD0005` and `CD0065`.
//! Source: `docs/guides/move-a-dbt-project.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    time::Duration,
};

use cofferdam_bundle::statement::{Release, Request, SqlMode};
use cofferdam_ids::Timestamp;
use serde_json::{Map, Value};
use toml::Table;

use super::{
    place::Place,
    profile::{Login, Target, Warehouse, is_here},
};
use crate::{
    config::{self, Config},
    failure::{Code, Failure, Outcome},
    folder::{self, Folder},
    keys, text,
};

/// A variable of the shell may not go into a release.
pub(crate) const SECRET_VARIABLE: Code = Code(65);
/// Variables whose values stay out of everything that is kept.
const SECRET_PREFIX: &str = "DBT_ENV_SECRET";
/// Words of names whose values are secrets more often than not: those that are set stay out as well.
const SECRET_WORDS: [&str; 8] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "PRIVATE_KEY", "ACCESS_KEY", "API_KEY", "CREDENTIAL"];
/// How long a local grant holds.
const GRANT_VALID: Duration = Duration::from_secs(90 * 86_400);
/// Rows a local grant lets a task read out.
const ROWS_MAX: u64 = 10_000_000;
/// Wall clock and memory of one node.
const WALL_MS: u64 = 86_400_000;
const MEM_BYTES: u64 = 1 << 29;
/// The gateway's name.
pub(crate) const GATEWAY: &str = "wh";

/// Makes keys, the trust root and what keeps them out of version control. Says whether it made some.
pub(crate) fn keys(folder: &Folder, project: &Config, now: Timestamp) -> Outcome<bool> {
    folder::write_new(&folder.inner(".gitignore"), b"*\n", 0o644)?;
    let mut made = false;
    if !folder.root_file().exists() {
        for role in keys::ROLES {
            made |= keys::generate(folder, role)?;
        }
    }
    made |= keys::make_root(folder, &project.project_id(), now, false)?;
    Ok(made)
}

/// What the release of a command is built with.
pub(crate) struct Asked<'a> {
    pub(crate) place: &'a Place,
    pub(crate) target: &'a Target,
    pub(crate) vars: &'a Map<String, Value>,
    pub(crate) env: &'a Variables,
}

/// The configuration in the place of `cofferdam.toml`, written where `cofferdam` looks for it.
pub(crate) fn config(folder: &Folder, asked: &Asked<'_>) -> Outcome<(Config, String)> {
    let text = config_text(asked)?;
    let mut config = config::parse(config::FILE_NAME, &text)?;
    complete(&mut config);
    let file = folder.inner(&format!("dbt/{}", config::FILE_NAME));
    if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
        folder::replace(&file, text.as_bytes(), 0o600)?;
    }
    Ok((config, text))
}

fn config_text(asked: &Asked<'_>) -> Outcome<String> {
    let adapter = asked.target.adapter();
    let plugins = ["project-dbt-loader", "task-dbt", adapter];
    let mut settings = Table::new();
    put(&mut settings, "target", &asked.target.settings());
    let Variables { set, unset } = asked.env;
    let env = set.iter().map(|(name, value)| (name.clone(), toml::Value::String(value.clone())));
    settings.insert("env".to_owned(), toml::Value::Table(env.collect()));
    settings.insert("env_unset".to_owned(), unset.iter().cloned().collect::<Vec<_>>().into());
    let mut vars = Table::new();
    for (name, value) in asked.vars {
        put(&mut vars, name, value);
    }
    let target = asked.place.target.strip_prefix(&asked.place.root).unwrap_or(Path::new("target"));
    let mut exclude = vec![target.display().to_string()];
    if let Warehouse::Sqlite { path } = &asked.target.warehouse
        && let Ok(inside) = path.strip_prefix(&asked.place.root)
    {
        // The warehouse itself, the files of its schemas and what SQLite puts beside them.
        let inside = inside.display().to_string();
        exclude.push(format!("{}.*", inside.strip_suffix(".db").unwrap_or(&inside)));
        exclude.push(format!("{inside}*"));
    }
    let exclude: Vec<String> = exclude.iter().map(|path| quoted(path)).collect();
    let head = format!(
        "# Made by `cofferdam dbt` for this project on this machine; made anew when something changes.\n\
         # A `cofferdam.toml` in the project's folder (`cofferdam init`) takes its place.\n\
         [project]\nname = {}\ngateway = \"{GATEWAY}\"\n[plugins]\n{}[gateways]\n{GATEWAY} = \"{adapter}\"\n\
         [limits]\nwall_ms = {WALL_MS}\nmem_bytes = {MEM_BYTES}\n[retry]\nattempts = 1\n\
         [release]\nexclude = [{}]\n[[loader]]\nplugin = \"project-dbt-loader\"\nruns_with = \"task-dbt\"\nroot = \"\"\n",
        quoted(&clean(&asked.place.name)),
        plugins.map(|name| format!("{name} = \"{name}\"\n")).concat(),
        exclude.join(", "),
    );
    let mut loader = Table::new();
    loader.insert("vars".to_owned(), toml::Value::Table(vars));
    loader.insert("settings".to_owned(), toml::Value::Table(settings));
    let mut text = head;
    for (key, value) in loader {
        // Inline, so that both stay inside of `[[loader]]`.
        let _ = writeln!(text, "{key} = {value}");
    }
    Ok(text)
}

/// Gives loaders of projects in dbt's format the parameters that dbt's commands set, where
/// `cofferdam.toml` does not declare them.
pub(crate) fn complete(config: &mut Config) {
    #[derive(serde::Deserialize)]
    struct Declared {
        params: Vec<config::ParamConfig>,
    }
    let Ok(Declared { params }) = toml::from_str(&format!("params = [{PARAMS}]")) else { return };
    for loader in config.loaders.iter_mut().filter(|loader| loader.plugin.get_ref().as_str() == LOADER) {
        for param in &params {
            if !loader.params.iter().any(|known| known.name == param.name) {
                loader.params.push(param.clone());
            }
        }
    }
}

/// The loader of projects in dbt's format.
const LOADER: &str = "project-dbt-loader";

/// What a run may say to a node.
pub(crate) const PARAMS: &str = r#"
  { name = "command", type = "text", one_of = ["build", "run", "test", "seed", "snapshot", "freshness", "run-operation", "compile", "show", "catalog"] },
  { name = "full_refresh", type = "boolean" },
  { name = "empty", type = "boolean" },
  { name = "store_failures", type = "boolean" },
  { name = "limit", type = "integer", min = "-1" },
  { name = "event_time_start", type = "text" },
  { name = "event_time_end", type = "text" },
  { name = "invocation", type = "text" },
  { name = "schemas", type = "text", max = "4000" },
  { name = "runs", type = "runs" },
  { name = "selected", type = "text", max = "4000" },
  { name = "skipped", type = "text", max = "4000" },
"#;

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A JSON value as TOML has it; null does not exist there and is left out.
fn put(table: &mut Table, name: &str, value: &Value) {
    if let Some(value) = toml_value(value) {
        table.insert(name.to_owned(), value);
    }
}

/// As [`put`], where the table does not have it.
pub(crate) fn fill(table: &mut Table, name: &str, value: &Value) {
    if !table.contains_key(name) {
        put(table, name, value);
    }
}

fn toml_value(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(yes) => toml::Value::Boolean(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => toml::Value::Integer(whole),
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(items) => toml::Value::Array(items.iter().filter_map(toml_value).collect()),
        Value::Object(map) => {
            let mut table = Table::new();
            map.iter().for_each(|(name, value)| put(&mut table, name, value));
            toml::Value::Table(table)
        }
    })
}

/// A project's name as ours may be.
fn clean(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    name.chars().map(plain).take(60).collect()
}

/// The variables that a project's text names.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// Those that are set in this shell, with their values.
    pub(crate) set: BTreeMap<String, String>,
    /// The others.
    pub(crate) unset: BTreeSet<String>,
}

/// The variables that the project's text names, as they are in this shell.
pub(crate) fn variables(texts: &[String]) -> Outcome<Variables> {
    let written = |asked: &str| {
        let quote = asked.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        asked[1..].split(quote).next().map(str::to_owned)
    };
    let names: BTreeSet<String> = texts.iter().flat_map(|text| asked(text)).filter_map(written).collect();
    let is_secret = |name: &&String| {
        let word = name.to_ascii_uppercase();
        let is_named_so = SECRET_WORDS.iter().any(|secret| word.contains(secret));
        name.starts_with(SECRET_PREFIX) || is_named_so && std::env::var_os(name.as_str()).is_some()
    };
    if let Some(secret) = names.iter().find(is_secret) {
        let what = format!("the project asks for `{}`, which is a secret", text::tame(secret));
        let fix = "use it in `profiles.yml` alone, or unset it: what a project reads becomes part of a signed release, where others can read it";
        return Err(Failure::new(SECRET_VARIABLE, what, fix));
    }
    let mut found = Variables::default();
    for name in names {
        match std::env::var(&name) {
            Ok(value) => {
                found.set.insert(name, value);
            }
            Err(_) => {
                found.unset.insert(name);
            }
        }
    }
    Ok(found)
}

/// Whether a text asks `env_var` for a name that is not written out.
pub(crate) fn makes_names_up(texts: &[String]) -> bool {
    texts.iter().flat_map(|text| asked(text)).any(|name| !name.starts_with(['\'', '"']))
}

/// What stands behind the opening bracket of each call of `env_var` in a text.
fn asked(text: &str) -> impl Iterator<Item = &str> {
    let behind = move |(at, word): (usize, &str)| text[at + word.len()..].trim_start().strip_prefix('(');
    text.match_indices("env_var").filter_map(behind).map(str::trim_start)
}

/// What stands in quotes, may be a variable's name, and is none that is set in this shell. Of one that
/// is set nothing is taken along: the project has to name it where it asks.
pub(crate) fn unset_words(texts: &[String]) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let may_name = |word: &&str| {
        (3..=64).contains(&word.len())
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(letter)
    };
    let words = texts.iter().flat_map(|text| text.split(['\'', '"'])).filter(may_name);
    words.filter(|word| std::env::var_os(word).is_none()).map(str::to_owned).collect()
}

/// What the operator of a release writes: gateway and grant. Says whether the gateway changed.
pub(crate) fn operate(
    folder: &Folder,
    target: &Target,
    release: &Release,
    threads: u32,
    now: Timestamp,
) -> Outcome<bool> {
    let changed = gateway(folder, target, release, threads)?;
    grant(folder, release, now)?;
    Ok(changed)
}

/// The gateway's settings, and the password in a file of its own. Says whether something changed.
pub(crate) fn gateway(folder: &Folder, target: &Target, release: &Release, threads: u32) -> Outcome<bool> {
    // Nodes of one command, of another one, and what looks around.
    let connections = threads * 2 + 4;
    let file = folder.inner("dbt/gateways.toml");
    let mut text =
        "# Made by `cofferdam dbt` from profiles.yml; made anew when something changes.\n".to_owned();
    let _ = write!(text, "default = \"{GATEWAY}\"\n[gateways.{GATEWAY}]\n");
    let mut changed = false;
    match &target.warehouse {
        Warehouse::Sqlite { path } => {
            let mut schemas = schemas(release);
            schemas.insert(target.schema.clone());
            schemas.retain(|schema| schema != "main" && !schema.contains('*'));
            let listed: Vec<String> = schemas.iter().map(|schema| quoted(schema)).collect();
            let path = quoted(&path.display().to_string());
            let _ = write!(text, "engine = \"sqlite\"\npath = {path}\nschemas = [{}]\n", listed.join(", "));
        }
        Warehouse::Server { engine, host, port, database, login, plain } => {
            let place = if host.starts_with('/') { "socket" } else { "host" };
            let _ = write!(text, "engine = \"{engine}\"\n{place} = {}\n", quoted(host));
            if place == "host" || *engine == "postgres" {
                let _ = writeln!(text, "port = {port}");
            }
            let _ = writeln!(text, "database = {}", quoted(database));
            if *engine == "postgres" {
                let _ = writeln!(text, "schema = {}", quoted(&target.schema));
                // As dbt's own sessions: casts of moments to days and texts come out the same.
                text.push_str("time_zone = \"server\"\n");
            }
            let tls = if *plain { "off" } else { "verify-full" };
            // The role is the one the person works with anyway; what it may do is theirs to say.
            let mut allow =
                vec!["superuser", "server-files", "server-programs", "md5-password", "no-password"];
            if *plain && !is_here(host) {
                allow.push("plaintext");
            }
            let _ = write!(text, "tls = \"{tls}\"\nallow = {allow:?}\nconnections = {connections}\n");
            changed |= server_login(folder, login, &mut text)?;
        }
    }
    if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
        folder::replace(&file, text.as_bytes(), 0o600)?;
        changed = true;
    }
    Ok(changed)
}

fn server_login(folder: &Folder, login: &Login, text: &mut String) -> Outcome<bool> {
    let secret = folder.inner("dbt/password");
    let _ = write!(text, "[gateways.{GATEWAY}.write]\nuser = {}\n", quoted(&login.user));
    let mut changed = false;
    match &login.password {
        Some(password) => {
            if fs::read(&secret).ok().as_deref() != Some(password.as_bytes()) {
                folder::replace(&secret, password.as_bytes(), 0o600)?;
                changed = true;
            }
            let _ = writeln!(text, "password = {}", quoted(&format!("file://{}", secret.display())));
        }
        None => {
            let _ = fs::remove_file(&secret);
        }
    }
    let _ = write!(
        text,
        "[gateways.{GATEWAY}.read]\nsame_as = \"write\"\n[gateways.{GATEWAY}.admin]\nsame_as = \"write\"\n"
    );
    Ok(changed)
}

/// The first parts of all relations a release asks for.
fn schemas(release: &Release) -> BTreeSet<String> {
    let mut schemas = BTreeSet::new();
    for request in release.tasks.iter().flat_map(|task| &task.requests) {
        if let Request::Sql { reads, writes, .. } = request {
            let first = |relation: &String| relation.split('.').next().map(str::to_owned);
            schemas.extend(reads.iter().chain(writes).filter_map(first));
        }
    }
    schemas
}

/// A grant for what the release asks for, schema by schema. Says whether it is another one now.
fn grant(folder: &Folder, release: &Release, now: Timestamp) -> Outcome<bool> {
    let file = folder.inner("dbt/grants/dbt.toml");
    let there = fs::read_to_string(&file).unwrap_or_default();
    let expiry = |text: &str| text.lines().find(|line| line.starts_with("expires")).map(str::to_owned);
    let project = keys::root_digest(folder, now)?.to_string();
    let fresh = grant_text(&project, release, now.plus(GRANT_VALID));
    let rest = |text: &str| {
        text.lines().filter(|l| !l.starts_with("expires")).map(str::to_owned).collect::<Vec<_>>()
    };
    // One that holds for another month is left as it is.
    let least = format!("expires = {}", day(now.plus(GRANT_VALID / 3)));
    if rest(&there) == rest(&fresh) && expiry(&there).is_some_and(|line| line >= least) {
        return Ok(false);
    }
    folder::replace(&file, fresh.as_bytes(), 0o600)?;
    Ok(true)
}

fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

fn grant_text(project: &str, release: &Release, expires: Timestamp) -> String {
    let mut plugins = String::new();
    for plugin in &release.plugins {
        let _ = writeln!(plugins, "    \"sha256:{}\",    # {}", plugin.sha256, plugin.name);
    }
    let (mut reads, mut writes, mut mode) = (BTreeSet::new(), BTreeSet::new(), SqlMode::Read);
    for request in release.tasks.iter().flat_map(|task| &task.requests) {
        if let Request::Sql { mode: asked, reads: r, writes: w, .. } = request {
            mode = strongest(mode, *asked);
            reads.extend(r.iter().map(|relation| whole_schema(relation)));
            writes.extend(w.iter().map(|relation| whole_schema(relation)));
        }
    }
    let mode = match mode {
        SqlMode::Read => "read",
        SqlMode::Write => "write",
        SqlMode::Admin => "admin",
    };
    let mut requests = release.tasks.iter().flat_map(|task| &task.requests);
    let read_kept = if requests.any(|one| *one == Request::Kept {}) { "read_kept = true\n" } else { "" };
    let list = |set: &BTreeSet<String>| {
        let items: Vec<String> = set.iter().map(|item| quoted(item)).collect();
        items.join(", ")
    };
    format!(
        "# What the nodes of this dbt project may do on this machine: what they ask for, schema by schema.\n\
         # Made by `cofferdam dbt`; made anew when the project asks for something else.\n\
         grant_format = 1\nid = \"dbt-local\"\nowner = \"me@localhost\"\nreason = \"dbt on this machine\"\n\
         expires = {}\nrequire_confinement = []\n[subject]\nproject = \"sha256:{project}\"\ntasks = [\"*\"]\n\
         roles = [\"run\"]\nplugins = [\n{plugins}]\n\
         [[sql]]\ngateway = \"{GATEWAY}\"\nmode = \"{mode}\"\nstatements = \"parsed\"\n\
         also = [\"cascade\", \"rights\", \"schemas\"]\nreads = [{}]\nwrites = [{}]\nmax_rows = {ROWS_MAX}\n\
         [[files]]\nprefixes = [\"\"]\n[telemetry]\nlog = true\n{read_kept}[report]\nto_scheduler = [\"duration_s\", \"rows_affected\"]\n\
         [limits]\nwall_ms = {WALL_MS}\nmem_bytes = {MEM_BYTES}\nlog_bytes = 16777216\n",
        day(expires),
        list(&reads),
        list(&writes),
    )
}

fn strongest(a: SqlMode, b: SqlMode) -> SqlMode {
    match (a, b) {
        (SqlMode::Admin, _) | (_, SqlMode::Admin) => SqlMode::Admin,
        (SqlMode::Write, _) | (_, SqlMode::Write) => SqlMode::Write,
        _ => SqlMode::Read,
    }
}

fn whole_schema(relation: &str) -> String {
    match relation.split_once('.') {
        Some((schema, _)) => format!("{schema}.*"),
        None => relation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_a_project_names_are_found_and_secrets_refused() {
        let texts = ["{{ env_var('HOME') }} {{ env_var( \"NOT_SET_ANYWHERE\", 'x') }} env_var(x)".to_owned()];
        let found = variables(&texts).unwrap();
        assert_eq!(found.set.keys().collect::<Vec<_>>(), ["HOME"]);
        assert_eq!(found.unset.iter().collect::<Vec<_>>(), ["NOT_SET_ANYWHERE"]);
        assert!(makes_names_up(&texts) && !makes_names_up(&["env_var('A') env_var( \"B\")".to_owned()]));
        let lists = ["first_of(['SHOP_X', \"PATH\", 'lower', 'USD'])".to_owned()];
        assert_eq!(unset_words(&lists).iter().collect::<Vec<_>>(), ["SHOP_X", "USD"]);
        let refused = variables(&["{{ env_var('DBT_ENV_SECRET_TOKEN') }}".to_owned()]).unwrap_err();
        insta::assert_snapshot!(refused.render(), @"
        error[CD0065]: the project asks for `DBT_ENV_SECRET_TOKEN`, which is a secret
          fix: use it in `profiles.yml` alone, or unset it: what a project reads becomes part of a signed release, where others can read it
        ");
    }

    #[test]
    fn a_loader_of_dbts_format_lets_a_run_say_what_dbts_commands_say() {
        let text = "[project]\nname = \"x\"\ngateway = \"wh\"\n[plugins]\nproject-dbt-loader = \"l\"\ntask-dbt = \"t\"\na = \"a\"\n\
             [gateways]\nwh = \"a\"\n[[loader]]\nplugin = \"project-dbt-loader\"\nruns_with = \"task-dbt\"\n\
             params = [{ name = \"full_refresh\", type = \"boolean\", required = true }]\n";
        let mut config = config::parse("cofferdam.toml", text).unwrap();
        complete(&mut config);
        let names: Vec<_> = config.loaders[0].params.iter().map(|param| param.name.as_str()).collect();
        assert!(names.contains(&"command") && names.contains(&"limit"), "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "full_refresh").count(), 1);
    }

    #[test]
    fn values_become_toml_and_null_is_left_out() {
        let value = serde_json::json!({"a": [1, 2.5, "x"], "b": null, "c": {"d": true}});
        assert_eq!(toml_value(&value).unwrap().to_string(), "{ a = [1, 2.5, \"x\"], c = { d = true } }");
    }
}

//! `profiles.yml`: which warehouse a target means.
//!
//! In: the file, flags, the shell's environment. Out: a [`Target`] and how to reach its warehouse.
//! Never: runs Jinja; `env_var('…')`, literals and the filters that only change a type are read, anything
//! else is an error. Puts a password into anything but a [`Login`].
//! Fails: with `CD0061` and `CD0062`.
//! Source: <https://docs.getdbt.com/docs/core/connect-data-platform/profiles.yml>.

use std::{env, path::PathBuf};

use serde_json::{Map, Value, json};

use super::{
    args::Work,
    place::{Place, read_yaml},
    yaml,
};
use crate::{
    failure::{Code, Failure, Outcome},
    text,
};

/// `profiles.yml` is not there or does not hold the target.
pub(crate) const NO_PROFILE: Code = Code(61);
/// A target cannot be mapped onto a gateway.
pub(crate) const BAD_TARGET: Code = Code(62);
/// Attempts at once where the profile does not say.
const THREADS: u32 = 4;

/// The target of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) profile: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) schema: String,
    pub(crate) database: String,
    pub(crate) threads: u32,
    /// Whom sessions are opened as, where `profiles.yml` says it in plain text: then projects may know it.
    pub(crate) user: Option<String>,
    pub(crate) warehouse: Warehouse,
    /// Keys of the profile that mean nothing here.
    pub(crate) unused: Vec<String>,
}

/// How its warehouse is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Warehouse {
    /// PostgreSQL, MySQL or MariaDB.
    Server { engine: &'static str, host: String, port: u16, database: String, login: Login, plain: bool },
    /// A file.
    Sqlite { path: PathBuf },
}

/// Whom a session is opened as. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, …)", self.user)
    }
}

impl Target {
    /// The plugin that speaks to it.
    pub(crate) fn adapter(&self) -> &'static str {
        match &self.warehouse {
            Warehouse::Server { engine: "postgres", .. } => "adapter-postgres",
            Warehouse::Server { .. } => "adapter-mysql",
            Warehouse::Sqlite { .. } => "adapter-sqlite",
        }
    }

    /// What a release says of it: never where it is or how to log in.
    pub(crate) fn settings(&self) -> Value {
        let mut settings = json!({"name": self.name, "profile_name": self.profile, "type": self.kind,
            "schema": self.schema, "database": self.database, "threads": self.threads});
        if let Some(user) = &self.user {
            settings["user"] = json!(user);
        }
        settings
    }
}

/// Where `profiles.yml` is looked for, in dbt's order.
fn places(work: &Work, place: &Place) -> Vec<PathBuf> {
    match &work.profiles_dir {
        Some(folder) => vec![folder.clone()],
        None => {
            let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".dbt"));
            [env::current_dir().ok(), Some(place.root.clone()), home].into_iter().flatten().collect()
        }
    }
}

/// Reads the target of a command.
pub(crate) fn read(work: &Work, place: &Place) -> Outcome<Target> {
    let places = places(work, place);
    let Some(file) = places.iter().map(|folder| folder.join("profiles.yml")).find(|file| file.is_file())
    else {
        let looked: Vec<String> = places.iter().map(|folder| folder.display().to_string()).collect();
        let fix = "name its folder with --profiles-dir or DBT_PROFILES_DIR, or write one: docs/guides/move-a-dbt-project.md shows how";
        return Err(Failure::new(NO_PROFILE, "`profiles.yml` is not there", fix)
            .why(format!("looked in {}", looked.join(", "))));
    };
    let all = read_yaml(&file, NO_PROFILE)?;
    let name = work.profile.clone().or_else(|| place.profile.clone()).ok_or_else(|| {
        Failure::new(
            NO_PROFILE,
            "`dbt_project.yml` names no profile",
            "add a line `profile: …` to it, or give --profile",
        )
    })?;
    choose(&all, &name, work, place, &|variable| env::var(variable).ok())
}

fn choose(
    all: &Value,
    name: &str,
    work: &Work,
    place: &Place,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Outcome<Target> {
    let missing = |what: String, near: Option<&str>, known: Vec<&str>| {
        let fix = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Failure::new(NO_PROFILE, what, fix)
    };
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let Some(profile) = all.get(name) else {
        let known = keys(all).unwrap_or_default();
        let known: Vec<&str> = known.iter().map(String::as_str).filter(|key| *key != "config").collect();
        let what = format!("`profiles.yml` has no profile `{}`", text::tame(name));
        return Err(missing(what, text::nearest(name, known.iter().copied()), known));
    };
    let render = |value: &Value| rendered(value, variables);
    let wanted = match &work.target {
        Some(target) => target.clone(),
        None => match profile.get("target").map(render).transpose()? {
            Some(Value::String(target)) => target,
            _ => "default".to_owned(),
        },
    };
    let outputs = profile.get("outputs").cloned().unwrap_or_default();
    let Some(output) = outputs.get(&wanted).and_then(Value::as_object) else {
        let known = keys(&outputs).unwrap_or_default();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let what = format!("profile `{}` has no target `{}`", text::tame(name), text::tame(&wanted));
        return Err(missing(what, text::nearest(&wanted, known.iter().copied()), known));
    };
    let mut entries = Map::new();
    for (key, value) in output {
        entries.insert(key.clone(), render(value)?);
    }
    let mut found = target(Output { entries: &entries, seen: Vec::new() }, name, &wanted, work, place)?;
    let plain = |key: &str| output.get(key)?.as_str().filter(|user| !user.contains("{{"));
    found.user = plain("user").or_else(|| plain("username")).map(str::to_owned);
    Ok(found)
}

/// One output of a profile, and which of its keys were looked at.
struct Output<'a> {
    entries: &'a Map<String, Value>,
    seen: Vec<&'a str>,
}

impl<'a> Output<'a> {
    fn text(&mut self, keys: &[&'a str]) -> Option<String> {
        self.seen.extend(keys);
        keys.iter().find_map(|key| match self.entries.get(*key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        })
    }

    fn needed(&mut self, keys: &[&'a str]) -> Outcome<String> {
        self.text(keys).filter(|text| !text.is_empty()).ok_or_else(|| {
            Failure::new(
                BAD_TARGET,
                format!("the target has no `{}`", keys[0]),
                "add it to the target in `profiles.yml`",
            )
        })
    }

    fn number(&mut self, keys: &[&'a str], default: u32) -> Outcome<u32> {
        let Some(text) = self.text(keys) else { return Ok(default) };
        text.trim().parse().map_err(|_| {
            let what = format!("`{}` of the target is no number", keys[0]);
            Failure::new(BAD_TARGET, what, "correct it in `profiles.yml`")
        })
    }
}

/// Keys that set something the gateway settles by itself.
const SETTLED: [&str; 6] =
    ["keepalives_idle", "connect_timeout", "retries", "charset", "collation", "ssl_disabled"];

fn target(mut output: Output<'_>, profile: &str, name: &str, work: &Work, place: &Place) -> Outcome<Target> {
    let kind = output.needed(&["type"])?;
    let threads = match work.threads {
        Some(threads) => {
            output.seen.push("threads");
            threads
        }
        None => output.number(&["threads"], THREADS)?.clamp(1, 64),
    };
    let (kind, database, schema, warehouse) = match kind.as_str() {
        "postgres" | "postgresql" => postgres(&mut output)?,
        "mysql" | "mysql5" | "mariadb" => mysql(&mut output, &kind)?,
        "sqlite" => sqlite(&mut output, place)?,
        other => {
            let what = format!("there is no adapter for warehouses of type `{}`", text::tame(other));
            let fix = "use a target of type postgres, mysql, mariadb or sqlite; docs/guides/write-an-adapter.md says how an adapter is written";
            return Err(Failure::new(BAD_TARGET, what, fix));
        }
    };
    let unused = output
        .entries
        .keys()
        .filter(|key| !output.seen.contains(&key.as_str()) && !SETTLED.contains(&key.as_str()));
    let unused = unused.cloned().collect();
    Ok(Target {
        profile: profile.to_owned(),
        name: name.to_owned(),
        kind,
        schema,
        database,
        threads,
        user: None,
        warehouse,
        unused,
    })
}

type Reached = (String, String, String, Warehouse);

fn postgres(output: &mut Output<'_>) -> Outcome<Reached> {
    let database = output.needed(&["dbname", "database"])?;
    let schema = output.needed(&["schema"])?;
    let host = output.needed(&["host"])?;
    if output.text(&["role"]).is_some_and(|role| !role.is_empty()) {
        let fix = "log in as that role, or give the login's role its rights: `alter role … set role …`";
        return Err(Failure::new(BAD_TARGET, "`role` of the target is not supported", fix));
    }
    output.seen.push("search_path");
    if output.text(&["search_path"]).is_some_and(|path| !path.is_empty()) {
        let fix = "set it for the role in the warehouse: `alter role … set search_path = …`";
        return Err(Failure::new(BAD_TARGET, "`search_path` of the target is not supported", fix));
    }
    let sslmode = output.text(&["sslmode"]).unwrap_or_default();
    let plain = match sslmode.as_str() {
        "disable" => true,
        "" | "allow" | "prefer" => is_here(&host),
        _ => false,
    };
    let warehouse = Warehouse::Server {
        engine: "postgres",
        port: port(output, 5432)?,
        login: login(output)?,
        database: database.clone(),
        host,
        plain,
    };
    Ok(("postgres".to_owned(), database, schema, warehouse))
}

fn mysql(output: &mut Output<'_>, kind: &str) -> Outcome<Reached> {
    let host = output.text(&["server", "host"]).unwrap_or_else(|| "localhost".to_owned());
    let schema = output.needed(&["schema", "database", "dbname"])?;
    let warehouse = Warehouse::Server {
        engine: "mysql",
        port: port(output, 3306)?,
        login: login(output)?,
        database: schema.clone(),
        plain: is_here(&host),
        host,
    };
    Ok((kind.to_owned(), String::new(), schema, warehouse))
}

fn sqlite(output: &mut Output<'_>, place: &Place) -> Outcome<Reached> {
    let schema = output.text(&["schema"]).unwrap_or_else(|| "main".to_owned());
    // SQLite has no databases above its schemas: the word is there for tools alone.
    output.seen.extend(["database", "schemas_and_paths", "schema_directory", "extensions"]);
    let listed = output.entries.get("schemas_and_paths").and_then(|paths| paths.get("main"));
    let path = match listed.and_then(Value::as_str) {
        Some(path) => path.to_owned(),
        None => output.needed(&["path", "file"])?,
    };
    let warehouse = Warehouse::Sqlite { path: place.root.join(path) };
    Ok(("sqlite".to_owned(), String::new(), schema, warehouse))
}

fn port(output: &mut Output<'_>, default: u16) -> Outcome<u16> {
    let port = output.number(&["port"], u32::from(default))?;
    u16::try_from(port).map_err(|_| {
        Failure::new(BAD_TARGET, "`port` of the target is no port", "correct it in `profiles.yml`")
    })
}

fn login(output: &mut Output<'_>) -> Outcome<Login> {
    let user = output.needed(&["user", "username"])?;
    let password = output.text(&["password", "pass"]).filter(|password| !password.is_empty());
    Ok(Login { user, password })
}

/// Whether a host is this machine.
pub(crate) fn is_here(host: &str) -> bool {
    host.starts_with('/') || matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

/// A value with every `{{ … }}` in it rendered.
fn rendered(value: &Value, variables: &dyn Fn(&str) -> Option<String>) -> Outcome<Value> {
    let Value::String(text) = value else { return Ok(value.clone()) };
    if !text.contains("{{") {
        return Ok(value.clone());
    }
    let (mut out, mut rest) = (String::new(), text.as_str());
    let mut native = None;
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((expression, after)) = behind.split_once("}}") else {
            return Err(unreadable(text, "a `{{` is not closed"));
        };
        out.push_str(before);
        let (found, typed) = evaluate(expression.trim_matches('-').trim(), text, variables)?;
        out.push_str(&found);
        native = typed;
        rest = after;
    }
    out.push_str(rest);
    Ok(if native == Some(true) { yaml::scalar(&out) } else { Value::String(out) })
}

fn unreadable(text: &str, why: &str) -> Box<Failure> {
    let fix = "use `{{ env_var('NAME') }}`, with a default behind the name if you like, or a plain value";
    Failure::new(BAD_TARGET, format!("`{}` in `profiles.yml` cannot be read: {why}", text::tame(text)), fix)
}

/// `env_var('X', 'default') | filter`, or a literal. Gives the text, and whether a filter asks for its
/// own type.
fn evaluate(
    expression: &str,
    whole: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Outcome<(String, Option<bool>)> {
    let (call, filters) = split_filters(expression);
    let mut native = None;
    for filter in filters {
        match filter {
            "int" | "as_number" | "as_bool" | "as_native" => native = Some(true),
            "as_text" | "string" | "trim" => native = Some(false),
            other => return Err(unreadable(whole, &format!("`{other}` is not known here"))),
        }
    }
    if let Some(literal) = quoted(call) {
        return Ok((literal.to_owned(), native));
    }
    if call.parse::<f64>().is_ok() {
        return Ok((call.to_owned(), native));
    }
    let inside = call.strip_prefix("env_var").map(str::trim).and_then(|rest| rest.strip_prefix('('));
    let Some(inside) = inside.and_then(|rest| rest.strip_suffix(')')) else {
        return Err(unreadable(whole, "only `env_var` is called here"));
    };
    let (name, default) = match inside.split_once(',') {
        Some((name, default)) => (name.trim(), Some(default.trim())),
        None => (inside.trim(), None),
    };
    let name = quoted(name).ok_or_else(|| unreadable(whole, "the variable's name stands in no quotes"))?;
    let default = default.map(|text| quoted(text).unwrap_or(text).to_owned());
    match variables(name).or(default) {
        Some(value) => Ok((value, native)),
        None => Err(Failure::new(
            BAD_TARGET,
            format!("the environment variable `{}` is not set", text::tame(name)),
            "set it in this shell, or give `env_var` a default",
        )
        .why("`profiles.yml` asks for it")),
    }
}

fn split_filters(expression: &str) -> (&str, Vec<&str>) {
    let mut quote = None;
    let mut cuts = Vec::new();
    for (at, c) in expression.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|') => cuts.push(at),
            _ => {}
        }
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([expression.len()]) {
        parts.push(expression[from..cut].trim());
        from = cut + 1;
    }
    let first = parts.remove(0);
    (first, parts)
}

fn quoted(text: &str) -> Option<&str> {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: &str = r#"
config: {send_anonymous_usage_stats: false}
shop:
  target: dev
  outputs:
    dev:
      type: postgres
      host: "{{ env_var('PG_HOST', 'localhost') }}"
      port: "{{ env_var('PG_PORT') | int }}"
      user: me
      pass: "{{ env_var('PG_PASSWORD') }}"
      dbname: wh
      schema: analytics
      threads: 8
      keepalives_idle: 0
      application_name: x
    far: {type: postgres, host: db.example.com, user: me, password: x, dbname: wh, schema: s}
    lite: {type: sqlite, schemas_and_paths: {main: lite.db}, schema: main}
    snow: {type: snowflake}
    maria: {type: mariadb, server: localhost, port: 3307, username: me, password: x, schema: s}
"#;

    fn place() -> Place {
        Place {
            root: PathBuf::from("/shop"),
            name: "shop".to_owned(),
            profile: Some("shop".to_owned()),
            target: PathBuf::from("/shop/target"),
            clean_targets: Vec::new(),
            packages: PathBuf::from("/shop/dbt_packages"),
            analyses: "analyses".to_owned(),
        }
    }

    fn of(target: Option<&str>) -> Outcome<Target> {
        let work = Work { target: target.map(str::to_owned), ..Work::default() };
        let variables = |name: &str| match name {
            "PG_PORT" => Some("6543".to_owned()),
            "PG_PASSWORD" => Some("0123".to_owned()),
            _ => None,
        };
        choose(&yaml::parse(PROFILES).unwrap(), "shop", &work, &place(), &variables)
    }

    #[test]
    fn a_postgres_target_is_read_with_its_variables() {
        let found = of(None).unwrap();
        assert_eq!(
            found.warehouse,
            Warehouse::Server {
                engine: "postgres",
                host: "localhost".to_owned(),
                port: 6543,
                database: "wh".to_owned(),
                login: Login { user: "me".to_owned(), password: Some("0123".to_owned()) },
                plain: true,
            }
        );
        assert_eq!((found.threads, found.schema.as_str()), (8, "analytics"));
        assert_eq!(found.unused, ["application_name"]);
        assert!(!format!("{found:?}").contains("0123"), "a password is never printed");
        assert!(
            !found.settings().to_string().contains("0123") && !found.settings().to_string().contains("6543")
        );
    }

    #[test]
    fn another_machine_is_reached_over_tls_unless_the_profile_says_otherwise() {
        let Warehouse::Server { plain, .. } = of(Some("far")).unwrap().warehouse else { panic!() };
        assert!(!plain);
    }

    #[test]
    fn files_and_other_servers_are_targets_too() {
        assert_eq!(
            of(Some("lite")).unwrap().warehouse,
            Warehouse::Sqlite { path: PathBuf::from("/shop/lite.db") }
        );
        assert_eq!(of(Some("maria")).unwrap().adapter(), "adapter-mysql");
    }

    #[test]
    fn what_cannot_be_a_target_says_why() {
        insta::assert_snapshot!(of(Some("snow")).unwrap_err().render(), @"
        error[CD0062]: there is no adapter for warehouses of type `snowflake`
          fix: use a target of type postgres, mysql, mariadb or sqlite; docs/guides/write-an-adapter.md says how an adapter is written
        ");
        insta::assert_snapshot!(of(Some("de")).unwrap_err().render(), @"
        error[CD0061]: profile `shop` has no target `de`
          fix: did you mean `dev`?
        ");
        let text = rendered(&json!("{{ var('x') }}"), &|_| None).unwrap_err().render();
        insta::assert_snapshot!(text, @"
        error[CD0062]: `{{ var('x') }}` in `profiles.yml` cannot be read: only `env_var` is called here
          fix: use `{{ env_var('NAME') }}`, with a default behind the name if you like, or a plain value
        ");
        let unset = rendered(&json!("{{ env_var('NO') }}"), &|_| None).unwrap_err().render();
        assert!(unset.contains("`NO` is not set"), "{unset}");
    }
}

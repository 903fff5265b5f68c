//! Settings that can only be valid, made of those that were written.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cofferdam_call::Access;
use cofferdam_vault::{Secret, SecretPlace, SecretRef, Vault};

use super::{
    declared::{Entries, Entry, Origin, Problem, Raw, Section, unknown},
    servers::Server,
};
use crate::{
    net::{Address, TlsMode, TlsSettings},
    remote::Allowances,
    settings::{
        CONNECTIONS_DEFAULT, CONNECTIONS_MAX, FENCE_SCHEMA_DEFAULT, LOCK_TIMEOUT_DEFAULT,
        STATEMENT_TIMEOUT_DEFAULT, ServerSettings,
    },
    sqlite::{Place, SqliteSettings},
};

const ENGINES: [&str; 3] = ["sqlite", "postgres", "mysql"];
const SQLITE_KEYS: [&str; 3] = ["engine", "path", "schemas"];
const SERVER_KEYS: [&str; 14] = [
    "engine",
    "host",
    "port",
    "socket",
    "database",
    "schema",
    "tls",
    "ca",
    "allow",
    "connections",
    "statement_timeout_s",
    "lock_timeout_s",
    "fence_schema",
    "time_zone",
];
const MODE_KEYS: [&str; 3] = ["user", "password", "same_as"];
/// The longest time a setting may name.
const SECONDS_MAX: i64 = 7 * 24 * 3600;

/// One gateway.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) keys: BTreeMap<Access, KeyPlan>,
    pub(super) origins: Vec<(String, Origin)>,
}

/// What the gateway speaks to.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Sqlite(SqliteSettings),
    Server(Server, ServerSettings),
}

/// Where the credential of a mode comes from.
#[derive(Clone, Debug)]
pub(super) struct KeyPlan {
    pub(super) user: Source,
    pub(super) password: Option<Source>,
}

/// Where a part of a credential comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Text(String),
    Secret(Arc<Secret>),
    Reference(SecretRef),
}

/// What the plans of all gateways are made with.
pub(super) struct Planner<'a> {
    pub(super) base: &'a Path,
    pub(super) vault: &'a Vault,
    pub(super) owner_tag: &'a str,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Planner<'_> {
    pub(super) fn plan(&mut self, name: &str, section: &Section) -> Result<Plan, Problem> {
        let engine = section.entries.get("engine").ok_or_else(|| {
            Problem::new(&section.at, format!("gateway `{name}` needs an `engine`: {}", ENGINES.join(", ")))
        })?;
        let mut origins: Vec<_> =
            section.entries.iter().map(|(key, entry)| (key.clone(), entry.origin.clone())).collect();
        for (access, entries) in &section.modes {
            origins.extend(entries.iter().map(|(key, e)| (format!("{access}.{key}"), e.origin.clone())));
        }
        let (kind, keys) = match text(engine)? {
            "sqlite" => (Kind::Sqlite(self.sqlite(section)?), BTreeMap::new()),
            "postgres" => self.server(Server::Postgres, name, section)?,
            "mysql" => self.server(Server::Mysql, name, section)?,
            other => {
                let problem = format!("`{}` is no engine: {}", other.escape_debug(), ENGINES.join(", "));
                return Err(Problem::new(&engine.origin, problem));
            }
        };
        Ok(Plan { kind, keys, origins })
    }

    fn sqlite(&mut self, section: &Section) -> Result<SqliteSettings, Problem> {
        check_keys(&section.entries, &SQLITE_KEYS)?;
        if let Some(entry) = section.modes.values().flat_map(Entries::values).next() {
            return Err(Problem::new(&entry.origin, "a SQLite file has no users: no mode has a credential"));
        }
        let entry = needed(section, "path")?;
        let path = text(entry)?;
        let place = if SecretRef::is_meant(path) {
            let reference = self.reference(path, &entry.origin)?;
            Place::Referenced { reference, base: self.base.to_owned() }
        } else if path.is_empty() || path.contains('\0') {
            return Err(Problem::new(&entry.origin, "`path` is empty"));
        } else {
            Place::Known(self.base.join(PathBuf::from(path)))
        };
        let schemas = section.entries.get("schemas").map(words).transpose()?.unwrap_or_default();
        Ok(SqliteSettings { place, schemas })
    }

    fn server(
        &mut self,
        engine: Server,
        name: &str,
        section: &Section,
    ) -> Result<(Kind, BTreeMap<Access, KeyPlan>), Problem> {
        let entries = &section.entries;
        let by_environment = |key: &str, entry: &Entry| {
            matches!(key, "user" | "password") && !matches!(entry.origin, Origin::File(_))
        };
        let mut own: Entries = entries.clone();
        own.retain(|key, entry| !by_environment(key, entry));
        if engine == Server::Mysql
            && let Some(entry) = entries.get("schema")
        {
            let problem = "MySQL's schemas are its databases: name the one with `database`";
            return Err(Problem::new(&entry.origin, problem));
        }
        check_keys(&own, &SERVER_KEYS)?;
        let allow = allowances(entries.get("allow"))?;
        let address = address(engine, section)?;
        let tls = self.tls(entries, &address, allow)?;
        let database = name_of(needed(section, "database")?)?;
        let schema = match (engine, entries.get("schema")) {
            (_, Some(entry)) => name_of(entry)?,
            (Server::Mysql, None) => database.clone(),
            _ => "public".to_owned(),
        };
        let seconds = |key: &str, default: Duration| match entries.get(key) {
            Some(entry) => number(entry, 1, SECONDS_MAX).map(|n| Duration::from_secs(n.unsigned_abs())),
            None => Ok(default),
        };
        let connections =
            entries.get("connections").map(|e| number(e, 1, CONNECTIONS_MAX as i64)).transpose()?;
        let fence_schema = entries.get("fence_schema").map(name_of).transpose()?;
        let settings = ServerSettings {
            address,
            database,
            schema,
            tls,
            allow,
            connections: connections.map_or(CONNECTIONS_DEFAULT, |n| usize::try_from(n).unwrap_or(1)),
            statement_timeout: seconds("statement_timeout_s", STATEMENT_TIMEOUT_DEFAULT)?,
            lock_timeout: seconds("lock_timeout_s", LOCK_TIMEOUT_DEFAULT)?,
            zone_of_server: zone_of_server(engine, entries.get("time_zone"))?,
            owner_tag: self.owner_tag.to_owned(),
            fence_schema: fence_schema.unwrap_or_else(|| FENCE_SCHEMA_DEFAULT.to_owned()),
        };
        let keys = self.keys(name, section)?;
        Ok((Kind::Server(engine, settings), keys))
    }

    fn tls(&self, entries: &Entries, address: &Address, allow: Allowances) -> Result<TlsSettings, Problem> {
        let ca = match entries.get("ca") {
            None => None,
            Some(entry) => {
                let path = text(entry)?;
                let path = path.strip_prefix("file://").unwrap_or(path);
                if path.is_empty() || SecretRef::is_meant(path) {
                    return Err(Problem::new(&entry.origin, "`ca` is a PEM file: `file:///path`"));
                }
                Some(self.base.join(path))
            }
        };
        let Some(entry) = entries.get("tls") else {
            return Ok(TlsSettings { mode: TlsMode::VerifyFull, ca });
        };
        match text(entry)? {
            "verify-full" => Ok(TlsSettings { mode: TlsMode::VerifyFull, ca }),
            "off" if allow.plaintext || is_here(address) => Ok(TlsSettings { mode: TlsMode::Off, ca }),
            "off" => Err(Problem::new(
                &entry.origin,
                "without TLS everyone between here and the server can read along: keep `verify-full`, or \
                 say `allow = [\"plaintext\"]`",
            )),
            other => {
                let problem = format!("`{}` is not `verify-full` or `off`", other.escape_debug());
                Err(Problem::new(&entry.origin, problem))
            }
        }
    }

    fn keys(&mut self, name: &str, section: &Section) -> Result<BTreeMap<Access, KeyPlan>, Problem> {
        let mut keys = BTreeMap::new();
        for (access, entries) in &section.modes {
            check_keys(entries, &MODE_KEYS)?;
            if !entries.contains_key("same_as") {
                let at = entries.values().next().map_or(&section.at, |entry| &entry.origin);
                keys.insert(*access, self.key(*access, entries, at)?);
            }
        }
        let mut shared = section.entries.clone();
        shared.retain(|key, _| matches!(key.as_str(), "user" | "password"));
        if let Some(entry) = shared.values().next() {
            let key = self.key(Access::Write, &shared, &entry.origin)?;
            let modes = [Access::Read, Access::Write].into_iter().filter(|a| !section.modes.contains_key(a));
            let modes: Vec<Access> = modes.collect();
            if modes.len() == 2 {
                self.warnings.push(format!(
                    "gateway `{name}` has one credential for reading and writing ({}): give each mode its own",
                    entry.origin
                ));
            }
            keys.extend(modes.into_iter().map(|access| (access, key.clone())));
        }
        for (access, entries) in &section.modes {
            let Some(entry) = entries.get("same_as") else { continue };
            if entries.len() > 1 {
                return Err(Problem::new(
                    &entry.origin,
                    "`same_as` stands alone: the user is the other mode's",
                ));
            }
            let other = super::declared::mode(text(entry)?).filter(|other| other != access);
            let key = other.and_then(|other| keys.get(&other)).cloned().ok_or_else(|| {
                Problem::new(&entry.origin, "`same_as` names another mode that has a user of its own")
            })?;
            keys.insert(*access, key);
        }
        if keys.is_empty() {
            let problem =
                format!("gateway `{name}` needs a credential: [gateways.{name}.read], .write or .admin");
            return Err(Problem::new(&section.at, problem));
        }
        Ok(keys)
    }

    fn key(&mut self, access: Access, entries: &Entries, at: &Origin) -> Result<KeyPlan, Problem> {
        let user = entries
            .get("user")
            .ok_or_else(|| Problem::new(at, format!("the credential for `{access}` needs a `user`")))?;
        let user = match text(user)? {
            reference if SecretRef::is_meant(reference) => {
                Source::Reference(self.reference(reference, &user.origin)?)
            }
            _ => Source::Text(name_of(user)?),
        };
        let password = match entries.get("password") {
            None => None,
            Some(Entry { value: Raw::Secret(secret), .. }) => Some(Source::Secret(Arc::clone(secret))),
            Some(entry) => Some(Source::Reference(self.reference(text(entry)?, &entry.origin)?)),
        };
        Ok(KeyPlan { user, password })
    }

    fn reference(&mut self, text: &str, at: &Origin) -> Result<SecretRef, Problem> {
        let reference: SecretRef = text.parse().map_err(|e| Problem::new(at, format!("{e}")))?;
        if let SecretPlace::Exec(name) = &reference.place
            && !self.vault.has_program(name)
        {
            return Err(Problem::new(at, format!("no provider `{name}` is declared under [providers]")));
        }
        if matches!(reference.place, SecretPlace::Vault { .. }) && !self.vault.has_server() {
            return Err(Problem::new(at, "no vault is declared under [vault]"));
        }
        self.warnings.extend(self.vault.warnings(&reference));
        Ok(reference)
    }
}

fn check_keys(entries: &Entries, known: &[&str]) -> Result<(), Problem> {
    let stray = entries.iter().find(|(key, _)| !known.contains(&key.as_str()));
    stray.map_or(Ok(()), |(key, entry)| Err(Problem::new(&entry.origin, unknown(key, known))))
}

fn needed<'s>(section: &'s Section, key: &str) -> Result<&'s Entry, Problem> {
    section.entries.get(key).ok_or_else(|| Problem::new(&section.at, format!("`{key}` is missing")))
}

fn text(entry: &Entry) -> Result<&str, Problem> {
    match &entry.value {
        Raw::Text(text) => Ok(text),
        _ => Err(Problem::new(&entry.origin, "a text is wanted here")),
    }
}

fn words(entry: &Entry) -> Result<Vec<String>, Problem> {
    match &entry.value {
        Raw::Words(words) => Ok(words.clone()),
        _ => Err(Problem::new(&entry.origin, "a list of texts is wanted here")),
    }
}

fn number(entry: &Entry, least: i64, most: i64) -> Result<i64, Problem> {
    let number = match &entry.value {
        Raw::Number(number) => Some(*number),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let wrong =
        || Problem::new(&entry.origin, format!("a whole number from {least} to {most} is wanted here"));
    number.filter(|n| (least..=most).contains(n)).ok_or_else(wrong)
}

/// A name inside the warehouse.
fn name_of(entry: &Entry) -> Result<String, Problem> {
    let name = text(entry)?;
    let valid = (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
    if valid {
        Ok(name.to_owned())
    } else {
        Err(Problem::new(&entry.origin, "a name of 1 to 128 bytes without control characters is wanted here"))
    }
}

fn zone_of_server(engine: Server, entry: Option<&Entry>) -> Result<bool, Problem> {
    let Some(entry) = entry else { return Ok(false) };
    match text(entry)? {
        "utc" => Ok(false),
        "server" if engine == Server::Postgres => Ok(true),
        _ => Err(Problem::new(&entry.origin, "`time_zone` is \"utc\" or, for PostgreSQL, \"server\"")),
    }
}

fn allowances(entry: Option<&Entry>) -> Result<Allowances, Problem> {
    let mut allow = Allowances::default();
    let Some(entry) = entry else { return Ok(allow) };
    for word in words(entry)? {
        if !allow.allow(&word) {
            let known = unknown(&word, &Allowances::WORDS).replacen("key", "word", 1);
            return Err(Problem::new(&entry.origin, known));
        }
    }
    Ok(allow)
}

fn address(engine: Server, section: &Section) -> Result<Address, Problem> {
    let entries = &section.entries;
    let default = if engine == Server::Mysql { 3306 } else { 5432 };
    let port = entries.get("port").map(|entry| number(entry, 1, 65535)).transpose()?;
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default);
    match (entries.get("host"), entries.get("socket")) {
        (Some(entry), None) => {
            let host = text(entry)?.trim();
            let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
            if host.is_empty() || host.len() > 253 || !host.bytes().all(valid) {
                return Err(Problem::new(&entry.origin, "`host` is a host's name or address"));
            }
            Ok(Address::Tcp { host: host.to_owned(), port })
        }
        (None, Some(entry)) => {
            let path = PathBuf::from(text(entry)?);
            if !path.is_absolute() {
                return Err(Problem::new(&entry.origin, "the path must be absolute"));
            }
            let is_socket = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(".s.PGSQL."));
            if engine == Server::Postgres && !is_socket {
                return Ok(Address::Unix(path.join(format!(".s.PGSQL.{port}"))));
            }
            Ok(Address::Unix(path))
        }
        (Some(_), Some(entry)) => Err(Problem::new(&entry.origin, "`host` and `socket` exclude each other")),
        (None, None) => Err(Problem::new(&section.at, "`host` or `socket` is missing")),
    }
}

fn is_here(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Tcp { host, .. } => {
            host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

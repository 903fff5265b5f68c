//! The settings file, as it is written.
//!
//! In: TOML. Out: what it declares, with lines.
//! Never: takes a secret: where one may stand, only a reference is accepted.
//! Fails: with a line, and never with the value that stands there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cofferdam_ids::{GatewayName, Sha256Digest};
use cofferdam_vault::{PROVIDER_TIME_MAX, Provider, SecretPlace, SecretRef, Server};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::declared::{Declared, Entries, Entry, Origin, Problem, Raw, Section, mode, unknown};

type Value<'i> = Spanned<DeValue<'i>>;

/// Reads the file's text. `base` is where relative paths start.
pub(super) fn read(text: &str, base: &Path) -> Result<Declared, Problem> {
    let reader = Reader { text, base };
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Problem::new(&reader.at(at), e.message())
    })?;
    let mut declared = Declared::default();
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "default" => {
                let name = reader.name(value, reader.text_of(value)?)?;
                declared.default = Some((name, reader.origin(value)));
            }
            "gateways" => {
                for (name, section) in reader.table(value)? {
                    let gateway = reader.name(name, name.get_ref())?;
                    declared.gateways.insert(gateway, reader.section(name, section)?);
                }
            }
            "providers" => {
                for (name, section) in reader.table(value)? {
                    let provider = reader.provider(section)?;
                    declared.programs.insert(name.get_ref().to_string(), provider);
                }
            }
            "vault" => declared.server = Some(reader.server(value)?),
            other => {
                let known = ["default", "gateways", "providers", "vault"];
                return Err(Problem::new(&reader.origin(key), unknown(other, &known)));
            }
        }
    }
    Ok(declared)
}

struct Reader<'t> {
    text: &'t str,
    base: &'t Path,
}

impl Reader<'_> {
    fn at(&self, offset: usize) -> Origin {
        Origin::File(self.text.get(..offset).unwrap_or(self.text).matches('\n').count() + 1)
    }

    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        self.at(spanned.span().start)
    }

    fn problem<T>(&self, spanned: &Spanned<T>, text: impl Into<String>) -> Problem {
        Problem::new(&self.origin(spanned), text)
    }

    fn name<T>(&self, at: &Spanned<T>, text: &str) -> Result<GatewayName, Problem> {
        GatewayName::new(text).map_err(|e| self.problem(at, e.to_string()))
    }

    fn table<'v, 'i>(&self, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, Problem> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.problem(value, "a table is wanted here")),
        }
    }

    fn text_of<'v>(&self, value: &'v Value<'_>) -> Result<&'v str, Problem> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.problem(value, "a text is wanted here")),
        }
    }

    fn number(&self, value: &Value<'_>) -> Result<i64, Problem> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.problem(value, "a whole number is wanted here"))
    }

    fn words(&self, value: &Value<'_>) -> Result<Vec<String>, Problem> {
        let DeValue::Array(list) = value.get_ref() else {
            return Err(self.problem(value, "a list of texts is wanted here"));
        };
        list.iter().map(|word| self.text_of(word).map(str::to_owned)).collect()
    }

    fn section<T>(&self, name: &Spanned<T>, value: &Value<'_>) -> Result<Section, Problem> {
        let mut section = Section::new(self.origin(name));
        for (key, value) in self.table(value)? {
            if let Some(access) = mode(key.get_ref()) {
                section.modes.insert(access, self.entries(value)?);
            } else {
                let entry = self.entry(key.get_ref(), value)?;
                let entry = Entry { origin: self.origin(key), ..entry };
                section.entries.insert(key.get_ref().to_string(), entry);
            }
        }
        Ok(section)
    }

    fn entries(&self, value: &Value<'_>) -> Result<Entries, Problem> {
        let mut entries = Entries::new();
        for (key, value) in self.table(value)? {
            let entry = self.entry(key.get_ref(), value)?;
            entries.insert(key.get_ref().to_string(), Entry { origin: self.origin(key), ..entry });
        }
        Ok(entries)
    }

    fn entry(&self, key: &str, value: &Value<'_>) -> Result<Entry, Problem> {
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(_) => Raw::Number(self.number(value)?),
            DeValue::Array(_) => Raw::Words(self.words(value)?),
            _ => return Err(self.problem(value, "a text, a whole number or a list is wanted here")),
        };
        if key == "password" && !matches!(&raw, Raw::Text(text) if SecretRef::is_meant(text)) {
            let problem = "a password is not written here: put it into an environment variable or a file, \
                           and name it as `env://NAME` or `file:///path`";
            return Err(self.problem(value, problem));
        }
        Ok(Entry { value: raw, origin: self.origin(value) })
    }

    fn provider(&self, value: &Value<'_>) -> Result<Provider, Problem> {
        let (mut path, mut sha256, mut args, mut timeout) = (None, None, Vec::new(), 10);
        for (key, value) in self.table(value)? {
            match key.get_ref().as_ref() {
                "path" => path = Some(self.absolute(value)?),
                "sha256" => {
                    let digest: Sha256Digest =
                        self.text_of(value)?.parse().map_err(|e| self.problem(value, format!("{e}")))?;
                    sha256 = Some(digest);
                }
                "args" => args = self.words(value)?,
                "timeout_s" => timeout = self.seconds(value)?,
                other => {
                    let known = ["path", "sha256", "args", "timeout_s"];
                    return Err(self.problem(key, unknown(other, &known)));
                }
            }
        }
        match (path, sha256) {
            (Some(path), Some(sha256)) => {
                Ok(Provider { path, sha256, args, timeout: Duration::from_secs(timeout) })
            }
            _ => Err(self.problem(value, "a provider needs `path` and `sha256`")),
        }
    }

    fn seconds(&self, value: &Value<'_>) -> Result<u64, Problem> {
        let most = PROVIDER_TIME_MAX.as_secs();
        let number = u64::try_from(self.number(value)?).ok().filter(|n| (1..=most).contains(n));
        number.ok_or_else(|| self.problem(value, format!("1 to {most} seconds are wanted here")))
    }

    fn absolute(&self, value: &Value<'_>) -> Result<PathBuf, Problem> {
        let path = PathBuf::from(self.text_of(value)?);
        if path.is_absolute() { Ok(path) } else { Err(self.problem(value, "the path must be absolute")) }
    }

    fn server(&self, value: &Value<'_>) -> Result<Server, Problem> {
        let (mut address, mut token, mut namespace, mut ca) = (None, None, None, None);
        for (key, value) in self.table(value)? {
            match key.get_ref().as_ref() {
                "address" => address = Some(self.https(value)?),
                "token" => token = Some(self.token(value)?),
                "namespace" => {
                    let text = self.text_of(value)?;
                    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                        return Err(self.problem(value, "a namespace is of ASCII letters, digits and signs"));
                    }
                    namespace = Some(text.to_owned());
                }
                "ca" => ca = Some(self.base.join(self.text_of(value)?.trim_start_matches("file://"))),
                other => {
                    let known = ["address", "token", "namespace", "ca"];
                    return Err(self.problem(key, unknown(other, &known)));
                }
            }
        }
        match (address, token) {
            (Some((host, port)), Some(token)) => Ok(Server { host, port, token, namespace, ca }),
            _ => Err(self.problem(value, "a vault needs `address` and `token`")),
        }
    }

    fn https(&self, value: &Value<'_>) -> Result<(String, u16), Problem> {
        let wrong = || self.problem(value, "the address is written as `https://host:port`");
        let rest = self.text_of(value)?.strip_prefix("https://").ok_or_else(wrong)?.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (rest, 8200),
        };
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let plain = !host.is_empty() && host.bytes().all(valid);
        if plain { Ok((host.to_owned(), port)) } else { Err(wrong()) }
    }

    fn token(&self, value: &Value<'_>) -> Result<SecretRef, Problem> {
        let DeValue::String(text) = value.get_ref() else {
            return Err(self.problem(value, "a reference is wanted here"));
        };
        let token: SecretRef = text.parse().map_err(|e| self.problem(value, format!("{e}")))?;
        if matches!(token.place, SecretPlace::Vault { .. }) {
            return Err(self.problem(value, "the vault's token is not kept in the vault"));
        }
        Ok(token)
    }
}

//! Where a secret is kept.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use crate::error::VaultError;

/// The schemes a reference may have.
const SCHEMES: [&str; 5] = ["env://", "file://", "cred://", "exec://", "vault://"];

/// Names the place of a secret, and the part of it that is meant. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// The place.
    pub place: SecretPlace,
    /// The field of the JSON object that is there, where not all of it is meant.
    pub field: Option<String>,
}

/// A place of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// `env://NAME`: a variable of the executor's environment, or of its env file.
    Env(String),
    /// `file:///absolute/path`: a file on the executor's host.
    File(PathBuf),
    /// `cred://NAME`: a credential systemd passed to the executor's service.
    Cred(String),
    /// `exec://PROVIDER`: what a program says that the gateway settings declare.
    Exec(String),
    /// `vault://MOUNT/PATH`: a secret of a HashiCorp Vault, of its key-value engine 2.
    Vault {
        /// Where the engine is mounted.
        mount: String,
        /// The secret's path in it.
        path: String,
    },
}

impl SecretRef {
    /// Whether a text means to be a reference, valid or not. Only whole texts are references.
    pub fn is_meant(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }
}

impl FromStr for SecretRef {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let invalid = |allowed| {
            // The text may be the secret itself, pasted into the wrong place: only a scheme that
            // is known is shown.
            let scheme = SCHEMES.iter().find(|scheme| text.starts_with(**scheme)).copied();
            VaultError::Invalid { text: format!("{}…", scheme.unwrap_or("…://")), allowed }
        };
        let (whole, field) = match text.split_once('#') {
            Some((whole, field)) => (whole, Some(field)),
            None => (text, None),
        };
        if let Some(field) = field
            && !is_name(field, 128, "_-.")
        {
            return Err(invalid("`#` takes a field: 1 to 128 ASCII letters, digits and any of `_-.`"));
        }
        let place = place(whole).map_err(invalid)?;
        if field.is_none() && matches!(place, SecretPlace::Vault { .. }) {
            return Err(invalid("`vault://` needs a field: `vault://mount/path#field`"));
        }
        Ok(Self { place, field: field.map(str::to_owned) })
    }
}

fn place(text: &str) -> Result<SecretPlace, &'static str> {
    if let Some(name) = text.strip_prefix("env://") {
        let valid = is_name(name, 128, "_");
        return valid
            .then(|| SecretPlace::Env(name.to_owned()))
            .ok_or("`env://` takes 1 to 128 ASCII letters, digits and `_`");
    }
    if let Some(path) = text.strip_prefix("file://") {
        let plain = path.starts_with('/') && !path.contains(['\0', '?', '\n']);
        let parts = path.split('/').all(|part| part != "..");
        let valid = plain && parts && (2..=1024).contains(&path.len());
        return valid
            .then(|| SecretPlace::File(PathBuf::from(path)))
            .ok_or("`file://` takes an absolute path without `..`, `#` and `?`");
    }
    if let Some(name) = text.strip_prefix("cred://") {
        let valid = is_name(name, 128, "_-.") && !name.starts_with('.');
        return valid
            .then(|| SecretPlace::Cred(name.to_owned()))
            .ok_or("`cred://` takes 1 to 128 ASCII letters, digits and any of `_-.`, no dot first");
    }
    if let Some(name) = text.strip_prefix("exec://") {
        let valid = is_name(name, 64, "_-");
        return valid
            .then(|| SecretPlace::Exec(name.to_owned()))
            .ok_or("`exec://` takes the name of a provider: 1 to 64 ASCII letters, digits and any of `_-`");
    }
    if let Some(rest) = text.strip_prefix("vault://") {
        let parts = rest.split_once('/').filter(|(mount, path)| {
            is_name(mount, 64, "_-")
                && path.len() <= 512
                && path.split('/').all(|part| is_name(part, 128, "_-.") && part != "." && part != "..")
        });
        return parts
            .map(|(mount, path)| SecretPlace::Vault { mount: mount.to_owned(), path: path.to_owned() })
            .ok_or("`vault://` takes a mount, `/`, and a path of letters, digits and any of `_-.`");
    }
    Err("`env://`, `file://`, `cred://`, `exec://` and `vault://` are known")
}

fn is_name(text: &str, most: usize, extra: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || extra.as_bytes().contains(&b);
    (1..=most).contains(&text.len()) && text.bytes().all(valid)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            SecretPlace::Env(name) => write!(f, "env://{name}"),
            SecretPlace::File(path) => write!(f, "file://{}", path.display()),
            SecretPlace::Cred(name) => write!(f, "cred://{name}"),
            SecretPlace::Exec(name) => write!(f, "exec://{name}"),
            SecretPlace::Vault { mount, path } => write!(f, "vault://{mount}/{path}"),
        }?;
        self.field.as_ref().map_or(Ok(()), |field| write!(f, "#{field}"))
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back() {
        for text in [
            "env://WH_PASSWORD",
            "env://WH#password",
            "file:///run/secrets/wh",
            "file:///run/secrets/wh.json#db.password",
            "cred://wh-writer",
            "exec://corp_tool",
            "exec://corp-tool#user",
            "vault://secret/teams/wh#password",
        ] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
            assert!(SecretRef::is_meant(text));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "env://",
            "env://A-B",
            "env://A B",
            "env://A#",
            "env://A#b c",
            "env://A#b#c",
            "file://relative",
            "file:///a/../b",
            "file:///a?b",
            "cred://a/b",
            "cred://.hidden",
            "cred://../x",
            "exec:///bin/sh",
            "exec://a b",
            "vault://mount/path",
            "vault://mount#f",
            "vault://mount/a/../b#f",
            "vault://mount//b#f",
            "vault://mount/p?version=1#f",
            "hunter2",
            "prefix env://A",
        ] {
            assert!(text.parse::<SecretRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_pasted_for_a_reference_is_not_shown() {
        for text in [
            "hunter2-canary",
            "env://hunter2-canary",
            "postgres://u:hunter2-canary@h",
            "canary://x",
            "env://A#hunter2 canary",
        ] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_reference_that_reads_back_or_an_error(text in "(env|file|cred|exec|vault)://.{0,40}") {
            if let Ok(reference) = text.parse::<SecretRef>() {
                proptest::prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}

//! Where a secret is kept.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use crate::error::VaultError;

/// Names the place of a secret. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env://NAME`: a variable of the executor's environment.
    Env(String),
    /// `file:///absolute/path`: a file on the executor's host.
    File(PathBuf),
}

impl SecretRef {
    /// Whether a text means to be a reference, valid or not. Only whole texts are references.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("env://") || text.starts_with("file://")
    }
}

impl FromStr for SecretRef {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let invalid = |allowed| {
            // The text may be the secret itself, pasted into the wrong place: only what stands
            // before `://` is shown.
            let scheme = text.split_once("://").map_or("…", |(scheme, _)| scheme);
            Err(VaultError::Invalid { text: format!("{}://…", scheme.escape_debug()), allowed })
        };
        if let Some(name) = text.strip_prefix("env://") {
            let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            if (1..=128).contains(&name.len()) && name.bytes().all(valid) {
                return Ok(Self::Env(name.to_owned()));
            }
            return invalid("`env://` takes 1 to 128 ASCII letters, digits and `_`");
        }
        if let Some(path) = text.strip_prefix("file://") {
            let plain = path.starts_with('/') && !path.contains(['\0', '#', '?', '\n']);
            let parts = path.split('/').all(|part| part != "..");
            if plain && parts && (2..=1024).contains(&path.len()) {
                return Ok(Self::File(PathBuf::from(path)));
            }
            return invalid("`file://` takes an absolute path without `..`, `#` and `?`");
        }
        invalid("`env://NAME` and `file:///absolute/path` are known")
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env://{name}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
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
        for text in ["env://WH_PASSWORD", "file:///run/secrets/wh"] {
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
            "file://relative",
            "file:///a/../b",
            "file:///a#b",
            "vault://mount/path",
            "hunter2",
            "prefix env://A",
        ] {
            assert!(text.parse::<SecretRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_pasted_for_a_reference_is_not_shown() {
        for text in ["hunter2-canary", "env://hunter2-canary", "postgres://u:hunter2-canary@h"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}

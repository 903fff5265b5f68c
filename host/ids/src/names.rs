//! Names and ids as types, so that no two can be passed in the wrong order.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {allowed}")]
pub struct InvalidName {
    /// What was given, at most 80 characters of it.
    pub text: String,
    /// The kind of name.
    pub kind: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

macro_rules! name {
    (@before "") => { "" };
    (@before $prefix:tt) => { concat!("`", $prefix, "` and then ") };
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:tt, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads a name, refusing any that is not valid.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                let rest = text.strip_prefix($prefix);
                let allowed = |b: u8| b.is_ascii_alphanumeric() || $extra.as_bytes().contains(&b);
                match rest {
                    Some(rest) if (1..=$max).contains(&rest.len()) && rest.bytes().all(allowed) => {
                        Ok(Self(text.into()))
                    }
                    _ => Err(InvalidName {
                        text: text.chars().take(80).collect(),
                        kind: $kind,
                        allowed: concat!(
                            name!(@before $prefix), "1 to ", stringify!($max),
                            " ASCII letters, digits and any of `", $extra, "`"
                        ),
                    }),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

name!(/// A project's label, `prj_` and a name. Its identity is the digest of its trust root.
    ProjectId, "project id", "prj_", 60, "_-");
name!(/// One task of a release, e.g. `model.shop.orders`.
    TaskId, "task id", "", 200, "_.-");
name!(/// A named selection of tasks, e.g. `nightly`.
    JobName, "job name", "", 64, "_.-");
name!(/// A gateway as releases and grants spell it, e.g. `wh`.
    GatewayName, "gateway name", "", 64, "_-");
name!(/// A plugin as a release spells it, e.g. `adapter-sqlite`.
    PluginName, "plugin name", "", 64, "_.-");
name!(/// A group of executors.
    PoolName, "pool name", "", 64, "_.-");
name!(/// A namespace that isolates everything of one deployment.
    ClusterName, "cluster name", "", 64, "_.-");
name!(/// A named target of runs, e.g. `prod`.
    EnvironmentName, "environment name", "", 64, "_.-");
name!(/// The id an operator gave a grant.
    GrantId, "grant id", "", 64, "_.-");
name!(/// One execution of a job: `run_` and a UUIDv7.
    RunId, "run id", "run_", 36, "-");
name!(/// One signed order: a UUIDv7.
    DispatchId, "dispatch id", "", 36, "-");
name!(/// The time-limited right to one attempt: `lease_` and a UUIDv7.
    LeaseId, "lease id", "lease_", 36, "-");
name!(/// An executor: `exec_` and the id of its key.
    ExecutorId, "executor id", "exec_", 64, "");
name!(/// A key: 64 hex digits, derived from its algorithm and public bytes.
    KeyId, "key id", "", 64, "");
name!(/// One start of an executor: a UUIDv7.
    BootId, "boot id", "", 36, "-");

impl ExecutorId {
    /// The executor that owns a key.
    pub fn of_key(key: &KeyId) -> Self {
        Self(format!("exec_{key}").into())
    }

    /// The first 12 digits behind `exec_`, for people.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(17)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_what_their_kind_allows() {
        assert!(TaskId::new("model.shop.orders").is_ok());
        assert!(RunId::new("run_0192f3a0-0000-7000-8000-000000000000").is_ok());
        assert!(ProjectId::new("prj_shop").is_ok());
    }

    #[test]
    fn names_refuse_empty_long_and_foreign_text() {
        for text in ["", "a b", "a/b", "a\nb", "é", &"x".repeat(201)] {
            assert!(TaskId::new(text).is_err(), "{text}");
        }
        assert!(ProjectId::new("shop").is_err(), "the prefix is part of the id");
        assert!(GatewayName::new("wh.prod").is_err(), "a gateway name has no dots");
    }

    #[test]
    fn the_error_says_what_is_allowed() {
        let error = GatewayName::new("my wh").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`my wh` is not a valid gateway name: 1 to 64 ASCII letters, digits and any of `_-`"
        );
    }
}

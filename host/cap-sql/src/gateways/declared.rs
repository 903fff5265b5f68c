//! Settings as they were written, each with the place it was written at.

use std::{collections::BTreeMap, fmt, sync::Arc};

use cofferdam_call::Access;
use cofferdam_ids::GatewayName;
use cofferdam_vault::{Provider, Secret, Server};

/// Where something was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the settings file, at a line from 1.
    File(usize),
    /// By a variable of the process.
    Variable(String),
    /// By a variable of the env file.
    EnvFile(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(line) => write!(f, "line {line} of the settings file"),
            Self::Variable(name) => f.write_str(name),
            Self::EnvFile(name) => write!(f, "{name} of the env file"),
        }
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: Origin,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn new(at: &Origin, text: impl Into<String>) -> Self {
        Self { at: at.clone(), text: text.into() }
    }
}

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    Number(i64),
    Words(Vec<String>),
    Secret(Arc<Secret>),
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Raw,
    pub(super) origin: Origin,
}

pub(super) type Entries = BTreeMap<String, Entry>;

/// All that is said of one gateway.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) at: Origin,
    pub(super) entries: Entries,
    pub(super) modes: BTreeMap<Access, Entries>,
}

impl Section {
    pub(super) fn new(at: Origin) -> Self {
        Self { at, entries: Entries::new(), modes: BTreeMap::new() }
    }
}

/// All that is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) default: Option<(GatewayName, Origin)>,
    pub(super) gateways: BTreeMap<GatewayName, Section>,
    pub(super) programs: BTreeMap<String, Provider>,
    pub(super) server: Option<Server>,
}

/// The mode a section is named for.
pub(super) fn mode(name: &str) -> Option<Access> {
    [Access::Read, Access::Write, Access::Admin].into_iter().find(|access| access.to_string() == name)
}

/// `unknown key `prot`; did you mean `port`?`
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|k| (strsim::osa_distance(&key.to_lowercase(), k), k))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let key: String = key.chars().take(64).collect();
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    format!("unknown key `{}`: {hint}", key.escape_debug())
}

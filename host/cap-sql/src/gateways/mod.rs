//! The gateways of one executor: from `gateways.toml`, the environment and the env file.
//!
//! In: what the operator wrote. Out: for each attempt, [`Gateways`] that do not change until its
//! end.
//! Never: mixes two versions of the settings; resolves a secret before it is used.
//! Fails: with [`GatewaysProblem`] at the start. Later a version that is not valid leaves the one
//! before in force, with a warning.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`, `docs/guides/gateways.md`.

mod declared;
mod environment;
mod file;
mod keeper;
mod keys;
mod plan;
mod servers;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use cofferdam_call::{Access, Refusal};
use cofferdam_ids::{Code, Explain, Fault, GatewayName};
use cofferdam_vault::{EnvSnapshot, Environment, Vault};

pub use self::{declared::Origin, keeper::GatewayKeeper};
use crate::{
    driver::{Engine, SqlDriver},
    refusals,
};

/// Bytes of a settings file.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The gateways as one attempt sees them, by the names releases and grants use.
#[derive(Default)]
pub struct Gateways {
    drivers: BTreeMap<GatewayName, Arc<dyn SqlDriver>>,
    default: Option<GatewayName>,
    warnings: Vec<String>,
    about: BTreeMap<GatewayName, AboutGateway>,
    keys: BTreeMap<GatewayName, Arc<keys::AttemptKeys>>,
}

/// What is set up under one name. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AboutGateway {
    /// Its engine.
    pub engine: Engine,
    /// The modes that can be opened.
    pub modes: Vec<Access>,
    /// Each setting that was written, and where.
    pub origins: Vec<(String, Origin)>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewaysProblem {
    /// The file cannot be read.
    #[error("cannot read the gateway settings `{file}`")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{file}:{line}: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A variable is not as it should be.
    #[error("{variable}: {problem}")]
    Variable {
        /// Its name, and where it is set.
        variable: String,
        /// What is wrong.
        problem: String,
    },
}

impl Explain for GatewaysProblem {
    fn code(&self) -> Code {
        Code(314)
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => "name a file the executor can read with COFFERDAM_GATEWAYS".to_owned(),
            Self::Invalid { file, line, .. } => format!("correct line {line} of {file}"),
            Self::Variable { variable, .. } => format!("correct {variable}"),
        }
    }
}

impl Gateways {
    /// Reads settings from text, without any environment over them. `base` is where relative paths
    /// start; it must be absolute.
    pub fn parse(file: &str, text: &str, base: &Path, vault: &Vault) -> Result<Self, GatewaysProblem> {
        let keeper = GatewayKeeper::of_text(file, text, base, vault.clone())?;
        Ok(keeper.attempt().0)
    }

    /// Adds or replaces a gateway.
    pub fn insert(&mut self, name: GatewayName, driver: Arc<dyn SqlDriver>) {
        self.drivers.insert(name, driver);
    }

    /// The driver of a gateway, or a refusal for the guest.
    pub fn get(&self, name: &GatewayName) -> Result<&Arc<dyn SqlDriver>, Refusal> {
        self.drivers.get(name).ok_or_else(|| {
            refusals::unknown_gateway(format!("no gateway `{name}` is set up on this executor"))
        })
    }

    /// The gateway meant where none is named.
    pub fn default_name(&self) -> Option<&GatewayName> {
        self.default.as_ref()
    }

    /// The gateways' names.
    pub fn names(&self) -> impl Iterator<Item = &GatewayName> {
        self.drivers.keys()
    }

    /// What is set up under a name, where it came from settings.
    pub fn about(&self, name: &GatewayName) -> Option<&AboutGateway> {
        self.about.get(name)
    }

    /// Looks for the credential of a mode; says for the operator what is wrong with it, and where.
    pub fn credential(&self, name: &GatewayName, access: Access) -> Result<(), String> {
        self.keys.get(name).map_or(Ok(()), |keys| keys.look(access))
    }

    /// What the operator should know about how the settings are kept, as sentences.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// An environment in which nothing is set, except for references.
fn nothing_set() -> EnvSnapshot {
    struct Nothing;
    impl Environment for Nothing {
        fn get(&self, _name: &str) -> Option<Vec<u8>> {
            None
        }
    }
    EnvSnapshot::of_process(Arc::new(Nothing))
}

#[cfg(test)]
mod tests;

//! What a driver of a warehouse server is told: where the server is, what it may be trusted with,
//! and whom to log in as.
//!
//! In: values the gateway settings were read into. Out: plain structs, equal when nothing changed.
//! Never: holds a secret outside of a [`Credential`], or looks one up.
//! Fails: not at all; keys fail with `CD0329`.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`.

use std::{sync::Arc, time::Duration};

use cofferdam_call::{Access, Refusal};

use crate::{
    net::{Address, TlsSettings},
    remote::{Allowances, Credential},
};

/// Connections of one mode, unless the settings say otherwise.
pub const CONNECTIONS_DEFAULT: usize = 8;
/// Connections of one mode, at most.
pub const CONNECTIONS_MAX: usize = 256;
/// How long a statement may run, unless the settings say otherwise.
pub const STATEMENT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3600);
/// How long a statement may wait for a lock, unless the settings say otherwise.
pub const LOCK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// The schema (PostgreSQL) or database (MySQL) of the fence, unless the settings say otherwise.
pub const FENCE_SCHEMA_DEFAULT: &str = "cofferdam";

/// The settings of a gateway to a warehouse server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where it is.
    pub address: Address,
    /// The database to connect to.
    pub database: String,
    /// The schema meant where a statement names none: PostgreSQL's; for MySQL the database.
    pub schema: String,
    /// How the server proves who it is.
    pub tls: TlsSettings,
    /// What is allowed in words.
    pub allow: Allowances,
    /// Connections of one mode, at most.
    pub connections: usize,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// Whether sessions work in the time zone of server, database or role, as other clients do; else
    /// in UTC. PostgreSQL's alone.
    pub zone_of_server: bool,
    /// Names this executor in the warehouse, in 8 hexadecimal digits; empty for the operator's
    /// tools.
    pub owner_tag: String,
    /// The schema (PostgreSQL) or database (MySQL) that holds the table `fence`.
    pub fence_schema: String,
}

/// A credential as one attempt sees it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Rises with each rotation, from 1. A key of generation 0 was overtaken before it was first
    /// used: what it opens is not kept.
    pub generation: u64,
    /// Whom to log in as.
    pub credential: Arc<Credential>,
}

/// The credentials of one gateway as one attempt sees them: the same answer from its start to its
/// end.
pub trait Keys: Send + Sync {
    /// The key of a mode.
    fn key(&self, access: Access) -> Result<Key, Refusal>;
    /// The modes that have one.
    fn modes(&self) -> Vec<Access>;
}

/// One credential for every mode, which never changes: for tests and tools of the operator.
#[derive(Clone, Debug)]
pub struct OneKey(Key);

impl OneKey {
    /// Logs in as `credential` always.
    pub fn new(credential: Credential) -> Self {
        Self(Key { generation: 1, credential: Arc::new(credential) })
    }
}

impl Keys for OneKey {
    fn key(&self, _access: Access) -> Result<Key, Refusal> {
        Ok(self.0.clone())
    }

    fn modes(&self) -> Vec<Access> {
        vec![Access::Read, Access::Write, Access::Admin]
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_vault::Secret;

    use super::*;

    #[test]
    fn a_credential_does_not_show_its_password() {
        let password = Some(Secret::new(b"hunter2-canary".to_vec()));
        let key = OneKey::new(Credential { user: "writer".to_owned(), password });
        let shown = format!("{key:?}");
        assert!(shown.contains("writer") && !shown.contains("canary"), "{shown}");
    }
}

//! The trust root: which keys may sign what. Pinned on executors by the digest of its body.

use cofferdam_ids::{KeyId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};

/// Body of `root.v1`. Version 1 is the pinned one; it is signed by its own role `root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoot {
    /// Always `root`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub spec: u32,
    /// The project's label.
    pub project: ProjectId,
    /// 1.
    pub version: u32,
    /// Nothing signed under it is accepted afterwards.
    pub expires: Timestamp,
    /// Every key named by a role, once.
    pub keys: Vec<RootKey>,
    /// Who may sign what. One key has one role.
    pub roles: Roles,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    /// Always `ed25519`.
    pub alg: String,
    /// 32 bytes in standard base64.
    pub public: String,
    /// Who holds it, for people.
    pub owner: String,
}

/// The roles of a trust root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Signs the root itself.
    pub root: RoleKeys,
    /// Signs releases.
    pub release: RoleKeys,
    /// Signs dispatches: the scheduler.
    pub dispatch: RoleKeys,
}

/// Keys of one role and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    /// Key ids.
    pub keyids: Vec<KeyId>,
    /// Distinct public keys that must have signed, at least 1.
    pub threshold: u32,
}

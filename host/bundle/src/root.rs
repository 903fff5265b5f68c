//! The trust root, pinned by the digest of its body.

use cofferdam_ids::{ProjectId, Sha256Digest, Timestamp};

use crate::{
    KeySet, PublicKey, Refused,
    envelope::Envelope,
    key::ALG,
    limits::KEYS_PER_ROLE_MAX,
    statement::{RoleKeys, StatementKind, TrustRoot},
};

/// A trust root whose digest the operator pinned and whose keys were checked.
#[derive(Clone, Debug)]
pub struct PinnedRoot {
    root: TrustRoot,
    digest: Sha256Digest,
    release: KeySet,
    dispatch: KeySet,
}

impl PinnedRoot {
    /// What it says.
    pub fn root(&self) -> &TrustRoot {
        &self.root
    }

    /// The project's label.
    pub fn project(&self) -> &ProjectId {
        &self.root.project
    }

    /// Digest of its body: the project's identity in grants.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Who signs releases.
    pub fn release_keys(&self) -> &KeySet {
        &self.release
    }

    /// Who signs dispatches.
    pub fn dispatch_keys(&self) -> &KeySet {
        &self.dispatch
    }

    /// Refuses once the root has expired.
    pub(crate) fn check_expiry(&self, now: Timestamp) -> Result<(), Refused> {
        if now >= self.root.expires {
            return Err(Refused::RootExpired { expires: self.root.expires });
        }
        Ok(())
    }
}

/// Takes a trust root: its body's digest is the pinned one, its keys are sound and have one role
/// each, its own role `root` has signed it, and it has not expired.
pub fn pin_root(envelope: &[u8], pinned: Sha256Digest, now: Timestamp) -> Result<PinnedRoot, Refused> {
    let envelope = Envelope::parse(envelope, StatementKind::Root)?;
    let digest = envelope.body_sha256();
    if digest != pinned {
        return Err(Refused::RootPin { pinned, found: digest });
    }
    let root: TrustRoot = envelope.pinned_body()?;
    let [own, release, dispatch] = key_sets(&root)?;
    let root = envelope.verify::<TrustRoot>(&own)?.into_statement();
    let pinned = PinnedRoot { root, digest, release, dispatch };
    pinned.check_expiry(now)?;
    Ok(pinned)
}

fn key_sets(root: &TrustRoot) -> Result<[KeySet; 3], Refused> {
    if root.version != 1 {
        return Err(unsound(format!("its version is {}; this version of Cofferdam knows 1", root.version)));
    }
    let mut keys: Vec<PublicKey> = Vec::new();
    for entry in &root.keys {
        let owner: String = entry.owner.chars().take(40).collect();
        if entry.alg != ALG {
            return Err(unsound(format!("the key of {owner} is not an `ed25519` key")));
        }
        let key = PublicKey::from_base64(&entry.public)
            .map_err(|source| Refused::RootKey { owner: owner.clone(), source })?;
        if keys.contains(&key) {
            return Err(unsound(format!("the key of {owner} is listed twice")));
        }
        keys.push(key);
    }
    let roles =
        [("root", &root.roles.root), ("release", &root.roles.release), ("dispatch", &root.roles.dispatch)];
    let mut sets = Vec::with_capacity(3);
    for (name, role) in roles {
        sets.push((name, role_keys(name, role, &keys)?));
    }
    one_role_each(&sets, &keys)?;
    let with_foreign = |name: &str| {
        let own = sets.iter().find(|(n, _)| *n == name).map(|(_, k)| k.clone()).unwrap_or_default();
        let threshold = roles.iter().find(|(n, _)| *n == name).map_or(1, |(_, r)| r.threshold as usize);
        let others = sets.iter().filter(|(n, _)| *n != name);
        let foreign = others.flat_map(|(n, keys)| keys.iter().map(|k| (*n, k.clone()))).collect();
        KeySet { foreign, ..KeySet::new(own, threshold) }
    };
    Ok([with_foreign("root"), with_foreign("release"), with_foreign("dispatch")])
}

fn role_keys(name: &str, role: &RoleKeys, keys: &[PublicKey]) -> Result<Vec<PublicKey>, Refused> {
    let mut own: Vec<PublicKey> = Vec::new();
    for id in &role.keyids {
        let Some(key) = keys.iter().find(|k| k.key_id() == id) else {
            return Err(unsound(format!("role `{name}` names a key that is not listed: {id}")));
        };
        if own.contains(key) {
            return Err(unsound(format!("role `{name}` names a key twice: {id}")));
        }
        own.push(key.clone());
    }
    let most = own.len().min(KEYS_PER_ROLE_MAX);
    if own.len() > KEYS_PER_ROLE_MAX || !(1..=most).contains(&(role.threshold as usize)) {
        return Err(unsound(format!(
            "role `{name}` has {} keys and a threshold of {}; 1 to {KEYS_PER_ROLE_MAX} keys and a \
             threshold within them are allowed",
            own.len(),
            role.threshold
        )));
    }
    Ok(own)
}

fn one_role_each(sets: &[(&str, Vec<PublicKey>)], keys: &[PublicKey]) -> Result<(), Refused> {
    for key in keys {
        let mut roles = sets.iter().filter(|(_, own)| own.contains(key)).map(|(name, _)| *name);
        match (roles.next(), roles.next()) {
            (Some(_), None) => {}
            (None, _) => return Err(unsound(format!("no role names the key {}", key.key_id()))),
            (Some(one), Some(other)) => {
                return Err(Refused::KeyInTwoRoles {
                    key: key.key_id().clone(),
                    one: one.into(),
                    other: other.into(),
                });
            }
        }
    }
    Ok(())
}

fn unsound(why: String) -> Refused {
    Refused::RootUnsound { why }
}

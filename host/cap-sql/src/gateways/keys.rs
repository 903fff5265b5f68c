//! The credentials one attempt sees, and their generations.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use cofferdam_call::{Access, Refusal};
use cofferdam_ids::{Explain as _, Sha256Digest};
use cofferdam_vault::{Secret, Vault, VaultError};

use super::plan::{KeyPlan, Source};
use crate::{
    refusals,
    remote::Credential,
    settings::{Key, Keys},
};

/// Generations that are remembered, for attempts that began before the newest.
const REMEMBERED: usize = 64;

/// The generations of one gateway's credentials. Shared by all attempts.
#[derive(Default)]
pub(super) struct Generations(Mutex<BTreeMap<Access, Vec<Generation>>>);

struct Generation {
    number: u64,
    /// Of the user and the password, so that no secret is kept to compare with.
    digest: Sha256Digest,
    /// When the attempt that first saw it began.
    seen_by: u64,
}

impl Generations {
    /// The generation of a credential that an attempt sees which was the `began`th to begin. An
    /// attempt that began before the newest generation was seen cannot make a newer one.
    fn of(&self, access: Access, digest: Sha256Digest, began: u64) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(access).or_default();
        match known.last() {
            Some(newest) if newest.digest == digest => return newest.number,
            Some(newest) if began < newest.seen_by => {
                let same = known.iter().rev().find(|generation| generation.digest == digest);
                return same.map_or(0, |generation| generation.number);
            }
            _ => {}
        }
        let number = known.last().map_or(1, |newest| newest.number + 1);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push(Generation { number, digest, seen_by: began });
        number
    }
}

/// The credentials one attempt sees. Each is resolved once, at its first use.
pub(super) struct AttemptKeys {
    gateway: String,
    slots: BTreeMap<Access, (KeyPlan, OnceLock<Result<Key, Refusal>>)>,
    generations: Arc<Generations>,
    vault: Vault,
    began: u64,
}

impl AttemptKeys {
    pub(super) fn new(
        gateway: &str,
        plans: &BTreeMap<Access, KeyPlan>,
        generations: Arc<Generations>,
        vault: Vault,
        began: u64,
    ) -> Self {
        let slots = plans.iter().map(|(access, plan)| (*access, (plan.clone(), OnceLock::new()))).collect();
        Self { gateway: gateway.to_owned(), slots, generations, vault, began }
    }

    /// What is wrong with the credential of a mode, for the operator.
    pub(super) fn look(&self, access: Access) -> Result<(), String> {
        let Some((plan, _)) = self.slots.get(&access) else {
            let section = format!("[gateways.{}.{access}]", self.gateway);
            return Err(format!("there is no credential for this mode: write one under {section}"));
        };
        self.resolve(access, plan).map(drop).map_err(|error| format!("{error}; {}", error.fix()))
    }

    fn resolve(&self, access: Access, plan: &KeyPlan) -> Result<Key, VaultError> {
        let user = match &plan.user {
            Source::Text(user) => user.clone(),
            Source::Secret(secret) => text_of(secret),
            Source::Reference(reference) => text_of(&self.vault.resolve(reference)?),
        };
        let password = match &plan.password {
            None => None,
            Some(Source::Text(text)) => Some(Secret::new(text.clone().into_bytes())),
            Some(Source::Secret(secret)) => Some(Secret::new(secret.expose(<[u8]>::to_vec))),
            Some(Source::Reference(reference)) => Some(self.vault.resolve(reference)?),
        };
        let generation = self.generations.of(access, digest(&user, password.as_ref()), self.began);
        Ok(Key { generation, credential: Arc::new(Credential { user, password }) })
    }
}

impl Keys for AttemptKeys {
    fn key(&self, access: Access) -> Result<Key, Refusal> {
        let Some((plan, slot)) = self.slots.get(&access) else {
            return Err(refusals::no_credential(format!(
                "gateway `{}` has no credential for `{access}` on this executor",
                self.gateway
            )));
        };
        slot.get_or_init(|| {
            self.resolve(access, plan).map_err(|error| {
                // Where it is kept is the operator's business; the code says what sort of thing
                // is wrong, and `gateway test` says the rest.
                refusals::no_credential(format!(
                    "the credential of gateway `{}` for `{access}` cannot be had ({})",
                    self.gateway,
                    error.code()
                ))
            })
        })
        .clone()
    }

    fn modes(&self) -> Vec<Access> {
        self.slots.keys().copied().collect()
    }
}

fn text_of(secret: &Secret) -> String {
    secret.expose(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn digest(user: &str, password: Option<&Secret>) -> Sha256Digest {
    let mut parts = Sha256Digest::of(user.as_bytes()).to_string().into_bytes();
    if let Some(password) = password {
        parts.extend(password.expose(Sha256Digest::of).to_string().into_bytes());
    }
    Sha256Digest::of(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_rises_with_each_change_and_never_goes_back() {
        let generations = Generations::default();
        let of = |text: &str, began| generations.of(Access::Read, Sha256Digest::of(text.as_bytes()), began);
        assert_eq!(of("a", 1), 1);
        assert_eq!(of("a", 2), 1);
        assert_eq!(of("b", 3), 2);
        assert_eq!(of("a", 4), 3, "what returns is new again");
        assert_eq!(of("b", 3), 2, "an attempt that began before keeps its own");
        assert_eq!(of("c", 2), 0, "one that was overtaken unseen is kept by nobody");
        assert_eq!(of("a", 5), 3);
        let other = generations.of(Access::Write, Sha256Digest::of(b"b"), 1);
        assert_eq!(other, 1, "a change raises the generation of its own mode only");
    }
}

//! Ed25519 keys. A key's id is derived from its bytes, so that no key can go by two names.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cofferdam_ids::{KeyId, Sha256Digest};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use zeroize::Zeroize as _;

/// The one algorithm, as trust roots write it.
pub(crate) const ALG: &str = "ed25519";

/// A text that is not a usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not 32 bytes in standard base64, or not a point of the curve.
    #[error("it is not an Ed25519 public key (32 bytes in base64)")]
    NotAKey,
    /// A point of small order: signatures that fit it can be made without a secret.
    #[error("it is a weak key: signatures that fit it can be made by anyone")]
    Weak,
}

/// A public key that was checked when it was read.
#[derive(Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl PublicKey {
    /// Reads 32 bytes in standard base64; weak keys are refused.
    pub fn from_base64(text: &str) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(text).map_err(|_| BadKey::NotAKey)?;
        Self::from_bytes(bytes.try_into().map_err(|_| BadKey::NotAKey)?)
    }

    /// Reads 32 bytes; weak keys are refused.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| BadKey::NotAKey)?;
        if key.is_weak() {
            return Err(BadKey::Weak);
        }
        // A point has more than one encoding that decompresses; only the canonical one may have an id.
        if key.to_edwards().compress().0 != bytes {
            return Err(BadKey::NotAKey);
        }
        Ok(Self { id: key_id(&bytes), key })
    }

    /// Standard base64 of the 32 bytes.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.key.as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Its id: `sha256("cofferdam-key-v1\n" || "ed25519" || "\n" || bytes)` in hex.
    pub fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// Whether the signature over the message is this key's. Strict: RFC 8032 with no room for a
    /// second signature that also fits.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.as_bytes() == other.key.as_bytes()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// A secret key. Shows nothing of itself; zeroed when dropped.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a seed: 32 bytes the caller drew at random.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.zeroize();
        let verifying = key.verifying_key();
        let public = PublicKey { id: key_id(verifying.as_bytes()), key: verifying };
        Self { key, public }
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// Its id.
    pub fn key_id(&self) -> &KeyId {
        &self.public.id
    }

    /// A signature over exactly these bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

/// The keys that may sign one kind of statement, and how many of them must have.
#[derive(Clone, Debug)]
pub struct KeySet {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) threshold: usize,
    /// Keys of other roles, so that a refusal can say whose signature it is.
    pub(crate) foreign: Vec<(&'static str, PublicKey)>,
}

impl KeySet {
    /// Keys and a threshold of distinct keys. A threshold below 1 counts as 1.
    pub fn new(keys: Vec<PublicKey>, threshold: usize) -> Self {
        Self { keys, threshold: threshold.max(1), foreign: Vec::new() }
    }

    /// One key that must have signed.
    pub fn one(key: PublicKey) -> Self {
        Self::new(vec![key], 1)
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many distinct keys must have signed.
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

fn key_id(raw: &[u8; 32]) -> KeyId {
    let mut text = Vec::with_capacity(64);
    text.extend_from_slice(b"cofferdam-key-v1\n");
    text.extend_from_slice(ALG.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(raw);
    KeyId::new(Sha256Digest::of(&text).to_string()).expect("64 hex digits are a key id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_derived_from_algorithm_and_bytes() {
        let key = SigningKey::from_seed([1; 32]);
        let again = PublicKey::from_base64(&key.public().to_base64()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
        insta::assert_snapshot!(key.key_id(), @"b1dc5b9a3b839f0cb9928ba81553a84e3a76696e59d3d5d65ebbe3597d1c82a7");
    }

    #[test]
    fn weak_keys_are_refused_when_read() {
        // The eight points of small order, canonical encodings (Chalkias et al., "Taming the many EdDSAs").
        let weak = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        ];
        for hex in weak {
            let digest: Sha256Digest = hex.parse().unwrap();
            assert_eq!(PublicKey::from_bytes(*digest.as_bytes()), Err(BadKey::Weak), "{hex}");
        }
    }

    #[test]
    fn an_encoding_that_is_not_canonical_is_no_key() {
        // y = p + 1, which decompresses to the same point as y = 1.
        let mut bytes = [0xff; 32];
        bytes[0] = 0xee;
        bytes[31] = 0x7f;
        assert!(PublicKey::from_bytes(bytes).is_err());
    }

    #[test]
    fn other_lengths_and_texts_are_no_keys() {
        for text in ["", "AAAA", "not base64!", &STANDARD.encode([1; 33])] {
            assert_eq!(PublicKey::from_base64(text), Err(BadKey::NotAKey), "{text}");
        }
    }

    #[test]
    fn a_signing_key_shows_nothing_of_itself() {
        let seed = [0xab; 32];
        let shown = format!("{:?}", SigningKey::from_seed(seed));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }
}

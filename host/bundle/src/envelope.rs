//! DSSE envelopes. The body is the exact bytes that were signed: checked first, parsed once, never
//! serialised again.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use cofferdam_ids::{ByteCount, KeyId, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{
    KeySet, PublicKey, Refused, SigningKey,
    limits::{SIGNATURES_MAX, envelope_bytes_max},
    statement::{SPEC, Statement, StatementKind},
};

// DSSE leaves alphabet and padding to the writer; what is decoded is what is signed.
const LENIENT_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT_PADDING);

/// A statement whose signatures were checked, with the digest of the bytes that were signed.
///
/// Made by [`open`] and the `verify_…` functions alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<S> {
    statement: S,
    body_sha256: Sha256Digest,
    signed_by: Vec<KeyId>,
}

impl<S> Verified<S> {
    /// The statement.
    pub fn statement(&self) -> &S {
        &self.statement
    }

    /// Digest of the signed body; a release is named by it.
    pub fn body_sha256(&self) -> Sha256Digest {
        self.body_sha256
    }

    /// The keys whose signatures counted, each once.
    pub fn signed_by(&self) -> &[KeyId] {
        &self.signed_by
    }

    /// Gives the statement away.
    pub fn into_statement(self) -> S {
        self.statement
    }
}

/// Signs a statement with every key given; gives the envelope's JSON.
///
/// # Panics
/// If the statement cannot be written as JSON, which none of ours can fail to be.
pub fn sign<S: Statement>(statement: &S, keys: &[&SigningKey]) -> Vec<u8> {
    let body = serde_json::to_vec(statement).expect("a statement is plain data");
    sign_body(S::KIND, &body, keys)
}

/// The bytes a signature covers: DSSE's pre-authentication encoding.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + payload_type.len() + 32);
    bytes.extend_from_slice(
        format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, body.len()).as_bytes(),
    );
    bytes.extend_from_slice(body);
    bytes
}

/// Checks size, envelope, payload type and signatures, in this order, then reads the body.
pub fn open<S: Statement>(envelope: &[u8], keys: &KeySet) -> Result<Verified<S>, Refused> {
    Envelope::parse(envelope, S::KIND)?.verify(keys)
}

/// Digest of an envelope's body, no signature checked: what a person compares before pinning it.
pub fn unverified_body_sha256(envelope: &[u8], kind: StatementKind) -> Result<Sha256Digest, Refused> {
    Ok(Envelope::parse(envelope, kind)?.body_sha256())
}

/// Signs bytes as they are.
pub(crate) fn sign_body(kind: StatementKind, body: &[u8], keys: &[&SigningKey]) -> Vec<u8> {
    let message = pae(kind.payload_type(), body);
    let encode = |bytes: &[u8]| Cow::Owned(general_purpose::STANDARD.encode(bytes));
    let signatures = keys
        .iter()
        .map(|key| WireSignature {
            keyid: Some(Cow::Borrowed(key.key_id().as_str())),
            sig: encode(&key.sign(&message)),
        })
        .collect();
    let wire = Wire { payload_type: kind.payload_type().into(), payload: encode(body), signatures };
    serde_json::to_vec(&wire).expect("an envelope is plain data")
}

/// An envelope of the right kind whose signatures were not checked yet.
pub(crate) struct Envelope {
    kind: StatementKind,
    body: Vec<u8>,
    signatures: Vec<(Option<String>, [u8; 64])>,
}

impl Envelope {
    /// Reads an envelope for a slot that takes one kind.
    pub(crate) fn parse(bytes: &[u8], kind: StatementKind) -> Result<Self, Refused> {
        let limit = envelope_bytes_max(kind);
        if bytes.len() > limit {
            let (size, limit) = (ByteCount(bytes.len() as u64), ByteCount(limit as u64));
            return Err(Refused::TooLarge { kind, size, limit });
        }
        let broken = |why: &str| Refused::NotAnEnvelope { kind, why: why.to_owned() };
        // serde would also read a JSON array as a struct; an envelope is an object.
        if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            return Err(broken("it is not a JSON object"));
        }
        let wire: Wire<'_> =
            serde_json::from_slice(bytes).map_err(|e| Refused::NotAnEnvelope { kind, why: e.to_string() })?;
        if wire.payload_type != kind.payload_type() {
            let found = wire.payload_type.chars().take(80).collect();
            return Err(Refused::PayloadType { kind, found });
        }
        if wire.signatures.is_empty() || wire.signatures.len() > SIGNATURES_MAX {
            return Err(broken(&format!("it has {} signatures; 1 to 8 are allowed", wire.signatures.len())));
        }
        let body = decode(&wire.payload).ok_or_else(|| broken("its payload is not base64"))?;
        let mut signatures = Vec::with_capacity(wire.signatures.len());
        for signature in wire.signatures {
            let bytes = decode(&signature.sig).and_then(|b| <[u8; 64]>::try_from(b).ok());
            let bytes = bytes.ok_or_else(|| broken("a signature is not 64 bytes in base64"))?;
            signatures.push((signature.keyid.map(Cow::into_owned), bytes));
        }
        Ok(Self { kind, body, signatures })
    }

    /// Digest of the body.
    pub(crate) fn body_sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.body)
    }

    /// The body, no signature checked. For the trust root alone, whose digest was pinned and whose
    /// keys stand in itself.
    pub(crate) fn pinned_body<S: Statement>(&self) -> Result<S, Refused> {
        self.read()
    }

    /// Counts distinct keys that signed, then reads the body.
    pub(crate) fn verify<S: Statement>(self, keys: &KeySet) -> Result<Verified<S>, Refused> {
        debug_assert_eq!(self.kind, S::KIND);
        let message = pae(self.kind.payload_type(), &self.body);
        let mut signed_by: Vec<&PublicKey> = Vec::new();
        for (hint, signature) in &self.signatures {
            // The hint only says which key to try first.
            let hinted = |k: &&PublicKey| hint.as_deref() == Some(k.key_id().as_str());
            let first = keys.keys.iter().find(hinted);
            let rest = keys.keys.iter().filter(|k| Some(*k) != first);
            let found = first.into_iter().chain(rest).find(|k| k.verifies(&message, signature));
            if let Some(key) = found.filter(|k| !signed_by.contains(k)) {
                signed_by.push(key);
            }
        }
        if signed_by.len() < keys.threshold {
            return Err(self.unsigned(keys, &message, signed_by.len()));
        }
        let signed_by = signed_by.into_iter().map(|k| k.key_id().clone()).collect();
        Ok(Verified { statement: self.read()?, body_sha256: self.body_sha256(), signed_by })
    }

    fn unsigned(&self, keys: &KeySet, message: &[u8], counted: usize) -> Refused {
        for (role, key) in &keys.foreign {
            if self.signatures.iter().any(|(_, s)| key.verifies(message, s)) {
                return Refused::KeyRole { kind: self.kind, role };
            }
        }
        Refused::Signature { kind: self.kind, counted, threshold: keys.threshold }
    }

    fn read<S: Statement>(&self) -> Result<S, Refused> {
        let kind = self.kind;
        let refuse = |why: String| Refused::Body { kind, why };
        if self.body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            return Err(refuse("it is not a JSON object".to_owned()));
        }
        let statement: S = serde_json::from_slice(&self.body).map_err(|e| refuse(e.to_string()))?;
        match statement.head() {
            (name, SPEC) if name == kind.name() => Ok(statement),
            (name, spec) => {
                let name: String = name.chars().take(40).collect();
                Err(refuse(format!("it says it is `{name}` of spec {spec}, not `{}` of spec 1", kind.name())))
            }
        }
    }
}

// DSSE: a reader ignores envelope fields it does not know. They are not signed, so nothing may
// depend on them. A field given twice is refused by serde.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    signatures: Vec<WireSignature<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    keyid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sig: Cow<'a, str>,
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let url_safe = text.bytes().any(|b| b == b'-' || b == b'_');
    if url_safe { URL_SAFE.decode(text).ok() } else { STANDARD.decode(text).ok() }
}

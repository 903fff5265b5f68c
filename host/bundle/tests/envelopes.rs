//! Envelopes: what is signed is what is read, and nothing else gets through.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use cofferdam_bundle::{
    ENVELOPE_BYTES_MAX, KeySet, Refused, SigningKey, open, pae, sign,
    statement::{Dispatch, LedgerHead, Poll, Release, Report, Statement, TrustRoot, Wanted},
    testing::Fixture,
};
use cofferdam_ids::{Code, Sha256Digest};
use proptest::prelude::*;

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

fn code<T: std::fmt::Debug>(result: Result<T, Refused>) -> u16 {
    let Code(code) = result.unwrap_err().code();
    code
}

fn poll() -> Poll {
    Poll {
        kind: "poll".into(),
        spec: 1,
        executor: FIXTURE.executor.clone(),
        cluster: FIXTURE.cluster.clone(),
        pool: FIXTURE.pool.clone(),
        role: cofferdam_ids::Role::Run,
        nonce: FIXTURE.nonce,
        boot: "0199f3a0-0000-7000-8000-00000000b001".parse().unwrap(),
        poll_seq: 1,
        version: "0.1.0".into(),
        wanted: Wanted { slots_free: 2, wait_ms: 30_000 },
        ledger: LedgerHead { size: 0, head: Sha256Digest::from_bytes([0; 32]) },
    }
}

fn report() -> Report {
    Report {
        kind: "report".into(),
        spec: 1,
        executor: FIXTURE.executor.clone(),
        dispatch_id: FIXTURE.dispatch().dispatch_id,
        lease_id: FIXTURE.dispatch().lease_id,
        fence: FIXTURE.dispatch().fence,
        state: cofferdam_bundle::statement::ReportState::Refused,
        code: Some(Code(112)),
        phase: cofferdam_bundle::statement::Phase::Verify,
        retryable: true,
        duration_s: None,
        rows_affected: None,
        ledger_seq: 1,
    }
}

/// An envelope around any body, signed for any payload type.
fn envelope(payload_type: &str, body: &[u8], by: &SigningKey) -> Vec<u8> {
    // The library signs statements alone; a raw signature is made by its own primitive here.
    use ed25519_dalek::Signer as _;
    let seed: [u8; 32] = if by.key_id() == key(7).key_id() { [7; 32] } else { [8; 32] };
    let signature = ed25519_dalek::SigningKey::from_bytes(&seed).sign(&pae(payload_type, body));
    serde_json::to_vec(&serde_json::json!({
        "payloadType": payload_type,
        "payload": STANDARD.encode(body),
        "signatures": [{"sig": STANDARD.encode(signature.to_bytes())}],
    }))
    .unwrap()
}

fn dispatch_envelope(body: &str) -> Vec<u8> {
    envelope("application/vnd.cofferdam.dispatch.v1+json", body.as_bytes(), &key(7))
}

#[test]
fn the_encoding_before_signing_is_the_one_of_the_dsse_specification() {
    let bytes = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn no_kind_of_statement_passes_for_another() {
    fn tried_as<S: Statement + std::fmt::Debug>(envelopes: &[Vec<u8>; 5], own: usize) {
        let keys = KeySet::one(key(7).public());
        for (i, envelope) in envelopes.iter().enumerate() {
            match open::<S>(envelope, &keys) {
                Ok(_) => assert_eq!(i, own),
                Err(refused) => assert_eq!((refused.code(), i == own), (Code(103), false)),
            }
        }
    }
    let by = key(7);
    let envelopes = [
        sign(&FIXTURE.root_body(), &[&by]),
        sign(&FIXTURE.release(), &[&by]),
        sign(&FIXTURE.dispatch(), &[&by]),
        sign(&poll(), &[&by]),
        sign(&report(), &[&by]),
    ];
    tried_as::<TrustRoot>(&envelopes, 0);
    tried_as::<Release>(&envelopes, 1);
    tried_as::<Dispatch>(&envelopes, 2);
    tried_as::<Poll>(&envelopes, 3);
    tried_as::<Report>(&envelopes, 4);
}

#[test]
fn a_body_relabelled_after_signing_is_refused() {
    let mut swapped: serde_json::Value = serde_json::from_slice(&sign(&poll(), &[&key(7)])).unwrap();
    swapped["payloadType"] = "application/vnd.cofferdam.report.v1+json".into();
    let bytes = serde_json::to_vec(&swapped).unwrap();
    assert_eq!(code(open::<Report>(&bytes, &KeySet::one(key(7).public()))), 104);
}

#[test]
fn a_body_that_says_it_is_another_kind_or_spec_is_refused() {
    let keys = KeySet::one(key(7).public());
    let mut dispatch = FIXTURE.dispatch();
    dispatch.kind = "release".into();
    assert_eq!(code(open::<Dispatch>(&sign(&dispatch, &[&key(7)]), &keys)), 106);
    let mut dispatch = FIXTURE.dispatch();
    dispatch.spec = 0;
    assert_eq!(code(open::<Dispatch>(&sign(&dispatch, &[&key(7)]), &keys)), 106);
}

#[test]
fn both_alphabets_of_base64_are_read_with_and_without_padding() {
    let keys = KeySet::one(key(7).public());
    let original = sign(&FIXTURE.dispatch(), &[&key(7)]);
    let wire: serde_json::Value = serde_json::from_slice(&original).unwrap();
    let decode = |v: &serde_json::Value| STANDARD.decode(v.as_str().unwrap()).unwrap();
    let (body, sig) = (decode(&wire["payload"]), decode(&wire["signatures"][0]["sig"]));
    for engine in [&URL_SAFE, &URL_SAFE_NO_PAD] {
        let mut wire = wire.clone();
        wire["payload"] = engine.encode(&body).into();
        wire["signatures"][0]["sig"] = engine.encode(&sig).into();
        let opened = open::<Dispatch>(&serde_json::to_vec(&wire).unwrap(), &keys).unwrap();
        assert_eq!(opened.body_sha256(), Sha256Digest::of(&body));
    }
}

#[test]
fn a_key_id_is_only_a_hint() {
    let keys = KeySet::new(vec![key(7).public(), key(8).public()], 1);
    let mut wire: serde_json::Value = serde_json::from_slice(&sign(&poll(), &[&key(7)])).unwrap();
    for hint in [serde_json::Value::Null, "".into(), "nonsense".into(), key(8).key_id().as_str().into()] {
        wire["signatures"][0]["keyid"] = hint;
        let opened = open::<Poll>(&serde_json::to_vec(&wire).unwrap(), &keys).unwrap();
        assert_eq!(opened.signed_by(), [key(7).key_id().clone()]);
    }
}

#[test]
fn a_threshold_counts_distinct_keys() {
    let two = KeySet::new(vec![key(7).public(), key(8).public()], 2);
    assert!(open::<Poll>(&sign(&poll(), &[&key(7), &key(8)]), &two).is_ok());
    assert_eq!(code(open::<Poll>(&sign(&poll(), &[&key(7), &key(7)]), &two)), 104);
    let doubled = KeySet::new(vec![key(7).public(), key(7).public()], 2);
    assert_eq!(code(open::<Poll>(&sign(&poll(), &[&key(7), &key(7)]), &doubled)), 104);
}

#[test]
fn unknown_envelope_fields_change_nothing() {
    let mut wire: serde_json::Value = serde_json::from_slice(&sign(&poll(), &[&key(7)])).unwrap();
    wire["alg"] = "none".into();
    wire["signatures"][0]["alg"] = "none".into();
    assert!(open::<Poll>(&serde_json::to_vec(&wire).unwrap(), &KeySet::one(key(7).public())).is_ok());
}

#[test]
fn doubled_envelope_fields_are_refused() {
    let text = String::from_utf8(sign(&poll(), &[&key(7)])).unwrap();
    for field in ["payload", "payloadType"] {
        let doubled = text.replacen('{', &format!("{{\"{field}\":\"x\","), 1);
        assert_eq!(code(open::<Poll>(doubled.as_bytes(), &KeySet::one(key(7).public()))), 102);
    }
}

#[test]
fn an_envelope_is_an_object_with_one_to_eight_signatures() {
    let keys = KeySet::one(key(7).public());
    let sig = STANDARD.encode([1; 64]);
    let with = |count: usize| {
        let signatures: Vec<_> = (0..count).map(|_| serde_json::json!({"sig": sig})).collect();
        serde_json::to_vec(&serde_json::json!({
            "payloadType": "application/vnd.cofferdam.poll.v1+json", "payload": "e30=", "signatures": signatures,
        }))
        .unwrap()
    };
    assert_eq!(code(open::<Poll>(&with(0), &keys)), 102);
    assert_eq!(code(open::<Poll>(&with(8), &keys)), 104);
    assert_eq!(code(open::<Poll>(&with(9), &keys)), 102);
    let array = br#"["e30=","application/vnd.cofferdam.poll.v1+json",[]]"#;
    assert_eq!(code(open::<Poll>(array, &keys)), 102);
}

#[test]
fn an_envelope_over_its_limit_is_not_read() {
    let keys = KeySet::one(key(7).public());
    assert_eq!(code(open::<Poll>(&vec![b' '; ENVELOPE_BYTES_MAX + 1], &keys)), 101);
    assert_eq!(code(open::<Release>(&vec![b' '; ENVELOPE_BYTES_MAX + 1], &keys)), 102);
}

#[test]
fn bodies_are_strict_json() {
    let keys = KeySet::one(key(7).public());
    let good = serde_json::to_string(&FIXTURE.dispatch()).unwrap();
    assert!(open::<Dispatch>(&dispatch_envelope(&good), &keys).is_ok());
    let bad = [
        format!("\u{feff}{good}"),
        format!("{good}{{}}"),
        good.replacen('{', "{\"fence\":1,", 1),
        good.replacen('{', "{\"surprise\":1,", 1),
        good.replace("\"fence\":1", "\"fence\":1.0"),
        good.replace("\"fence\":1", "\"fence\":1e0"),
        good.replace("\"fence\":1", "\"fence\":-1"),
        good.replace("\"fence\":1", "\"fence\":\"1\""),
        good.replace("\"fence\":1", "\"fence\":18446744073709551616"),
        good.replace("claimed:alice", "\\ud800"),
        good.replace("\"type\":\"dispatch\",", ""),
        format!("[{good}]"),
        "[\"dispatch\",1]".to_owned(),
        String::new(),
    ];
    for body in bad {
        assert_ne!(body, good);
        assert_eq!(code(open::<Dispatch>(&dispatch_envelope(&body), &keys)), 106, "{body}");
    }
}

#[test]
fn nested_bodies_refuse_doubled_and_unknown_fields_too() {
    let keys = KeySet::one(key(7).public());
    let good = serde_json::to_string(&FIXTURE.release()).unwrap();
    let open_body = |body: &str| {
        let bytes = envelope("application/vnd.cofferdam.release.v1+json", body.as_bytes(), &key(7));
        open::<Release>(&bytes, &keys)
    };
    assert!(open_body(&good).is_ok());
    for (from, to) in [
        ("{\"kind\":\"telemetry\"", "{\"kind\":\"telemetry\",\"kind\":\"telemetry\""),
        ("{\"kind\":\"telemetry\"", "{\"kind\":\"telemetry\",\"log\":true"),
        ("\"mode\":\"write\"", "\"mode\":\"write\",\"mode\":\"admin\""),
        ("\"wall_ms\"", "\"wall_us\":1,\"wall_ms\""),
        ("\"attempts\":3", "\"attempts\":3,\"attempts\":9"),
    ] {
        let body = good.replacen(from, to, 1);
        assert_ne!(body, good, "{from}");
        assert_eq!(code(open_body(&body)), 106, "{to}");
    }
}

#[test]
fn one_flipped_bit_of_the_body_or_the_signature_is_refused() {
    let keys = KeySet::one(key(7).public());
    let wire: serde_json::Value = serde_json::from_slice(&sign(&poll(), &[&key(7)])).unwrap();
    for part in ["/payload", "/signatures/0/sig"] {
        let bytes = STANDARD.decode(wire.pointer(part).unwrap().as_str().unwrap()).unwrap();
        for i in 0..bytes.len() {
            let (mut changed, mut wire) = (bytes.clone(), wire.clone());
            changed[i] ^= 1 << (i % 8);
            *wire.pointer_mut(part).unwrap() = STANDARD.encode(changed).into();
            assert_eq!(code(open::<Poll>(&serde_json::to_vec(&wire).unwrap(), &keys)), 104, "{part} {i}");
        }
    }
}

proptest! {
    #[test]
    fn one_changed_byte_is_refused_or_changes_nothing_that_was_signed(at: prop::sample::Index, to: u8) {
        let keys = KeySet::one(key(7).public());
        let mut bytes = sign(&poll(), &[&key(7)]);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(verified) = open::<Poll>(&bytes, &keys) {
            prop_assert_eq!(verified.statement(), &poll());
        }
    }

    #[test]
    fn any_bytes_give_a_statement_or_a_refusal(bytes: Vec<u8>) {
        prop_assert!(open::<Dispatch>(&bytes, &KeySet::one(key(7).public())).is_err());
    }

    #[test]
    fn any_signed_body_gives_a_statement_or_a_refusal(body in "[\\[{}\\]\",:0-9a-z]{0,60}") {
        prop_assert!(open::<Dispatch>(&dispatch_envelope(&body), &KeySet::one(key(7).public())).is_err());
    }
}

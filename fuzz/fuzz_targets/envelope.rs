//! Any bytes are an envelope that verifies, or a refusal.
#![no_main]
use cofferdam_bundle::{KeySet, SigningKey, open, statement};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let keys = KeySet::one(SigningKey::from_seed([7; 32]).public());
    let _ = open::<statement::Dispatch>(bytes, &keys);
    let _ = open::<statement::Release>(bytes, &keys);
    // Past the signature: the bodies are read strictly.
    let _ = serde_json::from_slice::<statement::Release>(bytes).map(|r| serde_json::to_vec(&r));
});

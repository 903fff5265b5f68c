//! Any bytes are a whole ledger, or the first bad record is named.
#![no_main]
use cofferdam_ledger::{VerifyOptions, verify};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = verify(bytes, &VerifyOptions::default());
});

//! Any bytes are a component that is described, or a refusal; nothing is run.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = cofferdam_inspect::inspect(bytes);
});

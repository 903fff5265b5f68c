//! Any text is a grant file or a problem with a line.
#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = cofferdam_grants::parse("fuzz.toml", text);
});

//! Any bytes a host hands a guest are rows or a failure.
#![no_main]
use cofferdam_sdk::arrow::FrameReader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = FrameReader::new().read(bytes);
});

//! Any bytes on a lane are a frame or an error.
#![no_main]
use cofferdam_call::{FromRunner, ToRunner, read_frame};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = read_frame::<FromRunner>(&mut &*bytes);
    let _ = read_frame::<ToRunner>(&mut &*bytes);
});

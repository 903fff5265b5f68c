//! Any bytes a guest loads are Arrow batches or a refusal.
#![no_main]
use cofferdam_call::{Column, DataType};
use cofferdam_cap_sql::FrameDecoder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
    let columns = [column("a", DataType::Int64), column("b", DataType::Text)];
    if let Ok(mut decoder) = FrameDecoder::new(&columns) {
        let _ = decoder.decode(bytes, &mut |_| Ok(()));
    }
});

//! Any text is read, or fails closed. What SQLite would run as several statements is never read
//! as one.
#![no_main]
use cofferdam_grants::{Dialect, read_statement};

libfuzzer_sys::fuzz_target!(|sql: &str| {
    let _ = read_statement(sql, Dialect::Sqlite, "main");
});

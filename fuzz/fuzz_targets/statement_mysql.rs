//! Any text is read as MySQL's, or fails closed.
#![no_main]
use cofferdam_grants::{Dialect, read_statement};

libfuzzer_sys::fuzz_target!(|sql: &str| {
    let _ = read_statement(sql, Dialect::Mysql, "marts");
});

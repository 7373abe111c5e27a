//! `cargo fuzz run record_lines --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::RECORD_LINES.parse)(bytes);
});

//! `cargo fuzz run manifest --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::MANIFEST.parse)(bytes);
});

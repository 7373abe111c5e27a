//! `cargo fuzz run decoder_config --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::DECODER_CONFIG.parse)(bytes);
});

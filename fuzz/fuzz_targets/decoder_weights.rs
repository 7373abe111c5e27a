//! `cargo fuzz run decoder_weights --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::DECODER_WEIGHTS.parse)(bytes);
});

//! `cargo fuzz run vit_weights --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::VIT_WEIGHTS.parse)(bytes);
});

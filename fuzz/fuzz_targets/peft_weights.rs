//! `cargo fuzz run peft_weights --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::PEFT_WEIGHTS.parse)(bytes);
});

//! `cargo fuzz run experiment --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::EXPERIMENT.parse)(bytes);
});

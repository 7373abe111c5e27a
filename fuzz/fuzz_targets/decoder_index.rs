//! `cargo fuzz run decoder_index --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = (treelora_fuzz::DECODER_INDEX.parse)(bytes);
});

//! Every parser of outside bytes, as a function of one file's bytes.
//!
//! A [`Format`] knows valid files and puts any bytes in their place. `tests/damaged.rs` damages the
//! valid ones in thousands of ways; `cargo xtask fuzz FORMAT` looks for worse, guided by the branches
//! that an input reaches, and `corpus` keeps what it found. Whatever the bytes are, a parser must come
//! back: with a value, or with an error that names the file.
#![warn(missing_docs)]

mod format;

mod scratch;

mod models;

mod images;

mod text;

mod weights;

mod runs;

use format::outcome;
pub use format::{Format, Outcome};
pub use images::{CIFAR, PICTURE};
pub use runs::{EXPERIMENT, MANIFEST, OPTIMIZER, PRETRAINING};
pub use text::{GGUF, RECORD_LINES, RECORDS, TOKENIZER};
pub use weights::{
    ADAPTER, DECODER_CONFIG, DECODER_INDEX, DECODER_WEIGHTS, PEFT_CONFIG, PEFT_WEIGHTS, VIT_WEIGHTS,
};

/// All of them.
pub const FORMATS: [&Format; 17] = [
    &CIFAR,
    &PICTURE,
    &RECORDS,
    &RECORD_LINES,
    &TOKENIZER,
    &GGUF,
    &VIT_WEIGHTS,
    &DECODER_WEIGHTS,
    &DECODER_INDEX,
    &DECODER_CONFIG,
    &ADAPTER,
    &PEFT_CONFIG,
    &PEFT_WEIGHTS,
    &EXPERIMENT,
    &PRETRAINING,
    &MANIFEST,
    &OPTIMIZER,
];

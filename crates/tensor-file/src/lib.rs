//! Named tensors in one safetensors file, each in its own type; atomic writes; text and GGUF files of others.
//!
//! | what | where |
//! |---|---|
//! | tensors by name, and their file | [`TensorFile`] |
//! | write any file so that a reader finds all of it or the one before | [`write_atomically`], [`rename_durably`] |
//! | read text and JSON that others wrote: byte order marks, other encodings | [`read_text`], [`read_json_text`] |
//! | weights for llama.cpp and what describes them, mapped | [`GgufFile`] |
//! | what a file is that is none: pickle, archive, pointer, web page | [`FileKind`], [`other_weights`] |
//! | what can go wrong: file, tensor, and the two sides that disagree | [`TensorFileError`], [`TensorProblem`] |
//!
//! The README has an example.
#![warn(missing_docs)]

mod element;

mod tensor_file;

mod atomic_write;

mod text_file;

mod error;

mod file_kind;

mod other_weights;

mod mapped_file;

mod gguf;

pub use atomic_write::{rename_durably, write_atomically};
pub use error::{TensorFileError, TensorProblem};
pub use file_kind::FileKind;
pub use gguf::{GgufError, GgufFile, GgufType};
pub use mapped_file::MappedFile;
pub use other_weights::other_weights;
pub use tensor_file::TensorFile;
pub use text_file::{
    MAX_TEXT_BYTES, TextFileError, decode_text, json_problem, parse_json, read_json_text, read_text,
};

/// The example of the README, kept running.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

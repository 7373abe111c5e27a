//! GGUF: weights for llama.cpp with what describes them, in one file.
//!
//! [`GgufFile`] maps a file and reads its index; metadata and tensors are decoded when they are asked for, tensors
//! widened to `f32` from the number formats of [`GgufType`].

mod error;

mod cursor;

mod value;

mod tensor_type;

mod dequantisation;

mod file;

pub use error::GgufError;
pub use file::GgufFile;
pub use tensor_type::GgufType;

//! Weight files, whatever model they hold: mapped, checked, read tensor by tensor.

mod error;

mod transposition;

mod weight_file;

pub use error::{ImportError, Misshaped};

pub(crate) use transposition::transposed;
pub(crate) use weight_file::WeightFile;

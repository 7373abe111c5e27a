//! Adapter values in one safetensors file.
//!
//! This crate stands on burn alone, so that it can be used without the rest of the workspace; hence a small reader
//! and writer of its own.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::LoraError;

/// One entry of a file.
pub(crate) enum Array {
    F32(Vec<f32>, Vec<usize>),
    U32(Vec<u32>, Vec<usize>),
    F64(f64),
}

impl Array {
    /// Values of a tensor `[rows, columns]`.
    pub(crate) fn matrix(tensor: Tensor<2>) -> Self {
        let shape = tensor.dims().to_vec();
        Self::F32(host(tensor), shape)
    }
}

/// Values of a matrix in row order.
pub(crate) fn host(tensor: Tensor<2>) -> Vec<f32> {
    let data = tensor.into_data().convert_dtype(DType::F32);
    data.bytes()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// A file of named arrays.
pub(crate) struct TensorFile {
    format: &'static str,
    path: PathBuf,
    arrays: BTreeMap<String, Array>,
}

impl TensorFile {
    pub(crate) fn new(format: &'static str) -> Self {
        Self {
            format,
            path: PathBuf::new(),
            arrays: BTreeMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, name: String, array: Array) {
        self.arrays.insert(name, array);
    }

    pub(crate) fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Names with this ending, without it.
    pub(crate) fn names_ending(&self, ending: &str) -> Vec<String> {
        let names = self
            .arrays
            .keys()
            .filter_map(|name| name.strip_suffix(ending));
        names.map(str::to_owned).collect()
    }

    /// A matrix and its shape.
    pub(crate) fn f32(&self, name: &str) -> Result<(Vec<f32>, [usize; 2]), LoraError> {
        match self.arrays.get(name) {
            Some(Array::F32(values, shape)) if shape.len() == 2 => {
                Ok((values.clone(), [shape[0], shape[1]]))
            }
            other => Err(self.unexpected(name, "a matrix of f32", other)),
        }
    }

    /// A vector.
    pub(crate) fn vector(&self, name: &str) -> Result<Vec<f32>, LoraError> {
        match self.arrays.get(name) {
            Some(Array::F32(values, shape)) if shape.len() == 1 => Ok(values.clone()),
            other => Err(self.unexpected(name, "a vector of f32", other)),
        }
    }

    /// A vector of indices.
    pub(crate) fn u32(&self, name: &str) -> Result<Vec<u32>, LoraError> {
        match self.arrays.get(name) {
            Some(Array::U32(values, shape)) if shape.len() == 1 => Ok(values.clone()),
            other => Err(self.unexpected(name, "a vector of u32", other)),
        }
    }

    /// A number.
    pub(crate) fn f64(&self, name: &str) -> Result<f64, LoraError> {
        match self.arrays.get(name) {
            Some(Array::F64(value)) => Ok(*value),
            other => Err(self.unexpected(name, "one f64", other)),
        }
    }

    fn unexpected(&self, name: &str, wanted: &str, found: Option<&Array>) -> LoraError {
        self.problem(match found {
            None => format!("tensor `{name}` is missing"),
            Some(Array::F32(_, shape)) => format!("tensor `{name}` is f32 {shape:?}, not {wanted}"),
            Some(Array::U32(_, shape)) => format!("tensor `{name}` is u32 {shape:?}, not {wanted}"),
            Some(Array::F64(_)) => format!("tensor `{name}` is one f64, not {wanted}"),
        })
    }

    pub(crate) fn problem(&self, problem: String) -> LoraError {
        LoraError::Format {
            path: self.path.clone(),
            problem,
        }
    }

    /// Write to a temporary file beside `path`, sync, rename: a reader finds the old file or the new one.
    pub(crate) fn save(&self, path: &Path) -> Result<(), LoraError> {
        let format = |e: safetensors::SafeTensorError| LoraError::Format {
            path: path.to_owned(),
            problem: e.to_string(),
        };
        let encoded: Vec<(&String, Dtype, Vec<usize>, Vec<u8>)> = self
            .arrays
            .iter()
            .map(|(name, array)| match array {
                Array::F32(values, shape) => {
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (name, Dtype::F32, shape.clone(), bytes)
                }
                Array::U32(values, shape) => {
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (name, Dtype::U32, shape.clone(), bytes)
                }
                Array::F64(value) => (name, Dtype::F64, vec![1], value.to_le_bytes().to_vec()),
            })
            .collect();
        let views = encoded
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(format)?;
        let metadata = HashMap::from([("format".to_owned(), self.format.to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(format)?;
        write_atomically(path, &bytes).map_err(|source| LoraError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Read a file of this format.
    pub(crate) fn load(path: &Path, format: &'static str) -> Result<Self, LoraError> {
        let mut file = Self {
            path: path.to_owned(),
            ..Self::new(format)
        };
        let bytes = fs::read(path).map_err(|source| LoraError::Io {
            path: path.to_owned(),
            source,
        })?;
        let damaged = |e: safetensors::SafeTensorError| LoraError::Format {
            path: path.to_owned(),
            problem: e.to_string(),
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let found = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("format"));
        if found.map(String::as_str) != Some(format) {
            let found = found.map_or("none", String::as_str);
            return Err(file.problem(format!("format `{found}`, expected `{format}`")));
        }
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(damaged)?.tensors() {
            let (shape, data) = (view.shape().to_vec(), view.data());
            let words = data.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
            let array = match (view.dtype(), <[u8; 8]>::try_from(data)) {
                (Dtype::F32, _) => Array::F32(words.map(f32::from_le_bytes).collect(), shape),
                (Dtype::U32, _) => Array::U32(words.map(u32::from_le_bytes).collect(), shape),
                (Dtype::F64, Ok(bytes)) => Array::F64(f64::from_le_bytes(bytes)),
                (dtype, _) => {
                    return Err(file.problem(format!("tensor `{name}` is {dtype:?} {shape:?}")));
                }
            };
            file.insert(name, array);
        }
        Ok(file)
    }
}

/// A reader of `path` finds the old file or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself; folders cannot be synced on every platform, and the file stands either way.
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            && let Ok(folder) = fs::File::open(folder)
        {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

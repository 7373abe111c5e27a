//! Named tensors in one safetensors file, and atomic writes.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::Error;

/// Named `f32` tensors that are written to and read from one safetensors file.
#[derive(Clone, Debug, Default)]
pub struct TensorFile {
    path: Option<PathBuf>,
    tensors: BTreeMap<String, TensorData>,
}

impl TensorFile {
    /// A file without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a tensor, converted to `f32`; replaces one of the same name.
    pub fn insert<const D: usize>(&mut self, name: impl Into<String>, tensor: Tensor<D>) {
        self.insert_data(name, tensor.into_data());
    }

    /// Add host data, converted to `f32`; replaces data of the same name.
    pub fn insert_data(&mut self, name: impl Into<String>, data: TensorData) {
        self.tensors
            .insert(name.into(), data.convert_dtype(DType::F32));
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Bytes of all tensors, without the header.
    pub fn num_bytes(&self) -> usize {
        self.tensors.values().map(|data| data.bytes().len()).sum()
    }

    /// The data called `name`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn data(&self, name: &str) -> Result<&TensorData, Error> {
        self.tensors
            .get(name)
            .ok_or_else(|| self.problem(format!("tensor `{name}` is missing")))
    }

    /// The tensor called `name`, on `device`.
    ///
    /// # Errors
    /// When there is none of that name or its rank is not `D`.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Result<Tensor<D>, Error> {
        let data = self.data(name)?;
        if data.shape().len() != D {
            return Err(self.problem(format!(
                "tensor `{name}` has {} dimensions, expected {D}",
                data.shape().len()
            )));
        }
        Ok(Tensor::from_data(data.clone(), device))
    }

    /// Write the file atomically.
    ///
    /// # Errors
    /// When writing fails; an earlier file at `path` is then unchanged.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let views = self
            .tensors
            .iter()
            .map(|(name, data)| {
                TensorView::new(Dtype::F32, data.shape().to_vec(), data.bytes())
                    .map(|view| (name, view))
                    .map_err(|e| Error::format(path, format!("tensor `{name}`: {e}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let bytes =
            safetensors::serialize(views, None).map_err(|e| Error::format(path, e.to_string()))?;
        write_atomically(path, &bytes)
    }

    /// Read a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or holds another type than `f32`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        let parsed =
            SafeTensors::deserialize(&bytes).map_err(|e| Error::format(path, e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::format(
                    path,
                    format!("tensor `{name}` is {:?}, expected F32", view.dtype()),
                ));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            tensors.insert(name, TensorData::new(values, view.shape().to_vec()));
        }
        Ok(Self {
            path: Some(path.to_owned()),
            tensors,
        })
    }

    fn problem(&self, problem: String) -> Error {
        match &self.path {
            Some(path) => Error::format(path, problem),
            None => Error::Data(problem),
        }
    }
}

/// Write `bytes` to `path` so that a reader finds the old file or the new one, never a part:
/// temporary file beside it, fsync, rename, fsync of the folder.
///
/// # Errors
/// When writing fails; an earlier file at `path` is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rename_durably(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        Error::io(path, source)
    })
}

/// Rename a file or folder so that the new name outlives a loss of power.
///
/// # Errors
/// When the rename fails.
pub fn rename_durably(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)?;
    if let Some(folder) = to.parent().filter(|p| !p.as_os_str().is_empty()) {
        // Directories cannot be opened for syncing on every platform; the rename stands.
        if let Ok(folder) = fs::File::open(folder) {
            let _ = folder.sync_all();
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_named_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let device = Device::flex();
        let mut file = TensorFile::new();
        file.insert(
            "a.b",
            Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.5]], &device),
        );
        file.save(&path).unwrap();
        let read = TensorFile::load(&path).unwrap();
        let tensor: Tensor<2> = read.tensor("a.b", &device).unwrap();
        assert_eq!(tensor.into_data(), file.data("a.b").unwrap().clone());
        let error = read.tensor::<1>("a.b", &device).unwrap_err().to_string();
        assert!(
            error.contains("a.b") && error.contains("x.safetensors"),
            "{error}"
        );
        assert!(read.data("c").unwrap_err().to_string().contains("`c`"));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged.safetensors");
        fs::write(&path, [7u8; 40]).unwrap();
        let error = TensorFile::load(&path).unwrap_err().to_string();
        assert!(error.contains("damaged.safetensors"), "{error}");
    }
}

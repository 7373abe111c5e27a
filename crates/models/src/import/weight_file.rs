//! A safetensors file, read and checked, not yet understood.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{bf16, f16};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo},
};

use treelora_core::{FileKind, MappedFile};

use super::{ImportError, transposition::transposed};

/// Headers of published models have some hundred kilobytes at most; a file that announces more than
/// this is damaged or something else.
const MAX_HEADER_BYTES: u64 = 16 << 20;

pub(crate) struct WeightFile {
    path: PathBuf,
    metadata: Metadata,
    bytes: MappedFile,
    /// Where the tensor values start, behind the header.
    values: usize,
}

impl WeightFile {
    pub(crate) fn read(path: &Path) -> Result<Self, ImportError> {
        let io = |source| ImportError::Io {
            path: path.to_owned(),
            source,
        };
        let damaged = |problem: String| match FileKind::at(path) {
            Ok(Some(kind)) if kind != FileKind::Safetensors => ImportError::OtherFile {
                path: path.to_owned(),
                kind,
            },
            _ => ImportError::Damaged {
                path: path.to_owned(),
                problem,
            },
        };

        let file = fs::File::open(path).map_err(io)?;
        if path.is_dir() {
            return Err(ImportError::folder(path));
        }
        let length = file.metadata().map_err(io)?.len();
        if length < 8 {
            return Err(damaged(format!("it has {length} bytes")));
        }
        let bytes = MappedFile::of(&file).map_err(io)?;
        let (first, _) = bytes.as_chunks();
        let announced = u64::from_le_bytes(first[0]);
        // Before the header is parsed: a wrong file may announce anything.
        if announced > MAX_HEADER_BYTES || announced > length - 8 {
            let problem = format!("it announces a header of {announced} bytes, has {length}");
            return Err(damaged(problem));
        }
        let (header, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            metadata,
            bytes,
            values: 8 + header,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names in the order of their values.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.metadata.offset_keys().into_iter()
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(self.metadata.info(name)?.shape.as_slice())
    }

    pub(crate) fn dtype(&self, name: &str) -> Option<Dtype> {
        Some(self.metadata.info(name)?.dtype)
    }

    /// The values of tensor `name` as `f32`; empty when there is none of that name, which
    /// the caller has ruled out by comparing names first.
    pub(crate) fn values(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        let Some(TensorInfo { dtype, .. }) = self.metadata.info(name) else {
            return Ok(Vec::new());
        };
        let bytes = self.bytes_of(name);
        let values: Vec<f32> = match dtype {
            Dtype::F32 => {
                let (values, _) = bytes.as_chunks();
                values.iter().map(|b| f32::from_le_bytes(*b)).collect()
            }
            Dtype::F16 => {
                let (values, _) = bytes.as_chunks();
                values
                    .iter()
                    .map(|b| f16::from_le_bytes(*b).to_f32())
                    .collect()
            }
            Dtype::BF16 => {
                let (values, _) = bytes.as_chunks();
                values
                    .iter()
                    .map(|b| bf16::from_le_bytes(*b).to_f32())
                    .collect()
            }
            Dtype::F64 => {
                let (values, _) = bytes.as_chunks();
                values
                    .iter()
                    .map(|b| f64::from_le_bytes(*b) as f32)
                    .collect()
            }
            other => {
                return Err(ImportError::Type {
                    path: self.path.clone(),
                    name: name.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(position) => Err(ImportError::NotFinite {
                path: self.path.clone(),
                name: name.to_owned(),
                position,
                value: values[position],
            }),
        }
    }

    /// The values of a linear weight `[outputs, inputs]` as `[inputs, outputs]`.
    pub(crate) fn transposed(&self, name: &str, inputs: usize) -> Result<Vec<f32>, ImportError> {
        Ok(transposed(&self.values(name)?, inputs))
    }

    /// The bytes of tensor `name` as they lie in the file; empty when there is none of that name.
    pub(crate) fn bytes_of(&self, name: &str) -> &[u8] {
        match self.metadata.info(name) {
            Some(info) => &self.bytes[self.values..][info.data_offsets.0..info.data_offsets.1],
            None => &[],
        }
    }
}

//! A safetensors file, read and checked, not yet understood.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use burn::tensor::{bf16, f16};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo},
};

use super::ImportError;

/// Headers of published vision transformers have some ten kilobytes; a file that announces more
/// than this is damaged or something else.
const MAX_HEADER_BYTES: u64 = 16 << 20;

pub(super) struct WeightFile {
    path: PathBuf,
    metadata: Metadata,
    /// Tensor values, without the header.
    values: Vec<u8>,
}

impl WeightFile {
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let io = |source| ImportError::Io {
            path: path.to_owned(),
            source,
        };
        let damaged = |problem: String| ImportError::Damaged {
            path: path.to_owned(),
            problem,
        };

        let mut file = fs::File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length < 8 {
            return Err(damaged(format!("it has {length} bytes")));
        }
        let mut header_length = [0; 8];
        file.read_exact(&mut header_length).map_err(io)?;
        let header_bytes = u64::from_le_bytes(header_length);
        // Before the rest is read: a wrong file may be huge.
        if header_bytes > MAX_HEADER_BYTES || header_bytes > length - 8 {
            let problem = format!("it announces a header of {header_bytes} bytes, has {length}");
            return Err(damaged(problem));
        }
        let mut bytes = header_length.to_vec();
        file.read_to_end(&mut bytes).map_err(io)?;
        let (header_bytes, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        bytes.drain(..8 + header_bytes);
        Ok(Self {
            path: path.to_owned(),
            metadata,
            values: bytes,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Names in the order of their values.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.metadata.offset_keys().into_iter()
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(self.metadata.info(name)?.shape.as_slice())
    }

    /// The values of tensor `name`, widened to `f32`; empty when there is none of that name, which
    /// the caller has ruled out by comparing names first.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        let Some(TensorInfo {
            dtype,
            data_offsets: (start, end),
            ..
        }) = self.metadata.info(name)
        else {
            return Ok(Vec::new());
        };
        let bytes = &self.values[*start..*end];
        match dtype {
            Dtype::F32 => {
                let (values, _) = bytes.as_chunks();
                Ok(values.iter().map(|b| f32::from_le_bytes(*b)).collect())
            }
            Dtype::F16 => {
                let (values, _) = bytes.as_chunks();
                Ok(values
                    .iter()
                    .map(|b| f16::from_le_bytes(*b).to_f32())
                    .collect())
            }
            Dtype::BF16 => {
                let (values, _) = bytes.as_chunks();
                Ok(values
                    .iter()
                    .map(|b| bf16::from_le_bytes(*b).to_f32())
                    .collect())
            }
            other => Err(ImportError::Type {
                path: self.path.clone(),
                name: name.to_owned(),
                found: format!("{other:?}"),
            }),
        }
    }
}

//! Weight files that the field's tools load, whatever model they hold.

use std::{borrow::Cow, collections::HashMap, fs, path::Path};

use burn::{nn::Linear, tensor::Tensor};
use safetensors::{Dtype, View};
use treelora_core::Error;

/// Name of a model's weights in its folder.
pub(crate) const FILE: &str = "model.safetensors";

/// Write `model.safetensors` into a folder, which is created.
///
/// # Errors
/// When writing fails; an earlier file is then unchanged.
pub(crate) fn save(folder: &Path, tensors: Vec<(String, Stored)>) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let path = folder.join(FILE);
    let temporary = folder.join(format!("{FILE}.tmp"));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let written = safetensors::serialize_to_file(tensors, Some(metadata), &temporary)
        .map_err(|e| Error::format(&path, e.to_string()))
        .and_then(|()| fs::rename(&temporary, &path).map_err(|e| Error::io(&path, e)));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A tensor that is read back from its device only when it is written, so that writing needs no second copy of the
/// model.
pub(crate) struct Stored {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Vector(Tensor<1>),
    Matrix(Tensor<2>),
}

impl Stored {
    pub(crate) fn vector(tensor: Tensor<1>) -> Self {
        Self {
            shape: tensor.dims().to_vec(),
            values: Values::Vector(tensor),
        }
    }

    pub(crate) fn matrix(tensor: Tensor<2>) -> Self {
        Self {
            shape: tensor.dims().to_vec(),
            values: Values::Matrix(tensor),
        }
    }

    /// burn's `[inputs, outputs]` as PyTorch's `[outputs, inputs]`.
    pub(crate) fn linear(layer: &Linear) -> Self {
        Self::matrix(layer.weight.val().transpose())
    }

    /// The same values under another shape.
    ///
    /// # Panics
    /// When the shape has another number of values.
    pub(crate) fn reshaped(self, shape: &[usize]) -> Self {
        let [before, after]: [usize; 2] =
            [&self.shape, shape].map(|shape: &[usize]| shape.iter().product());
        assert_eq!(before, after, "{:?} as {shape:?}", self.shape);
        Self {
            shape: shape.to_vec(),
            ..self
        }
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = match &self.values {
            Values::Vector(tensor) => tensor.to_data(),
            Values::Matrix(tensor) => tensor.to_data(),
        };
        Cow::Owned(data.iter::<f32>().flat_map(f32::to_le_bytes).collect())
    }

    fn data_len(&self) -> usize {
        size_of::<f32>() * self.shape.iter().product::<usize>()
    }
}

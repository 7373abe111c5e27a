//! Weights of the model itself that an adapter folder holds beside the adapter.
//!
//! PEFT writes them for what was trained as a whole (`modules_to_save`), and copies of embeddings and heads that were
//! only adapted, or not even that.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Tensor, TensorData},
};

use super::{ModuleNames, tensors::Stored};
use crate::LoraError;

/// A weight or bias of the model.
#[derive(Clone, Debug)]
pub struct WeightCopy {
    /// Path of the parameter.
    pub path: String,
    /// Name of the tensor in the file.
    pub tensor: String,
    /// Whether the settings say that the module was trained as a whole.
    pub is_trained: bool,
    /// As PyTorch has it: the weight of a linear layer is `[d_out, d_in]`.
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl WeightCopy {
    pub(super) fn new(
        stored: Stored,
        names: &ModuleNames,
        is_trained: bool,
    ) -> Result<Self, String> {
        let paths = names.ours(&stored.module)?;
        let ([path], parameter) = (paths.as_slice(), stored.parameter) else {
            let (tensor, parts) = (stored.tensor, paths.len());
            return Err(format!("`{tensor}` is a weight that is {parts} here"));
        };
        let layer = path.strip_suffix("weight").unwrap_or(path);
        Ok(Self {
            path: format!("{layer}{parameter}"),
            tensor: stored.tensor,
            is_trained,
            shape: stored.shape,
            values: stored.values,
        })
    }
}

/// The model with these weights, and the indices of the copies that its own were not equal to. Parameters keep their
/// identity, device and number format.
///
/// # Errors
/// When the model has no such parameter, or one of another shape.
pub fn with_copies<M: Module>(
    model: M,
    copies: &[WeightCopy],
) -> Result<(M, Vec<usize>), LoraError> {
    let by_path = copies.iter().enumerate();
    let mut mapper = Replace {
        path: Vec::new(),
        containers: Vec::new(),
        copies: by_path
            .map(|(index, copy)| (copy.path.as_str(), (index, copy)))
            .collect(),
        changed: Vec::new(),
        misfit: None,
    };
    let model = model.map(&mut mapper);
    if let Some(error) = mapper.misfit {
        return Err(error);
    }
    if let Some((path, (_, copy))) = mapper.copies.into_iter().next() {
        let problem = format!("not in the model, but in the file as `{}`", copy.tensor);
        return Err(LoraError::layer(path, problem));
    }
    Ok((model, mapper.changed))
}

struct Replace<'c> {
    path: Vec<String>,
    containers: Vec<String>,
    /// What the model has not been seen to have.
    copies: BTreeMap<&'c str, (usize, &'c WeightCopy)>,
    changed: Vec<usize>,
    misfit: Option<LoraError>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some((index, copy)) = self.copies.remove(path.as_str()) else {
            return param;
        };
        let is_linear = self.containers.last().is_some_and(|c| c == "Struct:Linear");
        let turn = |x: Tensor<D>| match is_linear && D == 2 {
            true => x.swap_dims(0, D - 1),
            false => x,
        };
        let base = param.base();
        // Turned for its shape and its order of values alone.
        let there = turn(base.clone()).without_autodiff();
        if there.dims()[..] != copy.shape[..] {
            let (found, expected) = (&copy.shape, there.dims());
            let problem = format!(
                "{found:?} in the file (`{}`), {expected:?} in the model: a vocabulary that was resized, or \
                 another model",
                copy.tensor
            );
            self.misfit = Some(LoraError::layer(&path, problem));
            return param;
        }
        let data = TensorData::new(copy.values.clone(), there.shape());
        let device = there.device();
        let new = Tensor::<D>::from_data(data, &device).cast(there.dtype());
        let host = |x: Tensor<D>| {
            x.into_data()
                .convert_dtype(DType::F32)
                .try_into_vec::<f32>()
        };
        if host(new.clone()).ok() == host(there).ok() {
            return param;
        }
        self.changed.push(index);
        param.map(|old| {
            let tracked = old.is_require_grad();
            Tensor::from_data(turn(new).into_data(), &old.device()).set_require_grad(tracked)
        })
    }
}

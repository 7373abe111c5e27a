//! The number format of a frozen base.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::Error;

/// The format in which the matrices of a frozen base are kept. Vectors (biases, normalisations), activations, adapters
/// and a head that is trained are `f32` in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 4 bytes a weight.
    #[default]
    F32,
    /// 2 bytes a weight, 8 bits of mantissa. The CPU multiplies them directly where it can (AMX or AVX-512 BF16, which
    /// round the activations of the product too and sum in `f32`) and widens them as they are read elsewhere. Other
    /// backends widen a whole matrix for each product and, while training, hold the wide copy until the backward: there
    /// it is loading and evaluation that take less memory.
    Bf16,
}

impl Precision {
    /// Check that `device` computes in this format; one that does not gives wrong numbers, not errors.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the format and the device.
    pub fn check_on(self, device: &Device) -> Result<(), Error> {
        match self == Self::F32 || device.supports_dtype(DType::BF16) {
            true => Ok(()),
            false => Err(Error::setting(
                "precision",
                format!("bf16: {device:?} does not compute in it; f32 works everywhere"),
            )),
        }
    }

    /// A module with its matrices in this format; in a lower one than `f32` they are frozen, since steps of a usual
    /// learning rate would be rounded away. Adapters keep theirs.
    pub(crate) fn of_matrices<M: Module>(self, module: M) -> M {
        match self {
            Self::F32 => module,
            Self::Bf16 => module.map(&mut Frozen {
                format: DType::BF16,
                inside: 0,
            }),
        }
    }
}

/// Freezes matrices in a number format.
struct Frozen {
    format: DType,
    /// Depth inside a reparameterization.
    inside: usize,
}

impl ModuleMapper for Frozen {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.inside += usize::from(container_type == "Reparameterization");
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.inside -= usize::from(container_type == "Reparameterization");
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 2 || self.inside > 0 {
            return param;
        }
        // Frozen first: a cast of a tracked weight would keep the wide one in the graph.
        let param = param.set_require_grad(false);
        param.map(|weight| weight.cast(self.format))
    }
}

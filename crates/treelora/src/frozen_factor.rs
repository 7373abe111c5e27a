//! A factor of the adapter that stays as the first task left it: the control for what a pull on A amounts to.

use burn::{module::Module, optim::GradientsParams, tensor::Tensor};
use serde::{Deserialize, Serialize};
use treelora_lora::adapters_at;

/// One of the two factors of a low-rank update `a b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// The down-projection.
    A,
    /// The up-projection.
    B,
}

impl Factor {
    /// `gradients` without those of this factor, so that no optimiser moves it.
    pub(crate) fn removed_from<M: Module>(
        self,
        mut gradients: GradientsParams,
        model: &M,
    ) -> GradientsParams {
        for (_, adapter) in adapters_at(model, 0) {
            let parameter = match self {
                Self::A => adapter.a.id,
                Self::B => adapter.b.id,
            };
            let _: Option<Tensor<2>> = gradients.remove(parameter);
        }
        gradients
    }
}

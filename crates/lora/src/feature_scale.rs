//! A scale of the features that a layer gives.

use burn::{module::Param, tensor::Tensor};

use crate::{
    site::Site,
    update::{Update, WeightUpdate},
};

/// `W diag(scale)` of a weight `[d_in, d_out]`: output feature j becomes `1 + scale_j` times itself, before the bias.
///
/// Source: Verma et al., <https://arxiv.org/abs/2103.13558>, the map of fully connected layers.
#[derive(Clone, Debug)]
pub struct FeatureScale {
    /// By how much each feature grows, `[1, d_out]`.
    pub scale: Param<Tensor<2>>,
    dims: [usize; 2],
}

impl FeatureScale {
    /// Zero: features stay as they are.
    pub fn zero(site: &Site) -> Self {
        let scale = Tensor::zeros([1, site.dims[1]], &site.device);
        Self {
            scale: Param::from_tensor(scale),
            dims: site.dims,
        }
    }
}

impl WeightUpdate for FeatureScale {
    fn dims(&self) -> [usize; 2] {
        self.dims
    }

    fn output(&self, _x: Tensor<2>, product: &dyn Fn() -> Tensor<2>) -> Tensor<2> {
        product() * self.scale.val()
    }

    fn delta(&self, weight: Tensor<2>) -> Tensor<2> {
        let scale = self.scale.val();
        weight.cast(scale.dtype()) * scale
    }

    fn map_parameters(
        &self,
        map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
    ) -> Update {
        Update::new(Self {
            scale: map("scale", self.scale.clone()),
            dims: self.dims,
        })
    }
}

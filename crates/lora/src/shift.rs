//! A shift of the features that a layer gives.

use burn::{module::Param, tensor::Tensor};

use crate::{
    site::Site,
    update::{Update, WeightUpdate},
};

/// `bias + shift` of a bias `[d_out]`.
#[derive(Clone, Debug)]
pub struct Shift {
    /// What is added, `[1, d_out]`.
    pub shift: Param<Tensor<2>>,
}

impl Shift {
    /// Zero: features stay where they are.
    pub fn zero(site: &Site) -> Self {
        let shift = Tensor::zeros([1, site.dims[1]], &site.device);
        Self {
            shift: Param::from_tensor(shift),
        }
    }
}

impl WeightUpdate for Shift {
    fn dims(&self) -> [usize; 2] {
        self.shift.dims()
    }

    fn output(&self, x: Tensor<2>, _product: &dyn Fn() -> Tensor<2>) -> Tensor<2> {
        x.matmul(self.shift.val())
    }

    fn delta(&self, _weight: Tensor<2>) -> Tensor<2> {
        self.shift.val()
    }

    fn map_parameters(
        &self,
        map: &mut dyn FnMut(&'static str, Param<Tensor<2>>) -> Param<Tensor<2>>,
    ) -> Update {
        Update::new(Self {
            shift: map("shift", self.shift.clone()),
        })
    }
}

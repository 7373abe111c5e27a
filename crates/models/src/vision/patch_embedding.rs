//! From pixels to tokens.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;

use super::initialization::uniform_linear;

/// Cuts an image into square patches and maps each to a token: a convolution whose stride equals
/// its kernel, written as the linear layer it is.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    /// `[channels * patch * patch, width]`, the rows ordered channel, row, column.
    pub projection: Linear,
    patch_size: usize,
}

impl PatchEmbedding {
    pub(crate) fn new(projection: Linear, patch_size: usize) -> Self {
        Self {
            projection,
            patch_size,
        }
    }

    pub(crate) fn init(
        channels: usize,
        patch_size: usize,
        width: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let values = channels * patch_size * patch_size;
        Self::new(uniform_linear(values, width, rng, device), patch_size)
    }

    /// One token a patch, row by row.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` -> `[batch, patches, features]`.
    ///
    /// # Panics
    /// When height or width is no multiple of the patch size.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = images.dims();
        let patch = self.patch_size;
        assert!(
            height % patch == 0 && width % patch == 0,
            "an image of {height} x {width} pixels does not divide into patches of {patch}"
        );
        let (rows, columns) = (height / patch, width / patch);
        let patches = images
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * columns, channels * patch * patch]);
        treelora_lora::linear(&self.projection, patches)
    }
}

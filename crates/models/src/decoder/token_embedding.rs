//! From token ids to vectors, and, where the head is tied, back to scores.

use burn::{
    module::{Module, Param},
    tensor::{DType, Int, Tensor, module::embedding},
};

/// One vector a token.
#[derive(Module, Debug)]
pub struct TokenEmbedding {
    /// The vectors, `[vocabulary, width]`.
    pub weight: Param<Tensor<2>>,
    scale: f64,
}

impl TokenEmbedding {
    pub(super) fn new(weight: Param<Tensor<2>>, scale: f64) -> Self {
        Self { weight, scale }
    }

    /// The vectors of tokens in `f32`, scaled where the family does so.
    ///
    /// # Shapes
    /// `[batch, positions]` -> `[batch, positions, width]`.
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let vectors = embedding(self.weight.val(), ids);
        let vectors = match vectors.dtype() {
            // Of a base in half precision.
            DType::BF16 => vectors.cast(DType::F32),
            _ => vectors,
        };
        match self.scale {
            1.0 => vectors,
            scale => vectors * scale,
        }
    }

    /// Scores of every token by its own vector: a head that is the transposed weight, read in place.
    ///
    /// # Shapes
    /// `[.., width]` -> `[.., vocabulary]`.
    pub fn score<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        treelora_kernels::linear(x, self.weight.val().transpose(), None)
    }
}

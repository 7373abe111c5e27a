//! What the operands of a product may be rounded to.

use burn::tensor::DType;

/// The format to which an operation may round the operands of its products; sums are f32.
///
/// A permission: only where it is faster are they rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Operands are multiplied as they are.
    None,
    /// Operands may lose all but 8 bits of their mantissa.
    Bf16,
}

impl Rounding {
    /// That of activations beside weights of a format: products with bf16 weights round them too.
    pub fn beside(weights: DType) -> Self {
        match weights {
            DType::BF16 => Self::Bf16,
            _ => Self::None,
        }
    }
}

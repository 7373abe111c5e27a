//! The number format of frozen weights.

/// Of the frozen projections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Precision {
    F32,
    Bf16,
}

/// In the order of the tables.
pub(crate) const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

impl Precision {
    /// In the names of cases and in the lines that both sides read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

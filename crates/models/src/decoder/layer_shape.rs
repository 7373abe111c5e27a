//! The shape of a linear layer, before it has values.

/// Inputs, outputs and whether there is a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) has_bias: bool,
}

impl Shape {
    /// Without bias.
    pub(super) fn of(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs,
            outputs,
            has_bias: false,
        }
    }

    pub(super) fn with_bias(self, has_bias: bool) -> Self {
        Self { has_bias, ..self }
    }
}

//! How much of each update takes part, as tensors that may have gradients.

use burn::tensor::Tensor;

/// Weights of the updates as tensors in the autodiff graph, so that what computes them is trained through the loss.
///
/// They belong to one step: its graph lives as long as they do, so each step selects its own. `valid()` keeps their
/// values alone.
#[derive(Clone, Debug)]
pub struct Gates {
    /// `[1, updates]` for all samples, `[batch, updates]` for each.
    weights: Box<Tensor<2>>,
}

impl Gates {
    /// One weight an update, `[updates]`, in the order of their indices.
    pub fn shared(weights: Tensor<1>) -> Self {
        Self {
            weights: Box::new(weights.unsqueeze_dim(0)),
        }
    }

    /// Weights of each sample, `[batch, updates]`: `batch` is the size of the first axis of every layer's input.
    pub fn each_sample(weights: Tensor<2>) -> Self {
        Self {
            weights: Box::new(weights),
        }
    }

    /// Number of updates that are weighted.
    pub(crate) fn len(&self) -> usize {
        self.weights.dims()[1]
    }

    /// Whether samples have weights of their own.
    pub(crate) fn vary(&self) -> bool {
        self.weights.dims()[0] > 1
    }

    pub(crate) fn amounts(&self) -> Vec<(usize, Amount)> {
        let gate = |index| Box::new(self.weights.clone().narrow(1, index, 1));
        let indices = 0..self.len();
        indices
            .map(|index| (index, Amount::Gate(gate(index))))
            .collect()
    }

    pub(crate) fn map(self, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            weights: Box::new(map(*self.weights)),
        }
    }
}

/// How much of one update takes part.
#[derive(Clone, Debug)]
pub(crate) enum Amount {
    /// A constant.
    Constant(f64),
    /// `[1, 1]` for all samples, or `[batch, 1]`.
    Gate(Box<Tensor<2>>),
}

impl Amount {
    /// `tensor * scale * amount`; the first axis of `tensor` is that of the samples when they have gates of their own.
    ///
    /// # Panics
    /// When there is another number of gates than of samples.
    pub(crate) fn times<const D: usize>(&self, tensor: Tensor<D>, scale: f64) -> Tensor<D> {
        match self {
            Self::Constant(weight) => tensor * (scale * weight),
            Self::Gate(gate) => {
                let (gates, samples) = (gate.dims()[0], tensor.dims()[0]);
                assert!(
                    gates == 1 || gates == samples,
                    "{samples} samples of the input and gates of {gates}"
                );
                let mut shape = [1; D];
                shape[0] = gates;
                let gate = gate.clone().cast(tensor.dtype()).reshape(shape);
                tensor * scale * gate
            }
        }
    }
}

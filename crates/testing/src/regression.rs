//! A small model without a head or classes, and what it learns.

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Int, Tensor, TensorData},
};
use rand::Rng;
use treelora_core::{Batch, ContinualModel, Error, TensorFile};
use treelora_lora::linear;

use crate::random::rng;

/// Coordinates of inputs and targets.
pub const DIM: usize = 4;

/// Points and where they should go.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// `[pairs, DIM]`.
    pub inputs: Tensor<2>,
    /// `[pairs, DIM]`.
    pub targets: Tensor<2>,
}

/// The first `rows` pairs of a task; each task has others.
pub fn pairs(task: usize, rows: usize, device: &Device) -> Pairs {
    let mut rng = rng(100 + task as u64);
    Pairs {
        inputs: matrix(rows, &mut rng, device),
        targets: matrix(rows, &mut rng, device),
    }
}

/// Uniform numbers in `[-1, 1)`, `[rows, DIM]`.
fn matrix(rows: usize, rng: &mut impl Rng, device: &Device) -> Tensor<2> {
    let value = |bits: u32| (bits >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
    let values: Vec<f32> = (0..rows * DIM).map(|_| value(rng.next_u32())).collect();
    Tensor::from_data(TensorData::new(values, [rows, DIM]), device)
}

impl Batch for Pairs {
    fn len(&self) -> usize {
        self.inputs.dims()[0]
    }

    fn select(&self, indices: &[usize]) -> Self {
        let places: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let places = Tensor::<1, Int>::from_ints(places.as_slice(), &self.inputs.device());
        Self {
            inputs: self.inputs.clone().select(0, places.clone()),
            targets: self.targets.clone().select(0, places),
        }
    }

    fn concat(parts: Vec<Self>) -> Self {
        let (inputs, targets) = parts.into_iter().map(|p| (p.inputs, p.targets)).unzip();
        Self {
            inputs: Tensor::cat(inputs, 0),
            targets: Tensor::cat(targets, 0),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        file.insert(format!("{prefix}.inputs"), self.inputs.clone());
        file.insert(format!("{prefix}.targets"), self.targets.clone());
    }

    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            inputs: file.tensor(&format!("{prefix}.inputs"), device)?,
            targets: file.tensor(&format!("{prefix}.targets"), device)?,
        })
    }
}

/// `second(tanh(first(x)))` with the mean squared error: no classifier. Both layers take adapters.
#[derive(Module, Debug)]
pub struct TwoLayers {
    /// `[DIM, DIM]` without bias.
    pub first: Linear,
    /// `[DIM, DIM]` without bias.
    pub second: Linear,
}

impl TwoLayers {
    /// Always the same weights.
    pub fn new(device: &Device) -> Self {
        let mut rng = rng(3);
        let mut layer = || {
            let mut layer = LinearConfig::new(DIM, DIM).with_bias(false).init(device);
            layer.weight = Param::from_tensor(matrix(DIM, &mut rng, device));
            layer
        };
        Self {
            first: layer(),
            second: layer(),
        }
    }
}

impl ContinualModel for TwoLayers {
    type Batch = Pairs;

    fn logits(&self, batch: &Pairs) -> Tensor<2> {
        let hidden = linear(&self.first, batch.inputs.clone()).tanh();
        linear(&self.second, hidden)
    }

    fn loss(&self, batch: &Pairs) -> Tensor<1> {
        (self.logits(batch) - batch.targets.clone()).square().mean()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::compare::values;

    #[test]
    fn a_batch_is_cut_joined_and_kept() {
        let device = Device::default();
        let batch = pairs(2, 5, &device);
        let joined = Pairs::concat(vec![batch.select(&[4]), batch.select(&[0, 1])]);
        assert_eq!(joined.len(), 3);
        let mut file = TensorFile::new();
        joined.save("kept", &mut file);
        let read = Pairs::load("kept", &file, &device).unwrap();
        for (whole, part) in [(batch.inputs, read.inputs), (batch.targets, read.targets)] {
            let (whole, part) = (values(whole), values(part));
            assert_eq!(part, [&whole[4 * DIM..], &whole[..2 * DIM]].concat());
        }
    }
}

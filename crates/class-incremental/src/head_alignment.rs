//! Task-adaptive prediction: re-balance the head over all classes without any image.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Int, Tensor, TensorData, activation::softmax},
};
use rand::{Rng, seq::SliceRandom};
use serde::{Deserialize, Serialize};
use treelora_core::Error;

use crate::class_statistics::ClassStatistics;

/// Train the linear head alone on features sampled from class statistics, over all classes seen
/// (HiDe-LoRA's TAP, SLCA's classifier alignment). SGD with momentum, weight decay in the gradient
/// and a cosine to 0, as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadAlignment {
    /// Passes; features are drawn anew for each.
    pub epochs: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Features drawn of each class in each epoch.
    pub samples_per_class: usize,
    /// Features a step.
    pub batch_size: usize,
}

impl Default for HeadAlignment {
    fn default() -> Self {
        Self {
            epochs: 30,
            learning_rate: 0.005,
            momentum: 0.9,
            weight_decay: 5e-4,
            samples_per_class: 120,
            batch_size: 120,
        }
    }
}

impl HeadAlignment {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("epochs", self.epochs as f64),
            ("learning_rate", self.learning_rate),
            ("samples_per_class", self.samples_per_class as f64),
            ("batch_size", self.batch_size as f64),
        ];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                let problem = format!("{value} is not above 0");
                return Err(Error::setting(name, problem));
            }
        }
        if !(0.0..1.0).contains(&self.momentum) {
            let problem = format!("{} is not in [0, 1)", self.momentum);
            return Err(Error::setting("momentum", problem));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let problem = format!("{} is below 0", self.weight_decay);
            return Err(Error::setting("weight_decay", problem));
        }
        Ok(())
    }

    /// The head after training; its parameters keep their identity and their gradient setting.
    ///
    /// Columns of classes without statistics stay as they are. The gradient of softmax regression
    /// is written out, so no graph is built and the head may come with or without autodiff.
    ///
    /// # Panics
    /// When there are no statistics, or a class lies outside the head.
    pub fn align(&self, head: Linear, statistics: &ClassStatistics, rng: &mut impl Rng) -> Linear {
        let device = head.weight.val().inner().device();
        let classes = statistics.classes();
        let sampler = statistics.pseudo_features(&device);
        let indices: Vec<i32> = classes.iter().map(|&c| c as i32).collect();
        let columns = Tensor::<1, Int>::from_ints(indices.as_slice(), &device);

        let mut weight = Momentum::new(
            head.weight.val().inner().select(1, columns.clone()),
            self.momentum,
        );
        let mut bias = head.bias.as_ref().map(|bias| {
            Momentum::new(bias.val().inner().select(0, columns.clone()), self.momentum)
        });
        let rows = self.samples_per_class * classes.len();
        let steps_per_epoch = rows.div_ceil(self.batch_size);
        let steps = self.epochs * steps_per_epoch;
        let mut step = 0;
        for _ in 0..self.epochs {
            let features = Tensor::cat(
                classes
                    .iter()
                    .map(|&class| sampler.sample(class, self.samples_per_class, rng))
                    .collect(),
                0,
            );
            let mut order: Vec<usize> = (0..rows).collect();
            order.shuffle(rng);
            for batch in order.chunks(self.batch_size) {
                let indices: Vec<i32> = batch.iter().map(|&i| i as i32).collect();
                let indices = Tensor::<1, Int>::from_ints(indices.as_slice(), &device);
                let features = features.clone().select(0, indices);
                let targets: Vec<usize> =
                    batch.iter().map(|i| i / self.samples_per_class).collect();
                let targets = one_hot(&targets, classes.len(), &device);

                let logits = features.clone().matmul(weight.value.clone());
                let logits = match &bias {
                    Some(bias) => logits + bias.value.clone().unsqueeze(),
                    None => logits,
                };
                let error = (softmax(logits, 1) - targets) / batch.len() as f64;
                let rate = self.learning_rate
                    * 0.5
                    * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
                weight.step(
                    features.transpose().matmul(error.clone()),
                    rate,
                    self.weight_decay,
                );
                if let Some(bias) = &mut bias {
                    let gradient = error.sum_dim(0).squeeze_dim::<1>(0);
                    bias.step(gradient, rate, self.weight_decay);
                }
                step += 1;
            }
        }
        Linear {
            weight: replace_columns(head.weight, 1, &columns, weight.value),
            bias: head
                .bias
                .zip(bias)
                .map(|(old, new)| replace_columns(old, 0, &columns, new.value)),
        }
    }
}

/// A parameter with its velocity.
struct Momentum<const D: usize> {
    value: Tensor<D>,
    velocity: Option<Tensor<D>>,
    momentum: f64,
}

impl<const D: usize> Momentum<D> {
    fn new(value: Tensor<D>, momentum: f64) -> Self {
        Self {
            value,
            velocity: None,
            momentum,
        }
    }

    fn step(&mut self, gradient: Tensor<D>, rate: f64, weight_decay: f64) {
        let gradient = gradient + self.value.clone() * weight_decay;
        let velocity = match self.velocity.take() {
            Some(velocity) => velocity * self.momentum + gradient,
            None => gradient,
        };
        self.value = self.value.clone() - velocity.clone() * rate;
        self.velocity = Some(velocity);
    }
}

fn one_hot(targets: &[usize], classes: usize, device: &burn::tensor::Device) -> Tensor<2> {
    let mut values = vec![0f32; targets.len() * classes];
    for (row, target) in targets.iter().enumerate() {
        values[row * classes + target] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [targets.len(), classes]), device)
}

/// `param` with the slices at `columns` of dimension `dim` replaced.
fn replace_columns<const D: usize>(
    param: Param<Tensor<D>>,
    dim: usize,
    columns: &Tensor<1, Int>,
    new: Tensor<D>,
) -> Param<Tensor<D>> {
    param.map(|old| {
        let (device, tracked) = (old.device(), old.is_require_grad());
        let old = old.inner();
        let change = new - old.clone().select(dim, columns.clone());
        let value = old.select_assign(
            dim,
            columns.clone(),
            change,
            burn::tensor::IndexingUpdateOp::Add,
        );
        match device.is_autodiff() {
            true => treelora_core::in_context_of(value, &device).set_require_grad(tracked),
            false => value,
        }
    })
}

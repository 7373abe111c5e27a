//! Forward, backward and optimiser, timed together.

use std::time::{Duration, Instant};

use burn::{
    optim::{AdamWConfig, GradientsParams, ModuleOptimizer},
    tensor::Device,
};
use treelora_core::ContinualModel;

use crate::parameters;

const LEARNING_RATE: f64 = 1e-4;

/// A training that goes on step by step.
pub(crate) trait Steps {
    /// Time until the device is idle, and the loss before the step.
    fn step(&mut self) -> (Duration, f32);

    /// Trainable parameters, and all.
    fn parameters(&self) -> [usize; 2];
}

/// A model, its optimiser and an endless supply of batches.
pub(crate) struct Training<M, F> {
    model: Option<M>,
    optimizer: ModuleOptimizer,
    next_batch: F,
    device: Device,
}

impl<M: ContinualModel, F: FnMut() -> M::Batch> Training<M, F> {
    /// What `next_batch` does counts as part of a step. AdamW has PyTorch's settings.
    pub(crate) fn new(model: M, next_batch: F, device: &Device) -> Self {
        let optimizer = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(0.01)
            .init();
        Self {
            model: Some(model),
            optimizer,
            next_batch,
            device: device.clone(),
        }
    }

    fn model(&self) -> &M {
        self.model.as_ref().expect("every step puts a model back")
    }
}

impl<M: ContinualModel, F: FnMut() -> M::Batch> Steps for Training<M, F> {
    fn step(&mut self) -> (Duration, f32) {
        let model = self.model.take().expect("every step puts a model back");
        let start = Instant::now();
        let batch = (self.next_batch)();
        let loss = model.loss(&batch);
        let value = loss.clone().detach();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(LEARNING_RATE, model, gradients));
        self.device.sync().expect("the device works");
        (start.elapsed(), value.into_scalar())
    }

    fn parameters(&self) -> [usize; 2] {
        parameters::count(self.model())
    }
}

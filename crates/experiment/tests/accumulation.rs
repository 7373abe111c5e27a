//! What a step takes the mean of, against the same epoch by hand.
#![allow(clippy::unwrap_used)]

use burn::{module::Module, optim::GradientsParams, tensor::Device};
use treelora_cl_bench::{BatchIterator, Stage, StreamData, metrics::TaskScore};
use treelora_core::{Batch, Batches, ContinualModel, Error, Learner, Method, Task, TaskId};
use treelora_experiment::{
    EvaluationRows, Event, Optimizer, RunResult, Schedule, Scoring, TrainingConfig, run_loop::Run,
};
use treelora_testing::{
    compare::values,
    regression::{Pairs, TwoLayers, pairs},
    tasks::task,
};

const RATE: f64 = 0.5;
const BATCH: usize = 2;

/// One task of five pairs, always in the same order.
struct OneTask {
    tasks: Vec<Task>,
    pairs: Pairs,
    /// Batches that it says an epoch has.
    announced: usize,
}

impl OneTask {
    fn new(device: &Device) -> Self {
        Self {
            tasks: vec![task(0)],
            pairs: pairs(0, 5, device),
            announced: 3,
        }
    }

    fn batches(&self) -> Vec<Pairs> {
        let all: Vec<usize> = (0..self.pairs.len()).collect();
        let parts = all.chunks(BATCH);
        parts.map(|part| self.pairs.select(part)).collect()
    }
}

impl StreamData<Pairs> for OneTask {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn allowed(&self, _on: TaskId, _after: TaskId) -> Vec<usize> {
        Vec::new()
    }

    fn train_len(&self, _stage: &Stage) -> usize {
        self.pairs.len()
    }

    fn num_batches(&self, _stage: &Stage, _batch_size: usize) -> usize {
        self.announced
    }

    fn epoch(
        &self,
        _stage: &Stage,
        batch_size: usize,
        _order_seed: u64,
        skip: usize,
    ) -> Result<BatchIterator<'_, Pairs>, Error> {
        assert_eq!(batch_size, BATCH);
        Ok(Box::new(self.batches().into_iter().skip(skip).map(Ok)))
    }

    fn in_order<'a>(&'a self, _stage: &Stage) -> Box<dyn Batches<Pairs> + 'a> {
        Box::new(self.batches())
    }

    fn test(&self, _task: TaskId, _batch_size: usize) -> Result<BatchIterator<'_, Pairs>, Error> {
        Ok(Box::new(std::iter::empty()))
    }
}

/// Trains the whole model on its own loss.
struct Plain;

impl Method<TwoLayers> for Plain {}

struct NoScores;

impl Scoring<TwoLayers> for NoScores {
    fn score(
        &self,
        _method: &dyn Method<TwoLayers>,
        _answering: &Learner<TwoLayers>,
        _on: TaskId,
        _after: TaskId,
    ) -> Result<TaskScore, Error> {
        Ok(TaskScore::default())
    }
}

/// Values of the parameters after one epoch of the run loop, and the loss that it told of each step.
fn run(accumulation: usize) -> (Vec<f32>, Vec<f64>) {
    let device = Device::default().autodiff();
    run_on(&OneTask::new(&device), accumulation).unwrap()
}

fn run_on(data: &OneTask, accumulation: usize) -> Result<(Vec<f32>, Vec<f64>), Error> {
    let device = Device::default().autodiff();
    let training = TrainingConfig {
        epochs: 1,
        batch_size: BATCH,
        accumulation,
        optimizer: Optimizer::Sgd,
        learning_rate: RATE,
        head_learning_rate: RATE,
        schedule: Schedule::Constant,
        ..TrainingConfig::default()
    };
    let mut losses = Vec::new();
    let run = Run {
        method: &mut Plain,
        data,
        training: &training,
        scoring: &NoScores,
        rows: EvaluationRows::All,
        device: &device,
        folder: None,
        on_event: &mut |event| {
            if let Event::Step { loss, .. } = event {
                losses.push(*loss);
            }
        },
    };
    let learner = Learner::of(TwoLayers::new(&device));
    let (learner, _) = run.train(learner, RunResult::default())?;
    Ok((parameters(&learner.model), losses))
}

/// The same epoch by hand: step `i` takes the batches `steps[i]` and divides the sum of their losses by `divisors[i]`.
fn by_hand(steps: &[&[usize]], divisors: &[f64]) -> (Vec<f32>, Vec<f64>) {
    let device = Device::default().autodiff();
    let batches = OneTask::new(&device).batches();
    let mut model = TwoLayers::new(&device);
    let mut losses = Vec::new();
    for (batches_of_step, divisor) in steps.iter().zip(divisors) {
        let sum = batches_of_step
            .iter()
            .map(|&batch| model.loss(&batches[batch]));
        let loss = sum.reduce(|a, b| a + b).unwrap() / *divisor;
        losses.push(f64::from(loss.clone().into_scalar::<f32>()));
        let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
        for layer in [&mut model.first, &mut model.second] {
            let gradient = gradients.remove::<2>(layer.weight.id).unwrap();
            let moved = layer.weight.val().inner() - gradient * RATE;
            let moved = moved.autodiff().require_grad();
            layer.weight = burn::module::Param::initialized(layer.weight.id, moved);
        }
    }
    (parameters(&model), losses)
}

fn parameters(model: &TwoLayers) -> Vec<f32> {
    let model = model.valid();
    [&model.first, &model.second]
        .into_iter()
        .flat_map(|layer| values(layer.weight.val()))
        .collect()
}

fn distance(left: &[f32], right: &[f32]) -> f32 {
    let pairs = left.iter().zip(right);
    pairs.fold(0.0, |largest, (l, r)| largest.max((l - r).abs()))
}

#[test]
fn the_last_step_of_an_epoch_takes_the_mean_of_the_batches_there_are() {
    let (found, losses) = run(2);
    let steps: [&[usize]; 2] = [&[0, 1], &[2]];
    let (expected, means) = by_hand(&steps, &[2.0, 1.0]);
    assert!(distance(&found, &expected) < 1e-6, "{found:?} {expected:?}");
    // Divided by the full count, the last step would be half as long.
    let (by_full_count, halved) = by_hand(&steps, &[2.0, 2.0]);
    assert!(distance(&found, &by_full_count) > 1e-3, "{found:?}");
    assert_eq!(losses.len(), 2);
    for (loss, mean) in losses.iter().zip(&means) {
        assert!((loss - mean).abs() < 1e-6, "{losses:?} {means:?}");
    }
    assert!(
        (losses[1] - halved[1]).abs() > 1e-3,
        "{losses:?} {halved:?}"
    );
}

#[test]
fn an_accumulation_beyond_the_epoch_takes_the_mean_of_all() {
    let (found, losses) = run(8);
    let (expected, means) = by_hand(&[&[0, 1, 2]], &[3.0]);
    assert!(distance(&found, &expected) < 1e-6, "{found:?} {expected:?}");
    assert_eq!(losses.len(), 1);
    assert!((losses[0] - means[0]).abs() < 1e-6, "{losses:?} {means:?}");
}

#[test]
fn without_accumulation_each_batch_is_a_step() {
    let (found, losses) = run(1);
    let (expected, means) = by_hand(&[&[0], &[1], &[2]], &[1.0; 3]);
    assert!(distance(&found, &expected) < 1e-6, "{found:?} {expected:?}");
    assert_eq!(losses.len(), 3);
    assert!((losses[2] - means[2]).abs() < 1e-6, "{losses:?} {means:?}");
}

#[test]
fn data_that_end_before_the_epoch_does_are_an_error() {
    let data = OneTask {
        announced: 5,
        ..OneTask::new(&Device::default().autodiff())
    };
    for accumulation in [1, 2, 8] {
        let message = run_on(&data, accumulation).unwrap_err().to_string();
        assert!(message.contains("ended after 3 batches"), "{message}");
    }
}

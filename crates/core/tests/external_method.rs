//! A model and a method written from outside, through the public API alone.
//!
//! Start here to write your own: the model is a line through points of the plane (two classes a
//! task), the method keeps the head of each past task and pulls the new one towards their mean.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    optim::{GradientsParams, SgdConfig},
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use treelora_core::{
    Batch, Batches, Classifier, ContinualModel, Error, Features, Group, Learner, LearningRates,
    Method, StepInfo, Task, TaskId, TensorFile,
};

// ---- the examples -------------------------------------------------------------------------------

/// Points of the plane with their labels.
#[derive(Clone, Debug)]
struct Points {
    inputs: Tensor<2>,
    labels: Vec<usize>,
}

impl Batch for Points {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn select(&self, indices: &[usize]) -> Self {
        let places: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let places = Tensor::<1, Int>::from_ints(places.as_slice(), &self.inputs.device());
        Self {
            inputs: self.inputs.clone().select(0, places),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
        }
    }

    fn concat(parts: Vec<Self>) -> Self {
        Self {
            labels: parts.iter().flat_map(|part| part.labels.clone()).collect(),
            inputs: Tensor::cat(parts.into_iter().map(|part| part.inputs).collect(), 0),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        file.insert(format!("{prefix}.inputs"), self.inputs.clone());
        file.insert_indices(format!("{prefix}.labels"), self.labels.iter().copied());
    }

    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            inputs: file.tensor(&format!("{prefix}.inputs"), device)?,
            labels: file.indices(&format!("{prefix}.labels"))?,
        })
    }
}

// ---- the model ----------------------------------------------------------------------------------

#[derive(Module, Debug)]
struct Plane {
    head: Linear,
}

impl ContinualModel for Plane {
    type Batch = Points;

    fn logits(&self, batch: &Points) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }

    fn loss(&self, batch: &Points) -> Tensor<1> {
        self.loss_of_features(self.features(batch), batch)
    }
}

impl Features for Plane {
    fn features(&self, batch: &Points) -> Tensor<2> {
        batch.inputs.clone()
    }

    fn frozen_features(&self, batch: &Points) -> Tensor<2> {
        batch.inputs.clone()
    }

    fn groups(&self, batch: &Points) -> Vec<usize> {
        batch.labels.clone()
    }
}

impl Classifier for Plane {
    fn loss_of_features(&self, features: Tensor<2>, batch: &Points) -> Tensor<1> {
        let logits = self.head.forward(features);
        let labels: Vec<i32> = batch.labels.iter().map(|&label| label as i32).collect();
        let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &logits.device());
        -log_softmax(logits, 1)
            .gather(1, labels.unsqueeze_dim(1))
            .mean()
    }

    fn labels<'b>(&self, batch: &'b Points) -> &'b [usize] {
        &batch.labels
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn with_head(self, head: Linear) -> Self {
        Self { head }
    }
}

fn plane(device: &Device) -> Plane {
    let mut head = LinearConfig::new(2, 2).init(device);
    head.weight = Param::from_tensor(Tensor::<2>::zeros([2, 2], device));
    head.bias = Some(Param::from_tensor(Tensor::<1>::zeros([2], device)));
    Plane { head }
}

// ---- the method ---------------------------------------------------------------------------------

/// `loss + strength |w - mean of the past tasks' w|^2`, with half the learning rate after the first
/// task and the weight matrix's largest entries clipped after each step.
#[derive(Debug, Default)]
struct PullToPast {
    strength: f64,
    past: Vec<Tensor<2>>,
    steps: usize,
    examples: usize,
}

impl<M: Classifier> Method<M> for PullToPast {
    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        match task.classes.is_empty() {
            true => Err(Error::Data(format!("task {} has no classes", task.id))),
            false => Ok(learner),
        }
    }

    fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        match step.task {
            TaskId(0) => base,
            _ => {
                let half = base.of(&Group::HEAD) * 0.5;
                base.with(Group::HEAD, half)
            }
        }
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let loss = learner.model.loss(batch);
        let Some(sum) = self.past.iter().cloned().reduce(|a, b| a + b) else {
            return Ok(loss);
        };
        let mean = sum / self.past.len() as f64;
        let distance = (learner.model.head().weight.val() - mean).square().sum();
        Ok(loss + distance * self.strength)
    }

    fn gradients(
        &mut self,
        learner: &Learner<M>,
        mut gradients: GradientsParams,
        _step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        let id = learner.model.head().weight.id;
        if let Some(gradient) = gradients.remove::<2>(id) {
            gradients.register(id, gradient.clamp(-1.0, 1.0));
        }
        Ok(gradients)
    }

    fn after_step(&mut self, learner: Learner<M>, _step: &StepInfo) -> Result<Learner<M>, Error> {
        self.steps += 1;
        Ok(learner)
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        for batch in data.batches() {
            self.examples += batch?.len();
        }
        self.past.push(learner.model.head().weight.val().inner());
        Ok(learner)
    }

    fn stored_bytes(&self) -> usize {
        self.past.len() * 4 * size_of::<f32>()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        for (i, weight) in self.past.iter().enumerate() {
            file.insert(format!("past.{i:03}"), weight.clone());
        }
        Ok(file.save(&dir.join("past.safetensors"))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let file = TensorFile::load(&dir.join("past.safetensors"))?;
        let names: Vec<String> = file.names().map(str::to_owned).collect();
        self.past = names
            .iter()
            .map(|name| file.tensor(name, device))
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

// ---- the run ------------------------------------------------------------------------------------

/// Class 1 lies beyond class 0 in the direction of `angle`.
fn points(angle: f32, device: &Device) -> Points {
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for i in 0..24 {
        let label = i % 2;
        let along = if label == 1 { 1.0 } else { -1.0 };
        let across = (i as f32 - 11.5) / 12.0;
        values.extend([
            along * angle.cos() - across * angle.sin(),
            along * angle.sin() + across * angle.cos(),
        ]);
        labels.push(label);
    }
    Points {
        inputs: Tensor::from_data(TensorData::new(values, [24, 2]), device),
        labels,
    }
}

fn accuracy(method: &dyn Method<Plane>, learner: &Learner<Plane>, batch: &Points) -> f64 {
    let answering = method.for_evaluation(learner).unwrap();
    let answer = method.answer(&answering, batch, None).unwrap();
    let answers: Vec<i64> = answer.scores.argmax(1).into_data().iter::<i64>().collect();
    let right = answers
        .iter()
        .zip(&batch.labels)
        .filter(|(a, l)| **a == **l as i64)
        .count();
    right as f64 / batch.len() as f64
}

/// The loop of `treelora-experiment` in its shortest form.
fn train(method: &mut dyn Method<Plane>, device: &Device) -> Learner<Plane> {
    let mut learner = method.attach(plane(device)).unwrap();
    for (id, angle) in [0.0f32, 0.9].into_iter().enumerate() {
        let task = Task {
            id: TaskId(id),
            name: format!("angle {angle}"),
            classes: vec![0, 1],
        };
        let data = vec![points(angle, device)];
        learner = method.begin_task(learner, &Vec::new(), &task).unwrap();
        let mut optimizer = SgdConfig::new().init();
        for epoch in 0..40 {
            let step = StepInfo {
                task: task.id,
                epoch,
                epochs: 40,
                step: 0,
                steps: 1,
            };
            let loss = method.objective(&learner, &data[0], &step).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &learner);
            let gradients = method.gradients(&learner, gradients, &step).unwrap();
            let rates = method.learning_rates(LearningRates::new(0.0, 0.5), &step);
            learner = optimizer.step(rates.of(&Group::HEAD), learner, gradients);
            learner = method.after_step(learner, &step).unwrap();
        }
        learner = method.end_task(learner, &data, &task).unwrap();
    }
    learner
}

#[test]
fn a_method_from_outside_learns_and_is_used_as_an_object() {
    let device = Device::default().autodiff();
    let mut method = PullToPast {
        strength: 0.1,
        ..PullToPast::default()
    };
    let learner = train(&mut method, &device);
    assert_eq!(
        (method.steps, method.examples, method.past.len()),
        (80, 48, 2)
    );
    for angle in [0.0, 0.9] {
        let score = accuracy(&method, &learner, &points(angle, &device));
        assert!(score > 0.9, "{score} at angle {angle}");
    }
    let shift = |a: &Tensor<2>, b: &Tensor<2>| (a.clone() - b.clone()).abs().sum();
    let moved = shift(&method.past[0], &method.past[1]).into_scalar::<f32>();
    let mut free = PullToPast::default();
    train(&mut free, &device);
    let moved_free = shift(&free.past[0], &free.past[1]).into_scalar::<f32>();
    assert!(
        moved < moved_free,
        "the pull holds: {moved} against {moved_free}"
    );
}

#[test]
fn a_method_that_overrides_nothing_is_sequential_training() {
    struct Sequential;
    impl<M: ContinualModel> Method<M> for Sequential {}
    let device = Device::default().autodiff();
    let learner = train(&mut Sequential, &device);
    assert!(accuracy(&Sequential, &learner, &points(0.9, &device)) > 0.9);
    assert_eq!(Method::<Plane>::stored_bytes(&Sequential), 0);
    let answering = Method::<Plane>::for_evaluation(&Sequential, &learner).unwrap();
    let told = Some(TaskId(0));
    let answer = Sequential.answer(&answering, &points(0.0, &device), told);
    assert!(answer.unwrap().tasks.is_none());
}

#[test]
fn what_a_method_remembers_survives_saving() {
    let device = Device::default().autodiff();
    let mut method = PullToPast::default();
    train(&mut method, &device);
    let dir = tempfile::tempdir().unwrap();
    Method::<Plane>::save(&method, dir.path()).unwrap();
    let mut read = PullToPast::default();
    Method::<Plane>::load(&mut read, dir.path(), &device).unwrap();
    assert_eq!(read.past.len(), 2);
    for (old, new) in method.past.iter().zip(&read.past) {
        assert_eq!(old.to_data(), new.to_data());
    }
    let missing = Method::<Plane>::load(&mut read, &dir.path().join("gone"), &device);
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("past.safetensors")
    );
}

#[test]
fn errors_of_a_method_reach_the_caller() {
    let device = Device::default().autodiff();
    let task = Task {
        id: TaskId(3),
        name: "empty".into(),
        classes: Vec::new(),
    };
    let error = PullToPast::default()
        .begin_task(Learner::of(plane(&device)), &Vec::new(), &task)
        .unwrap_err();
    assert!(error.to_string().contains("task 3"), "{error}");
}

#[test]
fn batches_can_be_cut_joined_and_kept() {
    let device = Device::default();
    let batch = points(0.3, &device);
    let halves = vec![
        batch.select(&(0..10).collect::<Vec<_>>()),
        batch.select(&(10..24).collect::<Vec<_>>()),
    ];
    assert_eq!(Batches::len(&halves), 24);
    let joined = Points::concat(halves);
    assert_eq!(joined.labels, batch.labels);
    assert_eq!(joined.inputs.to_data(), batch.inputs.to_data());
    let mut file = TensorFile::new();
    batch.save("kept", &mut file);
    let read = Points::load("kept", &file, &device).unwrap();
    assert_eq!(read.labels, batch.labels);
    assert!(Points::load("lost", &file, &device).is_err());
}

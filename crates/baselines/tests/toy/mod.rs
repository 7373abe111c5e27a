//! A small classifier and blobs of points for it.
#![allow(dead_code, clippy::unwrap_used)]

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Bool, Device, Int, Tensor, TensorData, activation::log_softmax},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use treelora_core::{Batch, Classifier, ContinualModel, Error, Features, Task, TaskId, TensorFile};
use treelora_lora::linear;

pub(crate) const DIM: usize = 6;
pub(crate) const CLASSES: usize = 6;

/// Points with their labels and the classes of their task.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    pub(crate) inputs: Tensor<2>,
    pub(crate) labels: Vec<usize>,
    pub(crate) allowed: Vec<usize>,
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
            allowed: self.allowed.clone(),
        }
    }

    fn concat(parts: Vec<Self>) -> Self {
        let mut allowed: Vec<usize> = parts.iter().flat_map(|p| p.allowed.clone()).collect();
        allowed.sort_unstable();
        allowed.dedup();
        Self {
            labels: parts.iter().flat_map(|p| p.labels.clone()).collect(),
            inputs: Tensor::cat(parts.into_iter().map(|p| p.inputs).collect(), 0),
            allowed,
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        let numbers = |values: &[usize]| {
            let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
            let shape = [values.len()];
            TensorData::new(values, shape)
        };
        file.insert(format!("{prefix}.inputs"), self.inputs.clone());
        file.insert_data(format!("{prefix}.labels"), numbers(&self.labels));
        file.insert_data(format!("{prefix}.allowed"), numbers(&self.allowed));
    }

    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error> {
        let numbers = |name: &str| -> Result<Vec<usize>, Error> {
            let data = file.data(&format!("{prefix}.{name}"))?.clone();
            Ok(data
                .try_into_vec::<f32>()
                .unwrap()
                .iter()
                .map(|&x| x as usize)
                .collect())
        };
        Ok(Self {
            inputs: file.tensor(&format!("{prefix}.inputs"), device)?,
            labels: numbers("labels")?,
            allowed: numbers("allowed")?,
        })
    }
}

/// `head(tanh(layer(x)))`; the layer takes adapters.
#[derive(Module, Debug)]
pub(crate) struct TinyClassifier {
    pub(crate) layer: Linear,
    pub(crate) head: Linear,
}

impl TinyClassifier {
    pub(crate) fn new(device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut made = |d_in: usize, d_out: usize| {
            let mut layer = LinearConfig::new(d_in, d_out).init(device);
            let values: Vec<f32> = (0..d_in * d_out).map(|_| normal(&mut rng) * 0.4).collect();
            let weight: Tensor<2> =
                Tensor::from_data(TensorData::new(values, [d_in, d_out]), device);
            layer.weight = Param::from_tensor(weight);
            layer.bias = Some(Param::from_tensor(Tensor::<1>::zeros([d_out], device)));
            layer
        };
        Self {
            layer: made(DIM, DIM),
            head: made(DIM, CLASSES),
        }
    }
}

impl ContinualModel for TinyClassifier {
    type Batch = Points;

    fn logits(&self, batch: &Points) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }

    fn loss(&self, batch: &Points) -> Tensor<1> {
        self.loss_of_features(self.features(batch), batch)
    }
}

impl Features for TinyClassifier {
    fn features(&self, batch: &Points) -> Tensor<2> {
        linear(&self.layer, batch.inputs.clone()).tanh()
    }

    fn frozen_features(&self, batch: &Points) -> Tensor<2> {
        let bias = self.layer.bias.as_ref().unwrap().val().unsqueeze();
        (batch.inputs.clone().matmul(self.layer.weight.base()) + bias).tanh()
    }

    fn groups(&self, batch: &Points) -> Vec<usize> {
        batch.labels.clone()
    }
}

impl Classifier for TinyClassifier {
    fn loss_of_features(&self, features: Tensor<2>, batch: &Points) -> Tensor<1> {
        masked_cross_entropy(self.head.forward(features), batch)
    }

    fn labels<'b>(&self, batch: &'b Points) -> &'b [usize] {
        &batch.labels
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn with_head(self, head: Linear) -> Self {
        Self { head, ..self }
    }
}

pub(crate) fn masked_cross_entropy(logits: Tensor<2>, batch: &Points) -> Tensor<1> {
    let device = logits.device();
    let [rows, classes] = logits.dims();
    let outside: Vec<bool> = (0..classes).map(|c| !batch.allowed.contains(&c)).collect();
    let outside = Tensor::<1, Bool>::from_bool(TensorData::new(outside, [classes]), &device)
        .unsqueeze::<2>()
        .expand([rows, classes]);
    let labels: Vec<i32> = batch.labels.iter().map(|&l| l as i32).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device).unsqueeze_dim::<2>(1);
    -log_softmax(logits.mask_fill(outside, -1e9), 1)
        .gather(1, labels)
        .mean()
}

pub(crate) fn normal(rng: &mut impl Rng) -> f32 {
    StandardNormal.sample(rng)
}

/// `count` points of each class of the list, in turn, around fixed centres.
pub(crate) fn points(classes: &[usize], count: usize, seed: u64, device: &Device) -> Points {
    let mut centres = ChaCha8Rng::seed_from_u64(11);
    let centres: Vec<f32> = (0..CLASSES * DIM)
        .map(|_| 2.0 * normal(&mut centres))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<usize> = (0..count).flat_map(|_| classes.to_vec()).collect();
    let values: Vec<f32> = labels
        .iter()
        .flat_map(|&label| centres[label * DIM..(label + 1) * DIM].to_vec())
        .map(|centre| centre + 0.6 * normal(&mut rng))
        .collect();
    Points {
        inputs: Tensor::from_data(TensorData::new(values, [labels.len(), DIM]), device),
        labels,
        allowed: classes.to_vec(),
    }
}

/// Task `id` of two classes.
pub(crate) fn task(id: usize) -> Task {
    Task {
        id: TaskId(id),
        name: format!("task {id}"),
        classes: vec![2 * id, 2 * id + 1],
    }
}

/// Row-major values.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as::<f32>().unwrap()
}

pub(crate) fn answers(scores: Tensor<2>) -> Vec<usize> {
    let classes = scores.dims()[1];
    values(scores)
        .chunks_exact(classes)
        .map(|row| {
            (0..classes)
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap()
        })
        .collect()
}

//! How near each task is to the mean of its node: all nodes of a level in one round trip.

use burn::tensor::{Tensor, TensorData, Transaction};

use crate::{
    Similarity, TreeConfig, TreeError, host_values::host_values, signature_bank::SignatureBank,
};

/// What is measured of one task at the layer of its node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// Similarity to the mean of the node.
    pub(crate) similarity: f32,
    /// Relative L1 distance `||G - mean||_1 / (||G||_1 + ||mean||_1)`, in `[0, 1]`.
    pub(crate) distance: f64,
}

/// A device that holds these as zeros cannot tell two vectors apart anyway; keeps 0/0 away.
const TINY: f32 = 1e-30;

/// Similarity and distance of each row to the mean of its group, `[2, groups, width]`.
///
/// `rows` is `[groups, width, features]`, `weights` `[groups, width, 1]` averages each group.
fn to_group_means(rows: Tensor<3>, weights: Tensor<3>, similarity: Similarity) -> Tensor<3> {
    let mean = (rows.clone() * weights).sum_dim(1);
    let apart = (rows.clone() - mean.clone()).abs().sum_dim(2);
    let size = rows.clone().abs().sum_dim(2) + mean.clone().abs().sum_dim(2);
    let similarity = match similarity {
        Similarity::NegativeL1 => -apart.clone(),
        Similarity::Dot => (rows * mean).sum_dim(2),
    };
    let distance = apart / size.clamp_min(TINY);
    Tensor::stack::<4>(vec![similarity, distance], 0).squeeze_dim(3)
}

/// The vectors that a level splits, `[tasks, features]`.
fn level_rows(bank: &SignatureBank, config: &TreeConfig, layer: usize) -> Tensor<2> {
    match config.increments {
        true => bank.layer_increments(layer),
        false => bank.layer(layer),
    }
}

/// Measure each task of each group against the mean of its group, at one layer.
///
/// Groups are padded to the next power of two and measured together, at most `log2(tasks) + 1`
/// expressions and one round trip a level; no scatter, so that sums are the same at each run.
///
/// # Errors
/// [`TreeError::NotFinite`].
pub(crate) fn measure_groups(
    bank: &SignatureBank,
    config: &TreeConfig,
    layer: usize,
    groups: &[Vec<usize>],
) -> Result<Vec<Vec<Measurement>>, TreeError> {
    let rows = level_rows(bank, config, layer);
    let widths: Vec<usize> = groups.iter().map(|g| g.len().next_power_of_two()).collect();
    let mut buckets: Vec<(usize, Vec<usize>)> = Vec::new();
    for (group, &width) in widths.iter().enumerate() {
        match buckets.iter_mut().find(|bucket| bucket.0 == width) {
            Some(bucket) => bucket.1.push(group),
            None => buckets.push((width, vec![group])),
        }
    }
    let mut transaction = Transaction::default();
    for (width, members) in &buckets {
        let (width, count) = (*width, members.len());
        let mut positions = Vec::with_capacity(count * width);
        let mut weights = Vec::with_capacity(count * width);
        for &group in members {
            let tasks = &groups[group];
            let padding = width - tasks.len();
            positions.extend(tasks.iter().copied());
            positions.extend(std::iter::repeat_n(tasks[0], padding));
            weights.extend(std::iter::repeat_n(1.0 / tasks.len() as f32, tasks.len()));
            weights.extend(std::iter::repeat_n(0.0, padding));
        }
        let features = bank.features();
        let picked = rows.clone().select(0, bank.indices(&positions));
        let picked: Tensor<3> = picked.reshape([count, width, features]);
        let weights = TensorData::new(weights, [count, width, 1]);
        let weights = Tensor::<3>::from_data(weights, &bank.device());
        transaction = transaction.register(to_group_means(picked, weights, config.similarity));
    }
    let mut measured = vec![Vec::new(); groups.len()];
    for ((width, members), data) in buckets.iter().zip(transaction.execute()) {
        let values: Vec<f32> = host_values(data);
        let (similarities, distances) = values.split_at(width * members.len());
        for (position, &group) in members.iter().enumerate() {
            let tasks = &groups[group];
            let span = position * width..position * width + tasks.len();
            measured[group] = similarities[span.clone()]
                .iter()
                .zip(&distances[span])
                .zip(tasks)
                .map(|((&similarity, &distance), &task)| finite(similarity, distance, task, layer))
                .collect::<Result<_, _>>()?;
        }
    }
    Ok(measured)
}

fn finite(
    similarity: f32,
    distance: f32,
    task: usize,
    layer: usize,
) -> Result<Measurement, TreeError> {
    match similarity.is_finite() && distance.is_finite() {
        true => Ok(Measurement {
            similarity,
            // Rounding may pass the triangle inequality by a hair.
            distance: f64::from(distance).clamp(0.0, 1.0),
        }),
        false => Err(TreeError::NotFinite { task, layer }),
    }
}

//! What the tasks of a node are ranked by, and how far they are apart: all nodes of a level in one round trip.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData, Transaction};

use crate::{
    Levels, Similarity, Smoothness, SplitRule, TreeConfig, TreeError,
    gram::{Gram, to_gram},
    host_values::host_values,
    signature_bank::{SignatureBank, increments},
};

/// What is measured of a node, at what its level looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// What each task is ranked by, in the order of the group.
    pub(crate) ranks: Vec<f32>,
    /// The largest relative L1 distance to the mean, or the largest distance of two tasks in the units of the vectors.
    pub(crate) spread: f64,
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

/// The vectors that a level splits, `[tasks, width]`.
fn level_rows(bank: &SignatureBank, config: &TreeConfig, layer: usize) -> Tensor<2> {
    let rows = match config.levels {
        Levels::Layers => bank.layer(layer),
        Levels::Whole => bank.whole(),
    };
    match config.increments {
        true => increments(rows),
        false => rows,
    }
}

/// Measure each group at what the level of `layer` looks at.
///
/// Groups are padded to the next power of two and measured together, at most `log2(tasks) + 1` sets of
/// expressions and one round trip a level; no scatter, so that sums are the same at each run.
///
/// # Errors
/// [`TreeError::NotFinite`].
pub(crate) fn measure_groups(
    bank: &SignatureBank,
    config: &TreeConfig,
    layer: usize,
    groups: &[Vec<usize>],
) -> Result<Vec<Measurement>, TreeError> {
    let rows = level_rows(bank, config, layer);
    let widths: Vec<usize> = groups.iter().map(|g| g.len().next_power_of_two()).collect();
    let mut buckets: Vec<(usize, Vec<usize>)> = Vec::new();
    for (group, &width) in widths.iter().enumerate() {
        match buckets.iter_mut().find(|bucket| bucket.0 == width) {
            Some(bucket) => bucket.1.push(group),
            None => buckets.push((width, vec![group])),
        }
    }
    let by_component = config.split == SplitRule::PrincipalComponent;
    let by_diameter = config.smoothness == Smoothness::Diameter;
    let (with_means, with_gram) = (!(by_component && by_diameter), by_component || by_diameter);
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
        let picked = rows.clone().select(0, bank.indices(&positions));
        let picked: Tensor<3> = picked.reshape([count, width, rows.dims()[1]]);
        let weights = TensorData::new(weights, [count, width, 1]);
        let weights = Tensor::<3>::from_data(weights, &bank.device());
        if with_means {
            let to_means = to_group_means(picked.clone(), weights.clone(), config.similarity);
            transaction = transaction.register(to_means);
        }
        if with_gram {
            transaction = transaction.register(to_gram(picked, weights));
        }
    }
    let mut read = transaction.execute().into_iter().map(host_values);
    let mut measured = vec![None; groups.len()];
    for (width, members) in &buckets {
        let means = if with_means { read.next() } else { None }.unwrap_or_default();
        let grams = if with_gram { read.next() } else { None }.unwrap_or_default();
        for (position, &group) in members.iter().enumerate() {
            let tasks = &groups[group];
            let span = position * width..position * width + tasks.len();
            let to_means = to_means_of(&means, width * members.len(), span);
            let gram = Gram::read(&grams, *width, position, tasks.len());
            let finite = |task: &usize| match to_means.is_finite(*task) && gram.is_finite(*task) {
                true => Ok(()),
                false => Err(TreeError::NotFinite {
                    task: tasks[*task],
                    layer,
                }),
            };
            (0..tasks.len()).try_for_each(|task| finite(&task))?;
            measured[group] = Some(Measurement {
                ranks: match by_component {
                    true => gram.coordinates(),
                    false => to_means.similarities.to_vec(),
                },
                spread: match by_diameter {
                    true => gram.diameter(),
                    false => to_means.radius(),
                },
            });
        }
    }
    Ok(measured.into_iter().flatten().collect())
}

/// Similarity and distance of the tasks of a group to its mean; empty where they were not asked for.
struct ToMeans<'a> {
    similarities: &'a [f32],
    distances: &'a [f32],
}

fn to_means_of(values: &[f32], half: usize, span: Range<usize>) -> ToMeans<'_> {
    match values.split_at_checked(half) {
        Some((similarities, distances)) => ToMeans {
            similarities: &similarities[span.clone()],
            distances: &distances[span],
        },
        None => ToMeans {
            similarities: &[],
            distances: &[],
        },
    }
}

impl ToMeans<'_> {
    fn is_finite(&self, task: usize) -> bool {
        let finite = |values: &[f32]| values.get(task).is_none_or(|value| value.is_finite());
        finite(self.similarities) && finite(self.distances)
    }

    fn radius(&self) -> f64 {
        let distances = self.distances.iter().map(|&distance| f64::from(distance));
        // Rounding may pass the triangle inequality by a hair.
        distances.fold(0.0, f64::max).min(1.0)
    }
}

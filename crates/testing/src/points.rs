//! Clusters of points, one a class, planted around fixed centres.

use burn::tensor::{Device, Int, Tensor, TensorData};
use treelora_core::{Batch, Error, TensorFile};

use crate::random::{normal, rng};

/// Coordinates of a point.
pub const DIM: usize = 6;

/// Classes that have a centre.
pub const CLASSES: usize = 6;

/// Points with their labels and the classes of their task.
#[derive(Clone, Debug)]
pub struct Points {
    /// `[points, DIM]`.
    pub inputs: Tensor<2>,
    /// The class of each point.
    pub labels: Vec<usize>,
    /// Classes that the loss compares.
    pub allowed: Vec<usize>,
}

/// `count` points of each class of the list, in turn, around the fixed centres; of the same seed, the same points.
///
/// # Panics
/// When a class is not below [`CLASSES`].
pub fn points(classes: &[usize], count: usize, seed: u64, device: &Device) -> Points {
    let mut centres = rng(11);
    let centres: Vec<f32> = (0..CLASSES * DIM)
        .map(|_| 2.0 * normal(&mut centres))
        .collect();
    let mut rng = rng(seed);
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
        file.insert(format!("{prefix}.inputs"), self.inputs.clone());
        file.insert_indices(format!("{prefix}.labels"), self.labels.iter().copied());
        file.insert_indices(format!("{prefix}.allowed"), self.allowed.iter().copied());
    }

    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            inputs: file.tensor(&format!("{prefix}.inputs"), device)?,
            labels: file.indices(&format!("{prefix}.labels"))?,
            allowed: file.indices(&format!("{prefix}.allowed"))?,
        })
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
        let batch = points(&[4, 1], 3, 7, &device);
        assert_eq!(batch.labels, [4, 1, 4, 1, 4, 1]);
        let other = points(&[1, 0], 1, 8, &device);
        let joined = Points::concat(vec![batch.select(&[5, 0]), other.clone()]);
        assert_eq!(joined.labels, [1, 4, 1, 0]);
        assert_eq!(joined.allowed, [0, 1, 4]);
        let row = |batch: &Points, row: usize| values(batch.inputs.clone().narrow(0, row, 1));
        assert_eq!(row(&joined, 0), row(&batch, 5));
        assert_eq!(row(&joined, 3), row(&other, 1));
        let mut file = TensorFile::new();
        joined.save("kept", &mut file);
        let read = Points::load("kept", &file, &device).unwrap();
        assert_eq!(values(read.inputs), values(joined.inputs));
        assert_eq!((read.labels, read.allowed), (joined.labels, joined.allowed));
        assert!(Points::load("lost", &file, &device).is_err());
    }

    /// The nearest centre of another draw names the class: the clusters can be learned.
    #[test]
    fn the_clusters_lie_apart() {
        let device = Device::default();
        let classes: Vec<usize> = (0..CLASSES).collect();
        let means = points(&classes, 50, 1, &device).inputs;
        let means = values(means.reshape([50, CLASSES * DIM]).mean_dim(0));
        let test = points(&classes, 20, 2, &device);
        let nearest = |point: &[f32]| {
            let distance = |class: usize| -> f32 {
                let mean = &means[class * DIM..(class + 1) * DIM];
                mean.iter().zip(point).map(|(m, x)| (m - x).powi(2)).sum()
            };
            let by_distance = |a: &usize, b: &usize| distance(*a).total_cmp(&distance(*b));
            (0..CLASSES).min_by(by_distance).unwrap()
        };
        let found: Vec<usize> = values(test.inputs).chunks(DIM).map(nearest).collect();
        assert_eq!(found, test.labels);
    }
}

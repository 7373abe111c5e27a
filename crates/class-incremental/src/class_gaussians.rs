//! Mean and scatter of every class, accumulated task by task.

use std::collections::BTreeMap;

use faer::Mat;
use treelora_core::{Error, TensorFile};

use crate::{feature_rows::FeatureRows, feature_transport::FeatureTransport, symmetric::product};

/// One class.
#[derive(Clone, Debug)]
pub(crate) struct ClassGaussian {
    /// Number of examples.
    pub(crate) count: usize,
    /// Mean feature.
    pub(crate) mean: Vec<f64>,
    /// Lower triangle, row by row, of the sum over examples of `(x - mean)(x - mean)^T`; single
    /// precision, since this is most of what is stored.
    scatter: Vec<f32>,
}

/// Every class seen, by label.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassGaussians {
    pub(crate) classes: BTreeMap<usize, ClassGaussian>,
}

impl ClassGaussian {
    fn of(rows: &FeatureRows) -> Self {
        let count = rows.len() as f64;
        let mut matrix = rows.matrix();
        let mean: Vec<f64> = (0..matrix.ncols())
            .map(|j| matrix.col(j).iter().sum::<f64>() / count)
            .collect();
        for (j, mean) in mean.iter().enumerate() {
            for i in 0..matrix.nrows() {
                matrix[(i, j)] -= mean;
            }
        }
        let scatter = packed(&product(matrix.transpose(), matrix.as_ref()));
        Self {
            count: rows.len(),
            mean,
            scatter,
        }
    }

    /// The same class's examples of two times, together (Chan, Golub and LeVeque 1979).
    fn merge(&mut self, new: &Self) {
        let (old, added) = (self.count as f64, new.count as f64);
        let total = old + added;
        let delta: Vec<f64> = new
            .mean
            .iter()
            .zip(&self.mean)
            .map(|(a, b)| a - b)
            .collect();
        let weight = old * added / total;
        let mut entry = 0;
        for i in 0..delta.len() {
            for j in 0..=i {
                let between = weight * delta[i] * delta[j];
                let within = f64::from(self.scatter[entry]) + f64::from(new.scatter[entry]);
                self.scatter[entry] = (within + between) as f32;
                entry += 1;
            }
        }
        for (to, delta) in self.mean.iter_mut().zip(&delta) {
            *to += delta * added / total;
        }
        self.count += new.count;
    }

    /// The scatter as a full matrix.
    pub(crate) fn scatter(&self) -> Mat<f64> {
        let dim = self.mean.len();
        Mat::from_fn(dim, dim, |i, j| {
            let (row, column) = (i.max(j), i.min(j));
            f64::from(self.scatter[row * (row + 1) / 2 + column])
        })
    }
}

impl ClassGaussians {
    /// Add rows.
    pub(crate) fn observe(&mut self, rows: &FeatureRows) {
        for class in rows.classes() {
            let new = ClassGaussian::of(&rows.of_class(class));
            match self.classes.get_mut(&class) {
                Some(old) => old.merge(&new),
                None => {
                    self.classes.insert(class, new);
                }
            }
        }
    }

    /// Width of the features; 0 without classes.
    pub(crate) fn dim(&self) -> usize {
        self.classes
            .values()
            .next()
            .map_or(0, |class| class.mean.len())
    }

    /// The pooled covariance: the sum of the scatters over the number of examples.
    pub(crate) fn pooled_covariance(&self) -> Mat<f64> {
        let dim = self.dim();
        let total: usize = self.classes.values().map(|class| class.count).sum();
        let mut pooled = Mat::zeros(dim, dim);
        for class in self.classes.values() {
            pooled += class.scatter();
        }
        Mat::from_fn(dim, dim, |i, j| pooled[(i, j)] / total as f64)
    }

    /// Move every class into a new feature space.
    pub(crate) fn transport(&mut self, transport: &FeatureTransport) {
        for class in self.classes.values_mut() {
            class.mean = transport.point(&class.mean);
            class.scatter = packed(&transport.covariance(&class.scatter()));
        }
    }

    /// Stored bytes.
    pub(crate) fn num_bytes(&self) -> usize {
        let bytes = |class: &ClassGaussian| {
            size_of::<f64>() * (1 + class.mean.len()) + size_of::<f32>() * class.scatter.len()
        };
        self.classes.values().map(bytes).sum()
    }

    pub(crate) fn save(&self, prefix: &str, file: &mut TensorFile) {
        let (count, dim) = (self.classes.len(), self.dim());
        let classes = self.classes.values();
        let counts = classes.clone().map(|class| class.count);
        let means: Vec<f64> = classes.clone().flat_map(|c| c.mean.clone()).collect();
        let scatters: Vec<f32> = classes.flat_map(|c| c.scatter.clone()).collect();
        file.insert_indices(format!("{prefix}.labels"), self.classes.keys().copied());
        file.insert_indices(format!("{prefix}.counts"), counts);
        file.insert_f64(format!("{prefix}.means"), means, [count, dim]);
        let shape = [count, dim * (dim + 1) / 2];
        file.insert_f32(format!("{prefix}.scatters"), scatters, shape);
    }

    /// # Errors
    /// When a tensor is missing or the sizes disagree.
    pub(crate) fn load(prefix: &str, file: &TensorFile) -> Result<Self, Error> {
        let counts = file.indices(&format!("{prefix}.counts"))?;
        let labels = file.indices(&format!("{prefix}.labels"))?;
        let means = file.f64s(&format!("{prefix}.means"))?;
        let scatters = file.f32s(&format!("{prefix}.scatters"))?;
        let classes = labels.len();
        let dim = means.len().checked_div(classes).unwrap_or(0);
        let triangle = dim * (dim + 1) / 2;
        let fits = counts.len() == classes
            && means.len() == classes * dim
            && scatters.len() == classes * triangle
            && dim > 0;
        if !fits {
            let problem = format!(
                "`{prefix}`: {} counts, {} values of means and {} of scatter do not fit {classes} \
                 classes",
                counts.len(),
                means.len(),
                scatters.len()
            );
            return Err(file.unfit(problem).into());
        }
        let parts = means.chunks_exact(dim).zip(scatters.chunks_exact(triangle));
        let class = |(count, (mean, scatter)): (usize, (&[f64], &[f32]))| ClassGaussian {
            count,
            mean: mean.to_vec(),
            scatter: scatter.to_vec(),
        };
        let classes = counts.into_iter().zip(parts).map(class);
        Ok(Self {
            classes: labels.into_iter().zip(classes).collect(),
        })
    }
}

/// Lower triangle, row by row.
fn packed(matrix: &Mat<f64>) -> Vec<f32> {
    (0..matrix.nrows())
        .flat_map(|i| (0..=i).map(move |j| matrix[(i, j)] as f32))
        .collect()
}

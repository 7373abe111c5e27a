//! Mean and scatter of every class, accumulated task by task.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use faer::Mat;
use treelora_core::{Error, TensorFile};

use crate::{
    double_precision, feature_rows::FeatureRows, feature_transport::FeatureTransport,
    symmetric::product,
};

/// One class.
#[derive(Clone, Debug)]
pub(crate) struct ClassGaussian {
    /// Number of examples.
    pub(crate) count: f64,
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
            count,
            mean,
            scatter,
        }
    }

    /// The same class's examples of two times, together (Chan, Golub and LeVeque 1979).
    fn merge(&mut self, new: &Self) {
        let total = self.count + new.count;
        let delta: Vec<f64> = new
            .mean
            .iter()
            .zip(&self.mean)
            .map(|(a, b)| a - b)
            .collect();
        let weight = self.count * new.count / total;
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
            *to += delta * new.count / total;
        }
        self.count = total;
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
        let total: f64 = self.classes.values().map(|class| class.count).sum();
        let mut pooled = Mat::zeros(dim, dim);
        for class in self.classes.values() {
            pooled += class.scatter();
        }
        Mat::from_fn(dim, dim, |i, j| pooled[(i, j)] / total)
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
        let scalars: Vec<f64> = self
            .classes
            .iter()
            .flat_map(|(label, class)| [*label as f64, class.count])
            .collect();
        let means: Vec<f64> = self
            .classes
            .values()
            .flat_map(|class| class.mean.clone())
            .collect();
        let scatters: Vec<f32> = self
            .classes
            .values()
            .flat_map(|class| class.scatter.clone())
            .collect();
        let shape = [scatters.len()];
        double_precision::insert(file, &format!("{prefix}.counts"), &scalars);
        double_precision::insert(file, &format!("{prefix}.means"), &means);
        file.insert_data(
            format!("{prefix}.scatters"),
            TensorData::new(scatters, shape),
        );
    }

    /// # Errors
    /// When a tensor is missing or the sizes disagree.
    pub(crate) fn load(prefix: &str, file: &TensorFile) -> Result<Self, Error> {
        let scalars = double_precision::read(file, &format!("{prefix}.counts"))?;
        let means = double_precision::read(file, &format!("{prefix}.means"))?;
        let scatters = double_precision::values(file, &format!("{prefix}.scatters"))?;
        let classes = scalars.len() / 2;
        let dim = means.len().checked_div(classes).unwrap_or(0);
        let triangle = dim * (dim + 1) / 2;
        if means.len() != classes * dim || scatters.len() != classes * triangle || dim == 0 {
            return Err(Error::Data(format!(
                "`{prefix}`: {} values of means and {} of scatter do not fit {classes} classes",
                means.len(),
                scatters.len()
            )));
        }
        let parts = means.chunks_exact(dim).zip(scatters.chunks_exact(triangle));
        let classes = scalars
            .chunks_exact(2)
            .zip(parts)
            .map(|(scalars, (mean, scatter))| {
                let class = ClassGaussian {
                    count: scalars[1],
                    mean: mean.to_vec(),
                    scatter: scatter.to_vec(),
                };
                (scalars[0] as usize, class)
            });
        Ok(Self {
            classes: classes.collect(),
        })
    }
}

/// Lower triangle, row by row.
fn packed(matrix: &Mat<f64>) -> Vec<f32> {
    (0..matrix.nrows())
        .flat_map(|i| (0..=i).map(move |j| matrix[(i, j)] as f32))
        .collect()
}

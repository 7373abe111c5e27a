//! Class means and the pooled scatter around them, accumulated one pass, task by task.

use faer::Mat;
use treelora_core::{Error, TensorFile};

use crate::{feature_rows::FeatureRows, feature_transport::FeatureTransport, symmetric::product};

/// Counts, means and the sum over classes of the scatter around the class mean.
///
/// Batches merge by Chan, Golub and LeVeque (1979): observing rows task by task equals observing
/// them at once up to rounding in double precision.
#[derive(Clone, Debug)]
pub(crate) struct PooledGaussian {
    /// Examples of each class; 0 for unseen classes.
    pub(crate) counts: Vec<usize>,
    /// Mean of each class; empty for unseen classes.
    pub(crate) means: Vec<Vec<f64>>,
    /// Pooled scatter, `[features, features]`.
    pub(crate) scatter: Mat<f64>,
}

impl PooledGaussian {
    /// Of no class.
    pub(crate) fn new() -> Self {
        Self {
            counts: Vec::new(),
            means: Vec::new(),
            scatter: Mat::zeros(0, 0),
        }
    }

    /// Add rows.
    pub(crate) fn observe(&mut self, rows: &FeatureRows) {
        let dim = rows.dim();
        if self.scatter.nrows() == 0 {
            self.scatter = Mat::zeros(dim, dim);
        }
        for class in rows.classes() {
            if class >= self.counts.len() {
                self.counts.resize(class + 1, 0);
                self.means.resize(class + 1, Vec::new());
            }
            let mut matrix = rows.of_class(class).matrix();
            let n = matrix.nrows() as f64;
            let mean: Vec<f64> = (0..dim)
                .map(|j| matrix.col(j).iter().sum::<f64>() / n)
                .collect();
            for (j, mean) in mean.iter().enumerate() {
                for i in 0..matrix.nrows() {
                    matrix[(i, j)] -= mean;
                }
            }
            self.scatter += product(matrix.transpose(), matrix.as_ref());
            self.merge_mean(class, matrix.nrows(), &mean);
        }
    }

    /// Merge the mean of `n` new examples; their own scatter was already added.
    fn merge_mean(&mut self, class: usize, n: usize, mean: &[f64]) {
        let (old, new) = (self.counts[class] as f64, n as f64);
        self.counts[class] += n;
        if old == 0.0 {
            self.means[class] = mean.to_vec();
            return;
        }
        let delta: Vec<f64> = mean
            .iter()
            .zip(&self.means[class])
            .map(|(a, b)| a - b)
            .collect();
        let weight = old * new / (old + new);
        for j in 0..delta.len() {
            for i in 0..delta.len() {
                self.scatter[(i, j)] += weight * delta[i] * delta[j];
            }
        }
        for (to, delta) in self.means[class].iter_mut().zip(&delta) {
            *to += delta * new / (old + new);
        }
    }

    /// Classes with at least one example, ascending.
    pub(crate) fn seen(&self) -> Vec<usize> {
        (0..self.counts.len())
            .filter(|&c| self.counts[c] > 0)
            .collect()
    }

    /// The pooled covariance: the scatter over the number of examples.
    pub(crate) fn covariance(&self) -> Mat<f64> {
        let n = self.counts.iter().sum::<usize>().max(1) as f64;
        Mat::from_fn(self.scatter.nrows(), self.scatter.ncols(), |i, j| {
            self.scatter[(i, j)] / n
        })
    }

    /// Move means and scatter into a new feature space.
    pub(crate) fn transport(&mut self, transport: &FeatureTransport) {
        for mean in self.means.iter_mut().filter(|mean| !mean.is_empty()) {
            *mean = transport.point(mean);
        }
        self.scatter = transport.covariance(&self.scatter);
    }

    /// Number of stored bytes.
    pub(crate) fn num_bytes(&self) -> usize {
        let numbers = self.counts.len()
            + self.means.iter().map(Vec::len).sum::<usize>()
            + self.scatter.nrows() * self.scatter.ncols();
        numbers * size_of::<f64>()
    }

    pub(crate) fn save(&self, prefix: &str, file: &mut TensorFile) {
        let dim = self.scatter.nrows();
        let means: Vec<f64> = self.means.iter().flatten().copied().collect();
        let scatter: Vec<f64> = (0..dim)
            .flat_map(|j| self.scatter.col_as_slice(j).to_vec())
            .collect();
        let seen = self.seen().len();
        file.insert_indices(format!("{prefix}.counts"), self.counts.iter().copied());
        file.insert_f64(format!("{prefix}.means"), means, [seen, dim]);
        file.insert_f64(format!("{prefix}.scatter"), scatter, [dim, dim]);
    }

    /// # Errors
    /// When a tensor is missing or the sizes disagree.
    pub(crate) fn load(prefix: &str, file: &TensorFile) -> Result<Self, Error> {
        let counts = file.indices(&format!("{prefix}.counts"))?;
        let means = file.f64s(&format!("{prefix}.means"))?;
        let scatter = file.f64s(&format!("{prefix}.scatter"))?;
        let dim = scatter.len().isqrt();
        let seen = counts.iter().filter(|count| **count > 0).count();
        if dim * dim != scatter.len() || means.len() != seen * dim {
            let problem = format!(
                "`{prefix}`: {} values of scatter and {} of means do not fit {seen} classes",
                scatter.len(),
                means.len()
            );
            return Err(file.unfit(problem).into());
        }
        let mut rows = means.chunks_exact(dim.max(1));
        Ok(Self {
            means: counts
                .iter()
                .map(|count| match *count > 0 {
                    true => rows.next().unwrap_or_default().to_vec(),
                    false => Vec::new(),
                })
                .collect(),
            counts,
            scatter: Mat::from_fn(dim, dim, |i, j| scatter[j * dim + i]),
        })
    }
}

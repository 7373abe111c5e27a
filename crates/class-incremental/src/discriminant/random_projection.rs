//! Ridge regression on random projections: RanPAC (McDonnell et al., NeurIPS 2023).

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use faer::Mat;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TensorFile};

use super::{
    Discriminant, LinearScores, check_finite, plain_device,
    ridge::{HeldOut, Ridge, choose_exponent, solve},
};
use crate::{
    double_precision,
    feature_rows::{FeatureRows, host},
    feature_transport::FeatureTransport,
};

/// Settings of [`RandomProjection`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomProjectionConfig {
    /// Number of random features M.
    pub projections: usize,
    /// Strength of the ridge.
    pub ridge: Ridge,
    /// Seed of the projection (and of the held-out split).
    pub seed: u64,
}

impl Default for RandomProjectionConfig {
    fn default() -> Self {
        Self {
            projections: 5000,
            ridge: Ridge::default(),
            seed: 0,
        }
    }
}

impl RandomProjectionConfig {
    pub(super) fn validate(&self, key: &str) -> Result<(), Error> {
        if self.projections == 0 {
            return Err(Error::setting(
                format!("{key}.projections"),
                "0 is not above 0",
            ));
        }
        self.ridge.validate(&format!("{key}.ridge"))
    }
}

/// Rows that go into the Gram matrix in one product.
const BLOCK: usize = 512;

/// `h = relu(x P)` with a fixed Gaussian `P` `[features, M]`, `G = sum h^T h`, `C = sum h^T y`,
/// scores `h (G + lambda I)^-1 C`.
///
/// Products run on the device in single precision, block by block in the order of the rows; the
/// system is solved on the host in double precision.
#[derive(Debug)]
pub struct RandomProjection {
    config: RandomProjectionConfig,
    classes: usize,
    pending: FeatureRows,
    device: Option<Device>,
    /// `P`, made from the seed when the width of the features is known.
    projection: Option<Tensor<2>>,
    /// `G` and `C` over all rows that were folded in.
    sums: Option<Sums>,
    /// Examples of each class.
    counts: Vec<f64>,
    fits: u64,
    fitted: Option<LinearScores>,
    lambda: f64,
}

/// `G` `[M, M]` and `C` `[M, classes]`.
#[derive(Clone, Debug)]
struct Sums {
    gram: Tensor<2>,
    targets: Tensor<2>,
}

impl RandomProjection {
    /// Over at least `classes` classes.
    pub fn new(config: RandomProjectionConfig, classes: usize) -> Self {
        Self {
            config,
            classes,
            pending: FeatureRows::new(),
            device: None,
            projection: None,
            sums: None,
            counts: Vec::new(),
            fits: 0,
            fitted: None,
            lambda: 0.0,
        }
    }

    /// The ridge of the last fit.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// `P` for features of width `dim`.
    fn make_projection(&self, dim: usize, device: &Device) -> Tensor<2> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        let width = self.config.projections;
        let values: Vec<f32> = (0..dim * width)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        Tensor::from_data(TensorData::new(values, [dim, width]), device)
    }

    fn project(&self, features: Tensor<2>) -> Tensor<2> {
        let projection = self.projection.clone().expect("fit before scores");
        relu(features.matmul(projection))
    }

    fn num_classes(&self) -> usize {
        self.classes.max(self.counts.len())
    }

    fn one_hot(&self, labels: &[usize], device: &Device) -> Tensor<2> {
        let classes = self.num_classes();
        let mut values = vec![0f32; labels.len() * classes];
        for (row, label) in labels.iter().enumerate() {
            values[row * classes + label] = 1.0;
        }
        Tensor::from_data(TensorData::new(values, [labels.len(), classes]), device)
    }

    /// Add rows to `sums`, in blocks of a fixed size.
    fn accumulate(&self, mut sums: Sums, rows: &FeatureRows, device: &Device) -> Sums {
        for start in (0..rows.len()).step_by(BLOCK) {
            let end = rows.len().min(start + BLOCK);
            let hidden = self.project(rows.block(start, end, device));
            let targets = self.one_hot(&rows.labels()[start..end], device);
            let transposed = hidden.clone().transpose();
            sums.gram = sums.gram + transposed.clone().matmul(hidden);
            sums.targets = sums.targets + transposed.matmul(targets);
        }
        sums
    }

    /// The sums so far, with a column for every class known by now.
    fn sums_so_far(&self, device: &Device) -> Sums {
        let (width, classes) = (self.config.projections, self.num_classes());
        match self.sums.clone() {
            None => Sums {
                gram: Tensor::zeros([width, width], device),
                targets: Tensor::zeros([width, classes], device),
            },
            Some(mut sums) => {
                let missing = classes - sums.targets.dims()[1];
                if missing > 0 {
                    let empty = Tensor::zeros([width, missing], device);
                    sums.targets = Tensor::cat(vec![sums.targets, empty], 1);
                }
                sums
            }
        }
    }

    /// Fold the pending rows in and return the lambda for all of them.
    fn fold_pending(&mut self, device: &Device) -> Option<f64> {
        let pending = std::mem::take(&mut self.pending);
        for &label in pending.labels() {
            if label >= self.counts.len() {
                self.counts.resize(label + 1, 0.0);
            }
            self.counts[label] += 1.0;
        }
        if self.projection.is_none() && !pending.is_empty() {
            self.projection = Some(self.make_projection(pending.dim(), device));
        }
        let before = self.sums_so_far(device);
        // Five rows are the fewest of which a fifth can be held out.
        if self.config.ridge == Ridge::HeldOut && pending.len() >= 5 {
            let mut order: Vec<usize> = (0..pending.len()).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed ^ (self.fits + 1));
            order.shuffle(&mut rng);
            let (held_out, kept) = order.split_at(pending.len() / 5);
            let kept = self.accumulate(before, &pending.select(kept), device);
            let held_out = pending.select(held_out);
            let lambda = self.choose_lambda(&kept, &held_out, device);
            self.sums = Some(self.accumulate(kept, &held_out, device));
            self.fits += 1;
            return Some(lambda);
        }
        self.sums = Some(self.accumulate(before, &pending, device));
        self.fits += 1;
        None
    }

    fn choose_lambda(&self, kept: &Sums, held_out: &FeatureRows, device: &Device) -> f64 {
        let hidden = self.project(held_out.tensor(device));
        let targets = self.one_hot(held_out.labels(), device);
        let error = |weights: &Mat<f64>| {
            let difference = hidden.clone().matmul(tensor(weights, device)) - targets.clone();
            f64::from(difference.square().mean().into_scalar::<f32>())
        };
        let exponent = choose_exponent(&HeldOut {
            gram: &symmetric_matrix(&kept.gram),
            targets: &matrix(&kept.targets),
            error: &error,
        });
        10f64.powi(exponent)
    }

    fn solve(&mut self, held_out: Option<f64>) -> Result<(), Error> {
        let (Some(sums), Some(device)) = (&self.sums, &self.device) else {
            return Err(Error::Data("no features to fit a regression on".into()));
        };
        let gram = symmetric_matrix(&sums.gram);
        let diagonal = crate::symmetric::mean_diagonal(&gram);
        check_finite([diagonal])?;
        let wanted = match (&self.config.ridge, held_out) {
            (_, Some(lambda)) => lambda,
            (Ridge::Relative { factor }, None) => factor * diagonal,
            (Ridge::Fixed { lambda }, None) => *lambda,
            // After loading: the lambda of the fit that was saved. Too few rows: RanPAC's middle.
            (Ridge::HeldOut, None) if self.lambda > 0.0 => self.lambda,
            (Ridge::HeldOut, None) => 1.0,
        };
        // A lambda of 0 (all hidden features 0) would leave nothing on the diagonal.
        let (weights, lambda) = solve(&gram, &matrix(&sums.targets), wanted.max(1e-30));
        let seen: Vec<usize> = (0..self.counts.len())
            .filter(|&c| self.counts[c] > 0.0)
            .collect();
        self.fitted = Some(LinearScores::new(
            weights.nrows(),
            self.num_classes(),
            &seen,
            device,
            |class| (weights.col_as_slice(class).to_vec(), 0.0),
        ));
        self.lambda = lambda;
        Ok(())
    }
}

impl Discriminant for RandomProjection {
    fn observe(&mut self, features: Tensor<2>, labels: &[usize]) {
        self.device = Some(plain_device(&features));
        self.pending.push(features, labels);
    }

    fn fit(&mut self) -> Result<(), Error> {
        let device = self
            .device
            .clone()
            .filter(|_| self.sums.is_some() || !self.pending.is_empty());
        let Some(device) = device else {
            return Err(Error::Data("no features to fit a regression on".into()));
        };
        let held_out = match self.pending.is_empty() {
            true => None,
            false => self.fold_pending(&device),
        };
        self.solve(held_out)
    }

    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let fitted = self.fitted.as_ref().expect("fit before scores");
        fitted.of(self.project(features))
    }

    fn transport(&mut self, _transport: &FeatureTransport) -> Result<(), Error> {
        Err(Error::setting(
            "discriminant",
            "random projections keep no class means that a drift could be applied to; choose \
             another discriminant or leave the transport out",
        ))
    }

    fn num_bytes(&self) -> usize {
        let width = self.config.projections;
        // The Gram matrix is stored as its upper triangle.
        (width * (width + 1) / 2 + width * self.num_classes()) * size_of::<f32>()
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        let (Some(sums), Some(projection)) = (&self.sums, &self.projection) else {
            return;
        };
        let width = self.config.projections;
        let gram = host(sums.gram.clone());
        let triangle: Vec<f32> = (0..width)
            .flat_map(|i| gram[i * width + i..(i + 1) * width].to_vec())
            .collect();
        let len = triangle.len();
        let scalars = [projection.dims()[0] as f64, self.fits as f64, self.lambda];
        double_precision::insert(file, &format!("{prefix}.scalars"), &scalars);
        double_precision::insert(file, &format!("{prefix}.counts"), &self.counts);
        file.insert_data(format!("{prefix}.gram"), TensorData::new(triangle, [len]));
        file.insert(format!("{prefix}.targets"), sums.targets.clone());
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        let scalars = double_precision::read(file, &format!("{prefix}.scalars"))?;
        let triangle = double_precision::values(file, &format!("{prefix}.gram"))?;
        let targets = file.tensor::<2>(&format!("{prefix}.targets"), device)?;
        let width = self.config.projections;
        let ([dim, fits, lambda], true) = (
            scalars.as_slice(),
            triangle.len() == width * (width + 1) / 2 && targets.dims()[0] == width,
        ) else {
            return Err(Error::Data(format!(
                "`{prefix}` was saved with {} projections, the settings say {width}",
                targets.dims()[0]
            )));
        };
        let mut gram = vec![0f32; width * width];
        let mut values = triangle.into_iter();
        for i in 0..width {
            for j in i..width {
                let value = values.next().unwrap_or_default();
                gram[i * width + j] = value;
                gram[j * width + i] = value;
            }
        }
        self.counts = double_precision::read(file, &format!("{prefix}.counts"))?;
        self.fits = *fits as u64;
        self.lambda = *lambda;
        self.projection = Some(self.make_projection(*dim as usize, device));
        self.sums = Some(Sums {
            gram: Tensor::from_data(TensorData::new(gram, [width, width]), device),
            targets,
        });
        self.device = Some(device.clone());
        self.solve(None)
    }
}

fn matrix(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values = host(tensor.clone());
    Mat::from_fn(rows, columns, |i, j| f64::from(values[i * columns + j]))
}

/// The upper triangle, mirrored: a product of single-precision blocks need not be symmetric to the
/// last bit, and only the upper triangle is saved.
fn symmetric_matrix(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values = host(tensor.clone());
    Mat::from_fn(rows, columns, |i, j| {
        f64::from(values[i.min(j) * columns + i.max(j)])
    })
}

fn tensor(matrix: &Mat<f64>, device: &Device) -> Tensor<2> {
    let shape = [matrix.nrows(), matrix.ncols()];
    let values: Vec<f32> = (0..shape[0])
        .flat_map(|i| (0..shape[1]).map(move |j| matrix[(i, j)] as f32))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

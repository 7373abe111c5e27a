//! Ridge regression on random projections: RanPAC (McDonnell et al., NeurIPS 2023).

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use faer::Mat;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, Seeds, TensorFile};

use super::{
    Discriminant, LinearScores, check_finite, plain_device,
    regression_sums::RegressionSums,
    ridge::{HeldOut, Ridge, choose_exponent, solve},
};
use crate::{
    feature_rows::FeatureRows, feature_transport::FeatureTransport, symmetric::mean_diagonal,
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
    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.projections == 0 {
            return Err(Error::setting("projections", "0 is not above 0"));
        }
        self.ridge.validate().map_err(|e| e.within("ridge"))
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
    sums: Option<RegressionSums>,
    /// Examples of each class.
    counts: Vec<usize>,
    fits: usize,
    fitted: Option<LinearScores>,
    lambda: f64,
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
        let mut rng = Seeds::new(self.config.seed).projection();
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
    fn accumulate(
        &self,
        mut sums: RegressionSums,
        rows: &FeatureRows,
        device: &Device,
    ) -> RegressionSums {
        for start in (0..rows.len()).step_by(BLOCK) {
            let end = rows.len().min(start + BLOCK);
            let hidden = self.project(rows.block(start, end, device));
            sums = sums.add(hidden, self.one_hot(&rows.labels()[start..end], device));
        }
        sums
    }

    /// Fold the pending rows in and return the lambda for all of them.
    fn fold_pending(&mut self, device: &Device) -> Option<f64> {
        let pending = std::mem::take(&mut self.pending);
        for &label in pending.labels() {
            if label >= self.counts.len() {
                self.counts.resize(label + 1, 0);
            }
            self.counts[label] += 1;
        }
        if self.projection.is_none() && !pending.is_empty() {
            self.projection = Some(self.make_projection(pending.dim(), device));
        }
        let (width, classes) = (self.config.projections, self.num_classes());
        let before = match self.sums.take() {
            Some(sums) => sums.with_classes(classes),
            None => RegressionSums::zeros(width, classes, device),
        };
        // Five rows are the fewest of which a fifth can be held out.
        if self.config.ridge == Ridge::HeldOut && pending.len() >= 5 {
            let mut order: Vec<usize> = (0..pending.len()).collect();
            let mut rng = Seeds::new(self.config.seed).held_out(self.fits);
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

    fn choose_lambda(&self, kept: &RegressionSums, held_out: &FeatureRows, device: &Device) -> f64 {
        let hidden = self.project(held_out.tensor(device));
        let targets = self.one_hot(held_out.labels(), device);
        let error = |weights: &Mat<f64>| {
            let difference = hidden.clone().matmul(tensor(weights, device)) - targets.clone();
            f64::from(difference.square().mean().into_scalar::<f32>())
        };
        let exponent = choose_exponent(&HeldOut {
            gram: &kept.gram(),
            targets: &kept.targets(),
            error: &error,
        });
        10f64.powi(exponent)
    }

    fn solve(&mut self, held_out: Option<f64>) -> Result<(), Error> {
        let (Some(sums), Some(device)) = (&self.sums, &self.device) else {
            return Err(Error::Data("no features to fit a regression on".into()));
        };
        let gram = sums.gram();
        let diagonal = mean_diagonal(&gram);
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
        let (weights, lambda) = solve(&gram, &sums.targets(), wanted.max(1e-30));
        let seen: Vec<usize> = (0..self.counts.len())
            .filter(|&c| self.counts[c] > 0)
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
        Err(Error::Data(
            "random projections keep no class means that a drift could be applied to; choose \
             another discriminant or leave the transport out"
                .into(),
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
        file.insert_indices(format!("{prefix}.features"), [projection.dims()[0]]);
        file.insert_indices(format!("{prefix}.counts"), self.counts.iter().copied());
        file.insert_indices(format!("{prefix}.fits"), [self.fits]);
        file.insert_f64(format!("{prefix}.lambda"), [self.lambda], [1]);
        sums.save(prefix, file);
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        let counts = file.indices(&format!("{prefix}.counts"))?;
        let dims = file.indices(&format!("{prefix}.features"))?;
        let fits = file.indices(&format!("{prefix}.fits"))?;
        let lambdas = file.f64s(&format!("{prefix}.lambda"))?;
        let ([dim], [fits], [lambda]) = (&dims[..], &fits[..], &lambdas[..]) else {
            let counts = (dims.len(), fits.len(), lambdas.len());
            let problem =
                format!("`{prefix}`: {counts:?} of (features, fits, lambda), not one each");
            return Err(file.unfit(problem).into());
        };
        let width = self.config.projections;
        let sums = RegressionSums::load(prefix, file, width, device)?;
        self.counts = counts;
        self.fits = *fits;
        self.lambda = *lambda;
        self.projection = Some(self.make_projection(*dim, device));
        self.sums = Some(sums);
        self.device = Some(device.clone());
        self.solve(None)
    }
}

fn tensor(matrix: &Mat<f64>, device: &Device) -> Tensor<2> {
    let shape = [matrix.nrows(), matrix.ncols()];
    let values: Vec<f32> = (0..shape[0])
        .flat_map(|i| (0..shape[1]).map(move |j| matrix[(i, j)] as f32))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

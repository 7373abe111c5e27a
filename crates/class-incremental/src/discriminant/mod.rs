//! Discriminants: classifiers that are fitted in closed form from features, task by task.

mod nearest_class_mean;

mod linear_discriminant;

mod regularised_discriminant;

mod random_projection;

mod regression_sums;

mod ridge;

mod config;

use burn::tensor::{Device, Tensor, TensorData};
use treelora_core::{Error, TensorFile};

use crate::feature_transport::FeatureTransport;

pub use config::DiscriminantConfig;
pub use linear_discriminant::{LinearDiscriminant, LinearDiscriminantConfig, Priors};
pub use nearest_class_mean::{NearestClassMean, NearestClassMeanConfig};
pub use random_projection::{RandomProjection, RandomProjectionConfig};
pub use regularised_discriminant::{RegularisedDiscriminant, RegularisedDiscriminantConfig};
pub use ridge::Ridge;

/// A classifier on features that forgets nothing: it keeps sums from which all tasks seen so far
/// can be solved jointly, and no example.
///
/// Call [`observe`](Self::observe) with the features of a task, then [`fit`](Self::fit); then
/// [`scores`](Self::scores) answers. How the rows were batched has no influence.
pub trait Discriminant: std::fmt::Debug {
    /// Take in features with their labels. They count from the next [`fit`](Self::fit) on.
    ///
    /// # Shapes
    /// `[batch, features]`, one label a row.
    ///
    /// # Panics
    /// When there are not as many labels as rows, or the width differs from earlier features.
    fn observe(&mut self, features: Tensor<2>, labels: &[usize]);

    /// Solve for the classifier on everything observed so far.
    ///
    /// # Errors
    /// When nothing was observed or the features are not finite.
    fn fit(&mut self) -> Result<(), Error>;

    /// Scores of every class; classes never seen are at `-inf`.
    ///
    /// # Shapes
    /// `[batch, features]` -> `[batch, classes]`, with the number of classes of
    /// [`DiscriminantConfig::build`], or one more than the largest label where that is more.
    ///
    /// # Panics
    /// Before the first [`fit`](Self::fit).
    fn scores(&self, features: Tensor<2>) -> Tensor<2>;

    /// Move what is stored into the feature space of a new adapter, then fit again.
    ///
    /// # Errors
    /// When this discriminant keeps nothing that a transport can be applied to.
    fn transport(&mut self, transport: &FeatureTransport) -> Result<(), Error>;

    /// Bytes that are kept from task to task.
    fn num_bytes(&self) -> usize;

    /// Write what was fitted under `prefix`; rows observed since the last fit are left out.
    fn save(&self, prefix: &str, file: &mut TensorFile);

    /// Read what [`save`](Self::save) wrote, onto `device`; the settings are those of `self`.
    ///
    /// # Errors
    /// When a tensor is missing or misshaped.
    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error>;
}

/// A fitted linear map from (transformed) features to scores.
#[derive(Clone, Debug)]
struct LinearScores {
    /// `[features, classes]`.
    weight: Tensor<2>,
    /// `[1, classes]`; `-inf` at classes never seen, whose columns of `weight` are 0.
    bias: Tensor<2>,
}

impl LinearScores {
    /// From host values: `column(class)` gives the weights and the bias of a seen class.
    fn new(
        dim: usize,
        classes: usize,
        seen: &[usize],
        device: &Device,
        column: impl Fn(usize) -> (Vec<f64>, f64),
    ) -> Self {
        let mut weight = vec![0f32; dim * classes];
        let mut bias = vec![f32::NEG_INFINITY; classes];
        for &class in seen {
            let (values, offset) = column(class);
            for (i, value) in values.iter().enumerate() {
                weight[i * classes + class] = *value as f32;
            }
            bias[class] = offset as f32;
        }
        Self {
            weight: Tensor::from_data(TensorData::new(weight, [dim, classes]), device),
            bias: Tensor::from_data(TensorData::new(bias, [1, classes]), device),
        }
    }

    fn of(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.weight.clone()) + self.bias.clone()
    }
}

/// The device of features, without autodiff.
fn plain_device(features: &Tensor<2>) -> Device {
    features.clone().inner().device()
}

/// # Errors
/// When a value is not finite.
fn check_finite(values: impl IntoIterator<Item = f64>) -> Result<(), Error> {
    match values.into_iter().all(f64::is_finite) {
        true => Ok(()),
        false => Err(Error::Data(
            "features hold a value that is not finite".into(),
        )),
    }
}

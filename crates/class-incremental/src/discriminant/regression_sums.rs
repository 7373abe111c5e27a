//! The sums that a ridge regression is solved from.

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use treelora_core::{Error, TensorFile};

use crate::feature_rows::host;

/// `G = sum h^T h` `[M, M]` and `C = sum h^T y` `[M, classes]`, on the device.
#[derive(Clone, Debug)]
pub(super) struct RegressionSums {
    gram: Tensor<2>,
    targets: Tensor<2>,
}

impl RegressionSums {
    pub(super) fn zeros(width: usize, classes: usize, device: &Device) -> Self {
        Self {
            gram: Tensor::zeros([width, width], device),
            targets: Tensor::zeros([width, classes], device),
        }
    }

    /// With columns of zeros up to `classes`.
    pub(super) fn with_classes(mut self, classes: usize) -> Self {
        let [width, known] = self.targets.dims();
        if classes > known {
            let empty = Tensor::zeros([width, classes - known], &self.targets.device());
            self.targets = Tensor::cat(vec![self.targets, empty], 1);
        }
        self
    }

    /// Add a block of rows.
    ///
    /// # Shapes
    /// hidden `[rows, M]`, targets `[rows, classes]`.
    pub(super) fn add(self, hidden: Tensor<2>, targets: Tensor<2>) -> Self {
        let transposed = hidden.clone().transpose();
        Self {
            gram: self.gram + transposed.clone().matmul(hidden),
            targets: self.targets + transposed.matmul(targets),
        }
    }

    /// G in double precision: the upper triangle, mirrored. A product of single-precision blocks
    /// need not be symmetric to the last bit, and only the upper triangle is saved.
    pub(super) fn gram(&self) -> Mat<f64> {
        let width = self.gram.dims()[0];
        let values = host(self.gram.clone());
        Mat::from_fn(width, width, |i, j| {
            f64::from(values[i.min(j) * width + i.max(j)])
        })
    }

    /// C in double precision.
    pub(super) fn targets(&self) -> Mat<f64> {
        let [width, classes] = self.targets.dims();
        let values = host(self.targets.clone());
        Mat::from_fn(width, classes, |i, j| f64::from(values[i * classes + j]))
    }

    pub(super) fn save(&self, prefix: &str, file: &mut TensorFile) {
        let width = self.gram.dims()[0];
        let gram = host(self.gram.clone());
        let triangle: Vec<f32> = (0..width)
            .flat_map(|i| gram[i * width + i..(i + 1) * width].to_vec())
            .collect();
        let len = triangle.len();
        file.insert_f32(format!("{prefix}.gram"), triangle, [len]);
        file.insert(format!("{prefix}.targets"), self.targets.clone());
    }

    /// # Errors
    /// When a tensor is missing or was saved with another width.
    pub(super) fn load(
        prefix: &str,
        file: &TensorFile,
        width: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        let triangle = file.f32s(&format!("{prefix}.gram"))?;
        let targets = file.tensor::<2>(&format!("{prefix}.targets"), device)?;
        if triangle.len() != width * (width + 1) / 2 || targets.dims()[0] != width {
            let saved = targets.dims()[0];
            let problem =
                format!("`{prefix}` was saved with {saved} projections, the settings say {width}");
            return Err(file.unfit(problem).into());
        }
        let mut gram = vec![0f32; width * width];
        let mut values = triangle.into_iter();
        for i in 0..width {
            for j in i..width {
                let value = values.next().unwrap_or_default();
                gram[i * width + j] = value;
                gram[j * width + i] = value;
            }
        }
        Ok(Self {
            gram: Tensor::from_data(TensorData::new(gram, [width, width]), device),
            targets,
        })
    }
}

//! An adapter of lower rank with nearly the same update.

use burn::tensor::{Device, Tensor, TensorData};
use faer::{Mat, MatRef};

use crate::{
    error::LoraError,
    snapshot::{AdapterLayer, AdapterSnapshot},
};

impl AdapterSnapshot {
    /// The adapter of at most `rank` whose updates are nearest to those of this one in the Frobenius norm (Eckart and
    /// Young, 1936): the largest singular values of `scale A B`, each shared evenly between the factors. The scale
    /// becomes 1; a layer that has no more than `rank` keeps its update.
    ///
    /// With [`stacked`](Self::stacked) this merges adapters by what they do, whatever their factors look like:
    /// `B` and `A` of two adapters need not correspond.
    ///
    /// The singular values come from the factors (two thin QR decompositions and one small SVD), in double precision on
    /// the host; no `[d_in, d_out]` matrix is built.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn truncated(&self, rank: usize) -> Result<Self, LoraError> {
        let layers = self.layers().iter().map(|layer| truncated(layer, rank));
        Ok(Self::from_layers(layers.collect::<Result<_, _>>()?))
    }
}

fn truncated(layer: &AdapterLayer, rank: usize) -> Result<AdapterLayer, LoraError> {
    let not_finite = || LoraError::layer(&layer.path, "values are not finite".to_owned());
    let (a, b) = (host(&layer.a), host(&layer.b));
    let left = a.qr();
    let right = b.transpose().qr();
    let core = left.thin_R() * right.thin_R().transpose();
    if !(0..core.ncols()).all(|j| core.col(j).iter().all(|x| x.is_finite())) {
        return Err(not_finite());
    }
    let svd = core.thin_svd().map_err(|_| not_finite())?;
    let values = svd.S().column_vector();
    let rank = rank.min(values.nrows());
    let root = |i: usize| (values[i] * layer.scale.abs()).sqrt();
    let sign = layer.scale.signum();
    let left = left.compute_thin_Q() * svd.U().subcols(0, rank);
    let right = right.compute_thin_Q() * svd.V().subcols(0, rank);
    let device = layer.a.device();
    Ok(AdapterLayer {
        path: layer.path.clone(),
        a: on(&device, left.as_ref(), |value, _, j| value * root(j)),
        b: on(&device, right.transpose(), |value, i, _| {
            value * root(i) * sign
        }),
        scale: 1.0,
    })
}

fn host(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values: Vec<f64> = tensor.to_data().iter::<f64>().collect();
    Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
}

fn on(
    device: &Device,
    matrix: MatRef<'_, f64>,
    scaled: impl Fn(f64, usize, usize) -> f64,
) -> Tensor<2> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    let values: Vec<f32> = values
        .map(|(i, j)| scaled(matrix[(i, j)], i, j) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

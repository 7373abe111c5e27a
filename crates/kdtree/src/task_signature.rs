//! What a task leaves behind.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::TreeError;

/// `G_k`: the mean of the layer vectors over the last epoch of a task, cut off from every graph.
#[derive(Clone, Debug)]
pub struct TaskSignature {
    vectors: Tensor<2>,
}

impl TaskSignature {
    /// Take a copy of `vectors` that holds no graph and no autodiff; it stays on its device.
    ///
    /// # Shapes
    /// `[layers, features]`.
    pub fn new(vectors: Tensor<2>) -> Self {
        Self {
            vectors: vectors.detach().without_autodiff(),
        }
    }

    /// Read back what [`to_data`](Self::to_data) stored.
    ///
    /// # Errors
    /// [`TreeError::Dimensions`] when the data is not `[layers, features]`.
    pub fn from_data(data: TensorData, device: &Device) -> Result<Self, TreeError> {
        match data.shape().len() {
            2 => Ok(Self::new(Tensor::from_data(
                data.convert_dtype(DType::F32),
                device,
            ))),
            dimensions => Err(TreeError::Dimensions { dimensions }),
        }
    }

    /// The signature on the host, as `f32` `[layers, features]`; serde-able.
    pub fn to_data(&self) -> TensorData {
        self.vectors.clone().into_data().convert_dtype(DType::F32)
    }

    /// The vectors, `[layers, features]`, on their device and outside of any graph.
    pub fn tensor(&self) -> Tensor<2> {
        self.vectors.clone()
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.vectors.dims()[0]
    }

    /// Width of each layer's vector.
    pub fn features(&self) -> usize {
        self.vectors.dims()[1]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_keeps_no_graph_and_survives_the_host() {
        let device = Device::flex().autodiff();
        let vectors = Tensor::<2>::from_data([[1.0, 2.5], [3.0, 4.0]], &device).require_grad();
        let signature = TaskSignature::new(vectors * 2.0);
        assert!(!signature.tensor().is_autodiff());
        assert_eq!((signature.layers(), signature.features()), (2, 2));
        let json = serde_json::to_string(&signature.to_data()).unwrap();
        let data: TensorData = serde_json::from_str(&json).unwrap();
        let read = TaskSignature::from_data(data, &Device::flex()).unwrap();
        assert_eq!(read.to_data(), signature.to_data());
        let flat = TensorData::new(vec![1.0f32], [1]);
        let error = TaskSignature::from_data(flat, &Device::flex()).unwrap_err();
        assert_eq!(error, TreeError::Dimensions { dimensions: 1 });
    }
}

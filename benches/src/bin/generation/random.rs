//! A model of random weights, for all sides.

use std::{error::Error, path::Path};

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::case::Shape;

/// Write one into a folder in Hugging Face's layout.
///
/// # Errors
/// When the shape is no shape, or writing fails.
pub(crate) fn write(folder: &Path, shape: &str) -> Result<(), Box<dyn Error>> {
    let shape: Shape = serde_json::from_str(shape)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let model = shape.config().init(&mut rng, &Device::default())?;
    Ok(model.save(folder)?)
}

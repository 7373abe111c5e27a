//! Double-precision numbers in a file of single-precision tensors.

use burn::tensor::TensorData;
use treelora_core::{Error, TensorFile};

/// Write `values` as three `f32` rows whose sum is each value exactly (3 x 24 bits hold the 53 of
/// a double), so that a resumed run continues with equal bits.
pub(crate) fn insert(file: &mut TensorFile, name: &str, values: &[f64]) {
    let mut parts = Vec::with_capacity(3 * values.len());
    let mut rest: Vec<f64> = values.to_vec();
    for _ in 0..3 {
        for value in &mut rest {
            let part = *value as f32;
            parts.push(part);
            *value -= f64::from(part);
        }
    }
    file.insert_data(name, TensorData::new(parts, [3, values.len()]));
}

/// Read what [`insert`] wrote.
///
/// # Errors
/// When there is no such tensor or its shape is another.
pub(crate) fn read(file: &TensorFile, name: &str) -> Result<Vec<f64>, Error> {
    let data = file.data(name)?;
    let shape = data.shape().to_vec();
    let [3, len] = shape[..] else {
        return Err(Error::Data(format!(
            "tensor `{name}` has shape {shape:?}, expected [3, n]"
        )));
    };
    let parts = values(file, name)?;
    Ok((0..len)
        .map(|i| f64::from(parts[i]) + f64::from(parts[len + i]) + f64::from(parts[2 * len + i]))
        .collect())
}

/// The values of the tensor called `name`.
///
/// # Errors
/// When there is no such tensor.
pub(crate) fn values(file: &TensorFile, name: &str) -> Result<Vec<f32>, Error> {
    file.data(name)?
        .clone()
        .try_into_vec::<f32>()
        .map_err(|e| Error::Data(format!("tensor `{name}`: {e:?}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn doubles_come_back_exactly() {
        let numbers = [0.1, -1.0 / 3.0, 12345.678901234567, 0.0, 1e-20];
        let mut file = TensorFile::new();
        insert(&mut file, "x", &numbers);
        assert_eq!(read(&file, "x").unwrap(), numbers);
    }
}

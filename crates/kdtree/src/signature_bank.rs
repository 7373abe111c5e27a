//! All signatures in one tensor, so that a level is one expression.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::{TaskSignature, TreeError, host_values::host_values};

/// The signatures of all tasks, `[layers, tasks, features]`: the vectors of one layer lie together.
#[derive(Clone, Debug)]
pub(crate) struct SignatureBank {
    rows: Tensor<3>,
}

impl SignatureBank {
    /// Collect finite signatures of one shape. One round trip.
    pub(crate) fn new(signatures: Vec<TaskSignature>) -> Result<Self, TreeError> {
        let first = signatures.first().ok_or(TreeError::NoTasks)?;
        let expected = [first.layers(), first.features()];
        for (task, signature) in signatures.iter().enumerate() {
            check_shape(task, signature, expected)?;
        }
        let vectors = signatures.iter().map(TaskSignature::tensor).collect();
        let rows = Tensor::stack(vectors, 1);
        check_finite(0, rows.clone())?;
        Ok(Self { rows })
    }

    /// Append one signature. Copies the bank, which a task does once. One round trip.
    pub(crate) fn push(&mut self, signature: &TaskSignature) -> Result<(), TreeError> {
        let [layers, tasks, features] = self.rows.dims();
        check_shape(tasks, signature, [layers, features])?;
        let row: Tensor<3> = signature.tensor().unsqueeze_dim(1);
        check_finite(tasks, row.clone())?;
        self.rows = Tensor::cat(vec![self.rows.clone(), row], 1);
        Ok(())
    }

    /// Replace `kept` by `weights[0] * kept + weights[1] * freed` and drop `freed`.
    pub(crate) fn merge(&mut self, kept: usize, freed: usize, weights: [f64; 2]) {
        let row = |task| self.rows.clone().narrow(1, task, 1);
        let merged = row(kept) * weights[0] + row(freed) * weights[1];
        let parts = (0..self.len())
            .filter(|&task| task != freed)
            .collect::<Vec<_>>();
        let slot = kept - usize::from(freed < kept);
        let [layers, _, features] = self.rows.dims();
        let left = self.rows.clone().select(1, self.indices(&parts));
        self.rows = left.slice_assign([0..layers, slot..slot + 1, 0..features], merged);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.dims()[1]
    }

    pub(crate) fn layers(&self) -> usize {
        self.rows.dims()[0]
    }

    pub(crate) fn features(&self) -> usize {
        self.rows.dims()[2]
    }

    pub(crate) fn device(&self) -> Device {
        self.rows.device()
    }

    /// All signatures, `[layers, tasks, features]`.
    pub(crate) fn rows(&self) -> Tensor<3> {
        self.rows.clone()
    }

    /// The vectors of one layer, `[tasks, features]`, in `f32`.
    pub(crate) fn layer(&self, layer: usize) -> Tensor<2> {
        let rows: Tensor<2> = self.rows.clone().narrow(0, layer, 1).squeeze_dim(0);
        rows.cast(DType::F32)
    }

    /// All layers of a task one after the other, `[tasks, layers * features]`, in `f32`.
    pub(crate) fn whole(&self) -> Tensor<2> {
        let [layers, tasks, features] = self.rows.dims();
        let rows = self.rows.clone().swap_dims(0, 1);
        rows.reshape([tasks, layers * features]).cast(DType::F32)
    }

    /// The signature of one task.
    pub(crate) fn signature(&self, task: usize) -> TaskSignature {
        TaskSignature::new(self.rows.clone().narrow(1, task, 1).squeeze_dim(1))
    }

    /// Row `tasks[l]` of each layer `l`, `[layers, features]`, in one gather.
    pub(crate) fn chosen(&self, tasks: &[usize]) -> Tensor<2> {
        let [layers, count, features] = self.rows.dims();
        let flat = tasks
            .iter()
            .enumerate()
            .map(|(layer, task)| layer * count + task);
        let indices = self.indices(&flat.collect::<Vec<_>>());
        let rows: Tensor<2> = self.rows.clone().reshape([layers * count, features]);
        rows.select(0, indices)
    }

    /// Positions as a tensor beside the signatures.
    pub(crate) fn indices(&self, positions: &[usize]) -> Tensor<1, Int> {
        let values: Vec<i64> = positions.iter().map(|&p| p as i64).collect();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &self.device())
    }
}

/// `G_k - G_{k-1}`, `[tasks, width]`; the first row is `G_0`.
pub(crate) fn increments(rows: Tensor<2>) -> Tensor<2> {
    let tasks = rows.dims()[0];
    if tasks == 1 {
        return rows;
    }
    let steps = rows.clone().narrow(0, 1, tasks - 1) - rows.clone().narrow(0, 0, tasks - 1);
    Tensor::cat(vec![rows.narrow(0, 0, 1), steps], 0)
}

fn check_shape(
    task: usize,
    signature: &TaskSignature,
    expected: [usize; 2],
) -> Result<(), TreeError> {
    let found = [signature.layers(), signature.features()];
    match found == expected {
        true => Ok(()),
        false => Err(TreeError::Shape {
            task,
            found,
            expected,
        }),
    }
}

/// Refuse signatures with an infinite or undefined L1 norm: in the mean of a node, where they are measured,
/// nobody could tell any more whose it was.
///
/// # Shapes
/// `[layers, tasks, features]`, the tasks from number `first` on.
fn check_finite(first: usize, rows: Tensor<3>) -> Result<(), TreeError> {
    let tasks = rows.dims()[1];
    let sizes = host_values(rows.cast(DType::F32).abs().sum_dim(2).into_data());
    let spoiled = |&(_, size): &(usize, &f32)| !size.is_finite();
    let places = sizes.iter().enumerate().filter(spoiled);
    // Layer by layer on the device; the earliest task is named.
    match places
        .map(|(place, _)| (place % tasks, place / tasks))
        .min()
    {
        Some((task, layer)) => Err(TreeError::NotFinite {
            task: first + task,
            layer,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bank() -> SignatureBank {
        let signature = |x: f32| {
            let rows = Tensor::<2>::from_data([[x, x + 0.5], [10.0 * x, 1.0]], &Device::flex());
            TaskSignature::new(rows)
        };
        SignatureBank::new([1.0, 3.0, 7.0].map(signature).to_vec()).unwrap()
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn rows_by_layer_increment_and_choice() {
        let bank = bank();
        assert_eq!(values(bank.layer(0)), [1.0, 1.5, 3.0, 3.5, 7.0, 7.5]);
        assert_eq!(
            values(increments(bank.layer(1))),
            [10.0, 1.0, 20.0, 0.0, 40.0, 0.0]
        );
        assert_eq!(values(bank.whole())[4..8], [3.0, 3.5, 30.0, 1.0]);
        assert_eq!(values(bank.chosen(&[2, 0])), [7.0, 7.5, 10.0, 1.0]);
        assert_eq!(values(bank.signature(1).tensor()), [3.0, 3.5, 30.0, 1.0]);
    }

    #[test]
    fn merging_averages_and_closes_the_gap() {
        for (kept, freed, slot) in [(0, 2, 0), (2, 0, 1)] {
            let mut merged = bank();
            let weights = if kept == 0 {
                [0.75, 0.25]
            } else {
                [0.25, 0.75]
            };
            merged.merge(kept, freed, weights);
            assert_eq!(merged.len(), 2);
            assert_eq!(
                values(merged.signature(slot).tensor()),
                [2.5, 3.0, 25.0, 1.0]
            );
            assert_eq!(values(merged.signature(1 - slot).tensor())[0], 3.0);
        }
    }

    #[test]
    fn another_shape_is_refused_by_task() {
        let mut bank = bank();
        let wide = TaskSignature::new(Tensor::zeros([2, 3], &Device::flex()));
        let error = bank.push(&wide).unwrap_err().to_string();
        assert!(
            error.contains("task 3") && error.contains("[2, 3]"),
            "{error}"
        );
    }
    #[test]
    fn a_signature_that_is_not_finite_is_refused_by_task_and_layer() {
        let device = Device::flex();
        let signature = |spoiled: f32| {
            let rows = [[1.0, 2.0], [3.0, spoiled]];
            TaskSignature::new(Tensor::<2>::from_data(rows, &device))
        };
        let refused = |task| Some(TreeError::NotFinite { task, layer: 1 });
        for spoiled in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let together = [1.0, spoiled, spoiled].map(signature).to_vec();
            assert_eq!(SignatureBank::new(together).err(), refused(1));
            let mut bank = bank();
            assert_eq!(bank.push(&signature(spoiled)).err(), refused(3));
            assert_eq!(bank.len(), 3);
        }
    }
}

//! Which two tasks to merge when the storage budget is spent.

use burn::tensor::{DType, Int, Tensor, Transaction};

use crate::{TreeError, host_values::host_values, signature_bank::SignatureBank};

/// Two tasks that become one.
///
/// Closest are the tasks `a`, `b` of the smallest mean over layers of
/// `||G_a - G_b||^2 / (2 ||G_a||^2 + 2 ||G_b||^2)`, in `[0, 1]`. All pairs are compared: averaging
/// two adapters loses the squared distance between them, and squared distances of all pairs are one
/// matrix product a layer, where L1 distances would need `tasks^2` vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The task that stays, the lower of the two numbers; it now stands for both.
    pub kept: usize,
    /// The task that is removed; later tasks move down by one.
    pub freed: usize,
    /// Shares of `kept` and `freed` in the merged signature, by the number of original tasks that
    /// each stands for; they sum to 1. Merge their adapters with the same shares.
    pub weights: [f64; 2],
    /// How far the two were apart.
    pub distance: f64,
}

/// Numbers in a block of pair distances at most, times layers: bounds the memory.
const BLOCK: usize = 1 << 24;

/// Above any distance.
const FAR: f32 = 9.0;

/// The closest two tasks of at least two; the lowest numbers on ties. One round trip.
pub(crate) fn closest_pair(bank: &SignatureBank, weights: &[u64]) -> Result<Merge, TreeError> {
    let (tasks, device) = (bank.len(), bank.device());
    let rows = bank.rows().cast(DType::F32);
    let squares = (rows.clone() * rows.clone()).sum_dim(2);
    let columns = rows.clone().swap_dims(1, 2);
    let sizes = squares.clone().swap_dims(1, 2);
    let numbers: Tensor<2, Int> = Tensor::<1, Int>::arange(0..tasks as i64, &device).unsqueeze();

    let block = (BLOCK / (bank.layers() * tasks)).max(1);
    let mut transaction = Transaction::default();
    for start in (0..tasks).step_by(block) {
        let height = block.min(tasks - start);
        let products = rows
            .clone()
            .narrow(1, start, height)
            .matmul(columns.clone());
        let sums = squares.clone().narrow(1, start, height) + sizes.clone();
        // The offset makes two vectors of zeros equal instead of 0/0.
        let agreement = (products + 1e-30) / (sums + 2e-30);
        let distances: Tensor<2> = agreement.mean_dim(0).squeeze_dim(0);
        let distances = distances.neg() + 0.5;
        let own = numbers.clone().narrow(1, start, height).swap_dims(0, 1);
        let shape = [height, tasks];
        let earlier = numbers.clone().expand(shape).lower_equal(own.expand(shape));
        let (nearest, partner) = distances.mask_fill(earlier, FAR).min_dim_with_indices(1);
        transaction = transaction.register(nearest).register(partner.float());
    }
    let mut nearest = Vec::with_capacity(tasks);
    let mut partners = Vec::with_capacity(tasks);
    for (part, data) in transaction.execute().into_iter().enumerate() {
        match part % 2 {
            0 => nearest.extend(host_values(data)),
            _ => partners.extend(host_values(data)),
        }
    }
    let mut kept = 0;
    for (task, &distance) in nearest.iter().enumerate() {
        if !distance.is_finite() {
            return Err(TreeError::NotFinite { task, layer: 0 });
        }
        if distance < nearest[kept] {
            kept = task;
        }
    }
    let freed = partners[kept] as usize;
    let total = (weights[kept] + weights[freed]) as f64;
    Ok(Merge {
        kept,
        freed,
        weights: [kept, freed].map(|task| weights[task] as f64 / total),
        distance: f64::from(nearest[kept]).clamp(0.0, 1.0),
    })
}

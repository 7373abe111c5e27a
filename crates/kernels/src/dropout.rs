//! Dropout whose mask is a function of a seed and of a position.

use burn::tensor::{Device, Distribution, Tensor, TensorData};

#[cfg(feature = "flex")]
use crate::cpu;

/// Which numbers are dropped, each with the same probability; the others are scaled to keep the expectation.
///
/// On the CPU the mask of a row and column is a hash of both and of the seed: it is made where it is needed, in the
/// forward and again in the backward, and stored nowhere. Other backends draw it from the generator of the device.
/// Source: Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>; the hash is the finaliser of
/// MurmurHash3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    keep: f64,
    seed: u64,
}

impl Dropout {
    /// Dropout with this probability, of this mask.
    ///
    /// # Panics
    /// When the probability is not from 0 up to but not including 1.
    pub fn new(probability: f64, seed: u64) -> Self {
        assert!(
            (0.0..1.0).contains(&probability),
            "dropout with a probability of {probability}"
        );
        Self {
            keep: 1.0 - probability,
            seed,
        }
    }

    /// A new mask, whose seed comes from the generator of the device: one `device.seed(..)` makes all that follow equal.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn draw(probability: f64, device: &Device) -> Self {
        if !is_cpu(device) {
            return Self::new(probability, 0);
        }
        let uniform = Distribution::Uniform(0.0, 1.0);
        let numbers = Tensor::<1>::random([2], uniform, &device.clone().without_autodiff());
        let numbers = numbers.into_data();
        let bits = |number: f32| u64::from((number * 16_777_216.0) as u32);
        let seed = numbers.iter::<f32>().map(bits);
        let seed = seed.fold(0, |seed, bits| seed << 32 | bits);
        Self::new(probability, seed)
    }

    /// `x` with numbers dropped; all axes but the last count as rows.
    ///
    /// # Shapes
    /// Any -> the same.
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let device = x.device();
        if !is_cpu(&device) {
            let mask = x.random_like(Distribution::Bernoulli(self.keep));
            return x * (mask / self.keep);
        }
        let dims = x.dims();
        let width = dims[D - 1];
        let rows = dims[..D - 1].iter().product();
        let factors = (0..rows).flat_map(|row| {
            let mask = self.row(row);
            (0..width).map(move |column| mask.factor(column as u32))
        });
        let factors = TensorData::new(factors.collect::<Vec<f32>>(), dims);
        let factors = Tensor::<D>::from_data(factors, &device).cast(x.dtype());
        x * factors
    }

    /// The mask of one row.
    pub(crate) fn row(&self, row: usize) -> RowMask {
        let key = mixed(self.seed ^ mixed(row as u64 + 1));
        RowMask {
            key: (key >> 32) as u32,
            last_kept: (self.keep * 4_294_967_296.0 - 1.0) as u32,
            scale: (1.0 / self.keep) as f32,
        }
    }
}

/// The mask of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowMask {
    key: u32,
    /// The largest hash of a number that is kept.
    last_kept: u32,
    scale: f32,
}

impl RowMask {
    /// What the number in a column is multiplied by: 0 or the scale.
    #[inline(always)]
    pub(crate) fn factor(self, column: u32) -> f32 {
        let mut hash = self.key.wrapping_add(column.wrapping_mul(0x9e37_79b9));
        hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
        hash ^= hash >> 16;
        if hash <= self.last_kept {
            self.scale
        } else {
            0.0
        }
    }
}

/// The finaliser of MurmurHash3 for 64 bits.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

fn is_cpu(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return cpu::is_here(device);
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_in_every_row_and_column_and_no_two_are_alike() {
        let dropout = Dropout::new(0.3, 7);
        let [rows, columns] = [400, 400];
        let kept = |row: usize, column: usize| dropout.row(row).factor(column as u32) > 0.0;
        for line in 0..rows {
            let in_row = (0..columns).filter(|&column| kept(line, column)).count();
            let in_column = (0..rows).filter(|&row| kept(row, line)).count();
            // Five standard deviations of 400 draws: 46.
            assert!(in_row.abs_diff(280) < 46, "{in_row} in row {line}");
            assert!(in_column.abs_diff(280) < 46, "{in_column} in column {line}");
        }
        // Neighbours agree as often as chance: 0.7 * 0.7 + 0.3 * 0.3.
        let agree = |other: &dyn Fn(usize, usize) -> bool| {
            let all =
                (0..rows - 1).flat_map(|row| (0..columns - 1).map(move |column| (row, column)));
            let same = all.filter(|&(row, column)| kept(row, column) == other(row, column));
            same.count() as f64 / ((rows - 1) * (columns - 1)) as f64
        };
        assert!((agree(&|row, column| kept(row + 1, column)) - 0.58).abs() < 0.01);
        assert!((agree(&|row, column| kept(row, column + 1)) - 0.58).abs() < 0.01);
        let another = Dropout::new(0.3, 8);
        let other = |row: usize, column: usize| another.row(row).factor(column as u32) > 0.0;
        assert!((agree(&other) - 0.58).abs() < 0.01);
    }

    #[test]
    fn nothing_is_dropped_at_zero() {
        let mask = Dropout::new(0.0, 3).row(5);
        assert!((0..10_000).all(|column| mask.factor(column) == 1.0));
    }
}

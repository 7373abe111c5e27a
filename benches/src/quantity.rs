//! What is no time.

use criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};

/// A number that the benchmark itself works out, for `Bencher::iter_custom`.
///
/// `cargo xtask bench` shows it in the unit that the group's name ends in, `_ratio` or `_bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    unit: &'static str,
}

impl Quantity {
    /// A quotient of two times that were taken one right after the other: what slows a machine down
    /// for longer than a round slows both, so that the quotient is steadier than either time.
    pub const RATIO: Self = Self { unit: "x" };

    /// Memory.
    pub const BYTES: Self = Self { unit: "bytes" };
}

impl Measurement for Quantity {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        panic!("only the benchmark knows its number: use `iter_custom`")
    }

    fn add(&self, left: &f64, right: &f64) -> f64 {
        left + right
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Quantity {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        self.unit
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        _throughput: &Throughput,
        _values: &mut [f64],
    ) -> &'static str {
        self.unit
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        self.unit
    }
}

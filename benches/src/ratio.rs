//! How many times the time of one thing is that of another.

use criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};

/// A quotient of two times that were taken one right after the other, for `Bencher::iter_custom`.
///
/// What slows a machine down for longer than a round slows both, so that the quotient is steadier than
/// either time. `cargo xtask bench` shows it as a number where the group's name ends in `_ratio`.
#[derive(Clone, Copy, Debug)]
pub struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        panic!("a ratio needs both times: use `iter_custom`")
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
        &Times
    }
}

/// Shows a ratio as it is.
struct Times;

impl ValueFormatter for Times {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "x"
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        _throughput: &Throughput,
        _values: &mut [f64],
    ) -> &'static str {
        "x"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "x"
    }
}

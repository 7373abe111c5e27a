//! Two things timed one after the other.

use std::time::Duration;

/// Takes two times in turns, neither always the one that follows the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    is_first: bool,
}

impl Turns {
    /// The sum over `rounds` of `time() / reference()`, for `Bencher::iter_custom` of
    /// [`Quantity::RATIO`](crate::Quantity::RATIO).
    pub fn quotients(
        &mut self,
        rounds: u64,
        mut time: impl FnMut() -> Duration,
        mut reference: impl FnMut() -> Duration,
    ) -> f64 {
        let mut sum = 0.0;
        for _ in 0..rounds {
            self.is_first = !self.is_first;
            let early = self.is_first.then(&mut time);
            let reference = reference();
            let time = early.unwrap_or_else(&mut time);
            sum += time.as_secs_f64() / reference.as_secs_f64();
        }
        sum
    }
}

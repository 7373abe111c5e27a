//! Several seeds in two numbers.

/// Mean and sample standard deviation (divided by `n - 1`) of the values, in their unit.
///
/// The spread of a single value is 0: it says nothing, so print it only for two or more. `None`
/// without values.
pub fn mean_and_spread(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (squares / (count - 1).max(1) as f64).sqrt()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let (mean, spread) = mean_and_spread(&[2.0, 4.0, 9.0]).unwrap();
        assert_eq!(mean, 5.0);
        assert!((spread - 13.0_f64.sqrt()).abs() < 1e-12); // (9 + 1 + 16) / 2
        assert_eq!(mean_and_spread(&[0.7]), Some((0.7, 0.0)));
        assert_eq!(mean_and_spread(&[]), None);
    }
}

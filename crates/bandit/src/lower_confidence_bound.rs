//! The bound of Eq. 2, and why it can be kept up to date cheaply.

/// Lower confidence bound of a mean cost in `[0, 1]` after `pulls` pulls, at round `round` from 1:
/// `mean - 2 sqrt(ln(round) / pulls)`, and `-inf` without a pull.
///
/// Source: TreeLoRA (ICML 2025), Eq. 2, leaf case.
///
/// # Panics
/// When `round` is 0.
pub fn lower_confidence_bound(mean: f64, pulls: u64, round: u64) -> f64 {
    assert!(round > 0, "rounds count from 1");
    if pulls == 0 {
        return f64::NEG_INFINITY;
    }
    mean - 2.0 * ((round as f64).ln() / pulls as f64).sqrt()
}

/// `sqrt(ln round)`: all that a bound knows of time.
pub(crate) fn exploration(round: u64) -> f64 {
    (round as f64).ln().sqrt()
}

/// A bound as a function of `s = sqrt(ln round)`: the straight line `intercept - slope * s`.
///
/// Between two pulls of an arm only `s` moves, so the order of two bounds changes at most once, at
/// a crossing that is known in advance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BoundLine {
    intercept: f64,
    slope: f64,
}

impl BoundLine {
    /// The line of a pooled mean `sum / (pulls * unit)`, lowered by `delta`.
    pub(crate) fn new(pulls: u64, sum: f64, unit: f64, delta: f64) -> Self {
        if pulls == 0 {
            return Self {
                intercept: f64::NEG_INFINITY,
                slope: 0.0,
            };
        }
        let pulls = pulls as f64;
        Self {
            intercept: sum / (pulls * unit) - delta,
            slope: 2.0 / pulls.sqrt(),
        }
    }

    pub(crate) fn at(&self, s: f64) -> f64 {
        self.intercept - self.slope * s
    }

    /// Until which `s` this line, at or below `other` at `s`, certainly stays there.
    ///
    /// Stops a margin before the crossing that covers rounding, so that near a crossing the two are
    /// compared by value again at each round, and the order is that of the values at every round.
    pub(crate) fn stays_below(&self, other: &Self, s: f64) -> f64 {
        if self == other || self.intercept == f64::NEG_INFINITY {
            return f64::INFINITY;
        }
        let (low, high) = (self.at(s), other.at(s));
        let margin = 1e-12 * (1.0 + low.abs() + high.abs());
        let closing = other.slope - self.slope;
        if high - low <= margin {
            s
        } else if closing <= 0.0 {
            f64::INFINITY
        } else {
            s + (high - low - margin) / closing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_bound() {
        for (pulls, sum, round) in [(1, 0.5, 1), (3, 1.2, 7), (50, 20.0, 1000)] {
            let direct = lower_confidence_bound(sum / pulls as f64, pulls, round);
            let line = BoundLine::new(pulls, sum, 1.0, 0.0).at(exploration(round));
            assert!((direct - line).abs() < 1e-12, "{direct} {line}");
        }
        assert_eq!(lower_confidence_bound(0.5, 0, 3), f64::NEG_INFINITY);
        assert_eq!(BoundLine::new(0, 0.0, 1.0, 0.3).at(0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn the_crossing_is_announced_in_time() {
        let flat = BoundLine::new(100, 30.0, 1.0, 0.0);
        let steep = BoundLine::new(4, 3.0, 1.0, 0.0);
        let expires = flat.stays_below(&steep, 0.0);
        assert!(flat.at(expires - 1e-9) < steep.at(expires - 1e-9));
        assert!(flat.at(expires + 1e-9) > steep.at(expires + 1e-9));
        assert_eq!(steep.stays_below(&flat, expires + 0.1), f64::INFINITY);
    }
}

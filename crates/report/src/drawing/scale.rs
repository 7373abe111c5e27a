//! From values to pixels, with round ticks.

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// Equal differences.
    Linear,
    /// Equal ratios; every value is positive.
    Logarithmic,
}

/// An interval of values on an interval of pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Values `low..high` on the pixels `from..to`; an empty interval gets some room.
    pub(crate) fn new(spacing: Spacing, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let (low, high) = match spacing {
            Spacing::Logarithmic if high > low => (low.log10(), high.log10()),
            Spacing::Logarithmic => (low.log10() - 0.5, low.log10() + 0.5),
            Spacing::Linear if high > low => (low, high),
            Spacing::Linear => {
                let room = if low == 0.0 { 1.0 } else { 0.05 * low.abs() };
                (low - room, low + room)
            }
        };
        Self {
            spacing,
            low,
            high,
            from,
            to,
        }
    }

    /// Around the finite ones of `values` with a little room; `0..1` without any.
    pub(crate) fn around(
        spacing: Spacing,
        values: impl Iterator<Item = f64> + Clone,
        pixels: (f64, f64),
    ) -> Self {
        let values = values.filter(|value| value.is_finite());
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        match (low <= high, spacing) {
            (false, _) => Self::new(Spacing::Linear, (0.0, 1.0), pixels),
            (true, Spacing::Logarithmic) => Self::new(spacing, (low / 1.1, high * 1.1), pixels),
            (true, Spacing::Linear) => {
                let room = 0.06 * (high - low);
                Self::new(spacing, (low - room, high + room), pixels)
            }
        }
    }

    /// The pixel of a value.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = match self.spacing {
            Spacing::Linear => value,
            Spacing::Logarithmic => value.log10(),
        };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// About five round values.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => round_steps(self.low, self.high, 5.0),
            Spacing::Logarithmic => {
                let decades = (self.high - self.low).max(1.0);
                let step = (decades / 5.0).ceil();
                let first = (self.low / step).ceil() * step;
                let count = ((self.high - first) / step).floor().max(-1.0) as i64 + 1;
                (0..count)
                    .map(|index| 10f64.powf(first + step * index as f64))
                    .collect()
            }
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn round_steps(low: f64, high: f64, count: f64) -> Vec<f64> {
    let rough = (high - low) / count;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.7)
        .unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    // A value that is huge beside its spread has no ticks of its own rather than endless ones.
    match last.saturating_sub(first) {
        0..=20 => (first..=last).map(|index| index as f64 * step).collect(),
        _ => vec![low, high],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::new(Spacing::Linear, (0.68, 0.93), (0.0, 100.0));
        let shown: Vec<String> = scale.ticks().iter().map(|t| format!("{t:.2}")).collect();
        assert_eq!(shown, ["0.70", "0.75", "0.80", "0.85", "0.90"]);
        let decades = Scale::new(Spacing::Logarithmic, (2e-4, 3.0), (0.0, 100.0));
        let shown: Vec<String> = decades.ticks().iter().map(|t| format!("{t:.0e}")).collect();
        assert_eq!(shown, ["1e-3", "1e-2", "1e-1", "1e0"]);
    }

    #[test]
    fn no_value_one_value_and_huge_values_have_a_place() {
        for values in [vec![], vec![0.0], vec![f64::NAN, 7.0], vec![1e300, 1e300]] {
            let scale = Scale::around(Spacing::Linear, values.iter().copied(), (0.0, 100.0));
            let finite = values.iter().filter(|value| value.is_finite());
            for &value in finite {
                assert!((scale.at(value) - 50.0).abs() < 1e-6, "{values:?}");
            }
            assert!(scale.ticks().len() <= 21, "{values:?}");
        }
    }
}

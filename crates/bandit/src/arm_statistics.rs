//! How often each arm was pulled and what it cost.

use serde::{Deserialize, Serialize};

use crate::{BanditError, CostScale};

/// A spread below this share of the largest cost is rounding.
const ROUNDING: f64 = 1e-9;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Arm {
    pulls: u64,
    sum: f64,
}

/// Pulls `n_k` and mean cost `mu_k` of each arm of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct ArmStatistics {
    scale: CostScale,
    largest: f64,
    /// Sum of squared deviations of all costs from their common mean; kept for [`CostScale::Spread`] alone.
    squares: f64,
    arms: Vec<Arm>,
}

impl ArmStatistics {
    /// Arms `0..arms`, none pulled yet.
    pub fn new(arms: usize, scale: CostScale) -> Self {
        Self {
            scale,
            largest: 0.0,
            squares: 0.0,
            arms: vec![Arm::default(); arms],
        }
    }

    /// Add one observed cost of `arm`.
    ///
    /// # Errors
    /// [`BanditError::Cost`] when the cost is outside the range of the [`CostScale`], NaN included;
    /// nothing is recorded then.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn record(&mut self, arm: usize, cost: f64) -> Result<(), BanditError> {
        self.check(arm, cost)?;
        if self.scale == CostScale::Spread {
            // Welford's update: exact where the costs are large and nearly equal.
            let (pulls, sum) = self.totals();
            let before = if pulls > 0 { sum / pulls as f64 } else { cost };
            let after = (sum + cost) / (pulls + 1) as f64;
            self.squares += ((cost - before) * (cost - after)).max(0.0);
        }
        let entry = &mut self.arms[arm];
        entry.pulls += 1;
        entry.sum += cost;
        self.largest = self.largest.max(cost);
        Ok(())
    }

    /// Whether [`record`](Self::record) would take this cost.
    ///
    /// # Errors
    /// [`BanditError::Cost`].
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn check(&self, arm: usize, cost: f64) -> Result<(), BanditError> {
        assert!(arm < self.len(), "arm {arm} of {} arms", self.len());
        match self.scale.allows(cost) {
            true => Ok(()),
            false => Err(BanditError::Cost {
                arm,
                cost,
                scale: self.scale,
            }),
        }
    }

    /// Number of arms.
    pub fn len(&self) -> usize {
        self.arms.len()
    }

    /// Whether there is no arm.
    pub fn is_empty(&self) -> bool {
        self.arms.is_empty()
    }

    /// The units of the costs.
    pub fn scale(&self) -> CostScale {
        self.scale
    }

    /// `n_k`.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn pulls(&self, arm: usize) -> u64 {
        self.arms[arm].pulls
    }

    /// Pulls of all arms. O(arms).
    pub fn total_pulls(&self) -> u64 {
        self.arms.iter().map(|arm| arm.pulls).sum()
    }

    /// `mu_k` in the units of the costs; none before the first pull.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn mean(&self, arm: usize) -> Option<f64> {
        let Arm { pulls, sum } = self.arms[arm];
        (pulls > 0).then(|| sum / pulls as f64)
    }

    /// Sum of the costs of `arm`, in their units.
    pub(crate) fn sum(&self, arm: usize) -> f64 {
        self.arms[arm].sum
    }

    /// The arm of the smallest mean cost among those pulled, the lowest index on ties.
    pub fn best(&self) -> Option<usize> {
        (0..self.len())
            .filter_map(|arm| self.mean(arm).map(|mean| (arm, mean)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(arm, _)| arm)
    }

    /// What a cost is divided by before it meets a confidence width: 1 for [`CostScale::Unit`], the
    /// largest cost so far for [`CostScale::Raw`] (1 while every cost was 0), the standard deviation of the costs so far
    /// for [`CostScale::Spread`] (1 while they are fewer than two, or equal up to rounding; O(arms)).
    pub fn unit(&self) -> f64 {
        match self.scale {
            CostScale::Raw if self.largest > 0.0 => self.largest,
            CostScale::Spread => self.spread().unwrap_or(1.0),
            _ => 1.0,
        }
    }

    fn spread(&self) -> Option<f64> {
        let others = self.total_pulls().saturating_sub(1);
        let deviation = (self.squares / others.max(1) as f64).sqrt();
        (others > 0 && deviation > ROUNDING * self.largest).then_some(deviation)
    }

    /// Pulls and costs of all arms.
    fn totals(&self) -> (u64, f64) {
        let sum = self.arms.iter().map(|arm| arm.sum).sum();
        (self.total_pulls(), sum)
    }
}

/// The stored form, checked on reading.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    scale: CostScale,
    largest: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    squares: f64,
    arms: Vec<Arm>,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl From<ArmStatistics> for Table {
    fn from(statistics: ArmStatistics) -> Self {
        let ArmStatistics {
            scale,
            largest,
            squares,
            arms,
        } = statistics;
        Self {
            scale,
            largest,
            squares,
            arms,
        }
    }
}

impl TryFrom<Table> for ArmStatistics {
    type Error = BanditError;

    fn try_from(table: Table) -> Result<Self, BanditError> {
        let Table {
            scale,
            largest,
            squares,
            arms,
        } = table;
        if !(squares >= 0.0 && squares.is_finite()) {
            return Err(BanditError::Squares { squares });
        }
        for (arm, &Arm { pulls, sum }) in arms.iter().enumerate() {
            // Rounding of a long sum may pass its exact limit a little.
            let limit = pulls as f64 * largest * (1.0 + 1e-9);
            if !(scale.allows(largest) && (0.0..=limit).contains(&sum)) {
                return Err(BanditError::Statistics {
                    arm,
                    pulls,
                    sum,
                    scale,
                });
            }
        }
        Ok(Self {
            scale,
            largest,
            squares,
            arms,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn means_and_the_best_arm() {
        let mut statistics = ArmStatistics::new(3, CostScale::Unit);
        assert_eq!(statistics.best(), None);
        for (arm, cost) in [(2, 0.25), (1, 0.5), (1, 0.0)] {
            statistics.record(arm, cost).unwrap();
        }
        assert_eq!(statistics.mean(0), None);
        assert_eq!(statistics.mean(1), Some(0.25));
        assert_eq!(statistics.best(), Some(1), "lowest index on ties");
        assert_eq!(statistics.total_pulls(), 3);
    }

    #[test]
    fn costs_out_of_range_are_refused_and_leave_no_trace() {
        let mut unit = ArmStatistics::new(2, CostScale::Unit);
        for cost in [-0.1, 1.0001, f64::NAN, f64::INFINITY] {
            let error = unit.record(1, cost).unwrap_err();
            assert!(error.to_string().contains("arm 1"), "{error}");
        }
        assert_eq!(unit, ArmStatistics::new(2, CostScale::Unit));
        let mut raw = ArmStatistics::new(2, CostScale::Raw);
        for cost in [-0.1, f64::NAN, f64::INFINITY] {
            raw.record(0, cost).unwrap_err();
        }
        raw.record(0, 40.0).unwrap();
        raw.record(0, 20.0).unwrap();
        assert_eq!((raw.mean(0), raw.unit()), (Some(30.0), 40.0));
    }

    #[test]
    fn the_spread_is_the_standard_deviation_of_all_costs() {
        let mut statistics = ArmStatistics::new(3, CostScale::Spread);
        assert_eq!(statistics.unit(), 1.0);
        statistics.record(0, 1000.0).unwrap();
        assert_eq!(statistics.unit(), 1.0, "one cost has no spread");
        statistics.record(2, 1000.0).unwrap();
        assert_eq!(statistics.unit(), 1.0, "equal costs have none either");
        let more = [1000.0004, 1000.0008, 999.9996, 1000.0];
        for (position, &cost) in more.iter().enumerate() {
            statistics.record(position % 3, cost).unwrap();
        }
        let costs = [&[1000.0, 1000.0][..], &more].concat();
        let mean = costs.iter().sum::<f64>() / 6.0;
        let squares: f64 = costs.iter().map(|cost| (cost - mean).powi(2)).sum();
        let expected = (squares / 5.0).sqrt();
        assert!((statistics.unit() / expected - 1.0).abs() < 1e-6);
        let json = serde_json::to_string(&statistics).unwrap();
        let read: ArmStatistics = serde_json::from_str(&json).unwrap();
        assert_eq!(read, statistics);
        let spoiled = json.replace("\"squares\":", "\"squares\":-");
        let error = serde_json::from_str::<ArmStatistics>(&spoiled).unwrap_err();
        assert!(error.to_string().contains("squared"), "{error}");
    }

    /// Files of the other scales look as they always did.
    #[test]
    fn squares_are_stored_where_they_count() {
        for scale in [CostScale::Unit, CostScale::Raw] {
            let mut statistics = ArmStatistics::new(2, scale);
            statistics.record(0, 0.5).unwrap();
            statistics.record(1, 0.75).unwrap();
            let json = serde_json::to_string(&statistics).unwrap();
            assert!(!json.contains("squares"), "{json}");
        }
    }

    #[test]
    fn stored_statistics_are_checked() {
        let mut statistics = ArmStatistics::new(2, CostScale::Unit);
        for _ in 0..1000 {
            statistics.record(0, 0.1).unwrap();
        }
        let json = serde_json::to_string(&statistics).unwrap();
        assert_eq!(
            serde_json::from_str::<ArmStatistics>(&json).unwrap(),
            statistics
        );
        let spoiled = json.replace("1000", "1");
        let error = serde_json::from_str::<ArmStatistics>(&spoiled).unwrap_err();
        assert!(error.to_string().contains("arm 0"), "{error}");
    }
}

//! What is simulated.

use serde::{Deserialize, Serialize};

use super::Landscape;
use crate::{BanditError, CostScale, Policy};

/// Noise of a cost around the mean of its arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "noise", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Noise {
    /// 1 with the probability of the mean, else 0: the noisiest cost in `[0, 1]`.
    Bernoulli,
    /// Gaussian around the mean, clipped to `[0, 1]` (which pulls means near the borders inward a
    /// little, but keeps their order).
    ClippedGaussian {
        /// Standard deviation before clipping.
        deviation: f64,
    },
}

/// Settings of a regret simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegretConfig {
    /// Numbers of arms, one block of results each.
    pub arms: Vec<usize>,
    /// Rounds of each run.
    pub rounds: u64,
    /// Independent runs, each with its own costs.
    pub seeds: u64,
    /// The first seed; run `i` uses `seed + i`.
    pub seed: u64,
    /// Arms below a node of depth `d` differ by at most `delta * gamma^d`; at most 1.
    pub delta: f64,
    /// How fast relatives get closer from level to level, in `(0, 1)`.
    pub gamma: f64,
    /// An arm is near-optimal when its mean is within `eta` of the smallest.
    pub eta: f64,
    /// Noise of the costs.
    pub noise: Noise,
    /// Clusters of [`Landscape::Clusters`].
    pub clusters: usize,
    /// Units of the costs in the bounds: how much is explored.
    pub scale: CostScale,
    /// Where arms and tree agree, and where not.
    pub landscapes: Vec<Landscape>,
    /// The contenders.
    pub policies: Vec<Policy>,
    /// Points of each regret curve, evenly spaced, the last at the end.
    pub curve_points: u64,
}

impl Default for RegretConfig {
    /// 16 to 4096 arms in steps of 4, 20,000 rounds, 5 seeds, `0.5^d`, Gaussian noise of 0.1.
    fn default() -> Self {
        Self {
            arms: vec![16, 64, 256, 1024, 4096],
            rounds: 20_000,
            seeds: 5,
            seed: 0,
            delta: 1.0,
            gamma: 0.5,
            eta: 0.05,
            noise: Noise::ClippedGaussian { deviation: 0.1 },
            clusters: 8,
            scale: CostScale::Unit,
            landscapes: vec![
                Landscape::Smooth,
                Landscape::Shuffled,
                Landscape::ShuffledMeasured,
                Landscape::Decoy,
            ],
            policies: vec![Policy::Uniform, Policy::FlatLcb, Policy::TreeLcb],
            curve_points: 50,
        }
    }
}

impl RegretConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// [`BanditError::Setting`] naming the key and the value.
    pub fn validate(&self) -> Result<(), BanditError> {
        let refuse = |key, value: String, problem| {
            Err(BanditError::Setting {
                key,
                value,
                problem,
            })
        };
        if self.arms.is_empty() || self.arms.contains(&0) {
            return refuse(
                "arms",
                format!("{:?}", self.arms),
                "needs numbers from 1 up",
            );
        }
        if self.rounds == 0 {
            return refuse("rounds", "0".into(), "needs at least 1");
        }
        if self.seeds == 0 {
            return refuse("seeds", "0".into(), "needs at least 1");
        }
        if !(0.0..=1.0).contains(&self.delta) {
            return refuse("delta", self.delta.to_string(), "needs a number in [0, 1]");
        }
        if !(self.gamma > 0.0 && self.gamma < 1.0) {
            return refuse("gamma", self.gamma.to_string(), "needs a number in (0, 1)");
        }
        if !(0.0..=1.0).contains(&self.eta) {
            return refuse("eta", self.eta.to_string(), "needs a number in [0, 1]");
        }
        if let Noise::ClippedGaussian { deviation } = self.noise
            && !(deviation >= 0.0 && deviation.is_finite())
        {
            let problem = "needs a finite number from 0 up";
            return refuse("noise.deviation", deviation.to_string(), problem);
        }
        if self.clusters == 0 {
            return refuse("clusters", "0".into(), "needs at least 1");
        }
        if self.landscapes.is_empty() {
            return refuse("landscapes", "[]".into(), "needs at least one");
        }
        if self.policies.is_empty() {
            return refuse("policies", "[]".into(), "needs at least one");
        }
        if self.curve_points == 0 {
            return refuse("curve_points", "0".into(), "needs at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_name_their_key() {
        type Spoil = fn(&mut RegretConfig);
        let cases: [(&str, Spoil); 9] = [
            ("arms", |c| c.arms = vec![16, 0]),
            ("rounds", |c| c.rounds = 0),
            ("seeds", |c| c.seeds = 0),
            ("delta", |c| c.delta = 1.5),
            ("gamma", |c| c.gamma = 1.0),
            ("eta", |c| c.eta = f64::NAN),
            ("deviation", |c| {
                c.noise = Noise::ClippedGaussian { deviation: -1.0 }
            }),
            ("clusters", |c| c.clusters = 0),
            ("curve_points", |c| c.curve_points = 0),
        ];
        for (key, spoil) in cases {
            let mut config = RegretConfig::default();
            assert!(config.validate().is_ok());
            spoil(&mut config);
            let error = config.validate().expect_err(key).to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
